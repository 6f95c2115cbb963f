//! Reads the test data.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rclone_formats::crypt::{Keys, Nonce};

pub(crate) const PASSWORD: &[u8] = b"correct horse battery staple";
pub(crate) const PASSWORD2: &[u8] = b"salt and pepper";

/// The two sets of passwords: the folder with their data, and the salt.
pub(crate) const SETS: [(&str, Option<&[u8]>); 2] =
    [("password", None), ("password2", Some(PASSWORD2))];

/// Those of [`PASSWORD`]. Each is derived once, since that takes time on purpose.
pub(crate) fn keys(salt: Option<&[u8]>) -> Keys {
    static PLAIN: LazyLock<Keys> = LazyLock::new(|| Keys::derive(PASSWORD, None).unwrap());
    match salt {
        None => PLAIN.clone(),
        Some(_) => Keys::derive(PASSWORD, salt).unwrap(),
    }
}

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rclone/data").join(name)
}

/// The rows of a table, each as its cells.
pub(crate) fn rows(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path(name)).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<_> = rows.map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    assert!(rows.len() > 2, "{name} was not found");
    rows
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn nonce(text: &str) -> Nonce {
    Nonce::from_bytes(hex(text).try_into().unwrap())
}

/// The content of a plain file of this size.
pub(crate) fn plain(size: usize) -> Vec<u8> {
    let mut x = size as u64;
    let mut byte = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        x.to_be_bytes()[0]
    };
    (0..size).map(|_| byte()).collect()
}
