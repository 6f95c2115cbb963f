//! An independent implementation reads what this crate makes, and the other way round.
//!
//! It is `witness.py`, on the Python package rclone-crypt-python. `.ci/run witness` installs that
//! and runs this test; elsewhere `RCLONE_CRYPT_PYTHON` names a Python that has it. Without this
//! variable nothing is compared.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rclone_formats::conf::{obscure, reveal};
use rclone_formats::crypt::names::{Encoding, Kind, NameScheme, Names, StoredName};
use rclone_formats::crypt::{Keys, Nonce};
use serde_json::{Value, json};

use crate::contents::{decrypt, encrypt};
use crate::data::{PASSWORD, SETS, hex, keys, plain};

/// Sizes at each border, and others.
const SIZES: [usize; 10] = [0, 1, 15, 16, 65_535, 65_536, 65_537, 131_072, 200_001, 1_000_003];
const ENCODINGS: [Encoding; 3] = [Encoding::Base32, Encoding::Base64, Encoding::Base32768];

#[test]
fn another_implementation_reads_what_we_make_and_makes_what_we_read() {
    let Some(python) = std::env::var_os("RCLONE_CRYPT_PYTHON") else {
        return eprintln!("skipped: RCLONE_CRYPT_PYTHON names no Python with rclone-crypt-python");
    };
    for (set, salt) in SETS {
        let keys = keys(salt);
        let ours = Ours::of(&keys);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let asked = json!({
            "password": text(PASSWORD),
            "password2": salt.map(text),
            "files": ours.files.iter().map(|(plain, stored)| {
                json!({ "plain": to_hex(plain), "stored": to_hex(stored) })
            }).collect::<Vec<_>>(),
            "names": names(),
            "stored_names": ours.names,
            "obscured": [obscure(PASSWORD, [3; 16]), obscure("naïve ⚙".as_bytes(), [0xFF; 16])],
        });
        let answer = ask(python.as_ref(), &asked);
        ours.compare(&keys, &answer, set);
        assert_eq!(answer["revealed"], json!([text(PASSWORD), "naïve ⚙"]), "{set}");
        let obscured = answer["obscured"].as_str().unwrap();
        assert_eq!(*reveal(obscured).unwrap(), PASSWORD, "{set}");
    }
}

/// What this crate makes.
struct Ours {
    /// Plain, and encrypted.
    files: Vec<(Vec<u8>, Vec<u8>)>,
    names: BTreeMap<&'static str, Vec<String>>,
}

impl Ours {
    fn of(keys: &Keys) -> Ours {
        let files = SIZES.map(plain).map(|plain| {
            let random = crate::data::plain(24 + plain.len())[..24].to_vec();
            let stored = encrypt(keys, Nonce::from_bytes(random.try_into().unwrap()), &plain);
            (plain, stored)
        });
        let stored = |encoding| {
            let cipher = cipher(keys, encoding);
            let name = |name: &String| match cipher.encrypt(Kind::File, name.as_bytes()).unwrap() {
                StoredName::Cipher(text) => text,
                StoredName::Plain(_) => panic!("{name} is not enciphered"),
            };
            (encoding.as_str(), names().iter().map(name).collect())
        };
        Ours { files: files.to_vec(), names: ENCODINGS.map(stored).into() }
    }

    fn compare(&self, keys: &Keys, answer: &Value, set: &str) {
        for (at, (plain, _)) in self.files.iter().enumerate() {
            let what = format!("{set}, {} bytes", plain.len());
            assert!(bytes(&answer["read"][at]) == *plain, "{what}: it reads another file");
            let part = plain.get(65_500..).unwrap_or_default();
            let part = &part[..part.len().min(100)];
            assert_eq!(bytes(&answer["parts"][at]), part, "{what}: it reads another part");
            let (read, end) = decrypt(keys, &bytes(&answer["written"][at]));
            assert_eq!(end, Ok(plain.len() as u64), "{what}: what it wrote");
            assert!(read == *plain, "{what}: what it wrote");
        }
        for (encoding, stored) in &self.names {
            assert_eq!(answer["names"][encoding], json!(stored), "{set}, {encoding}");
            assert_eq!(answer["names_read"][encoding], json!(names()), "{set}, {encoding}");
            let encoding = Encoding::parse(encoding).unwrap();
            for (name, stored) in names().iter().zip(stored) {
                let back = cipher(keys, encoding).decrypt(Kind::File, stored.as_bytes());
                assert_eq!(back.as_deref(), Ok(name.as_bytes()), "{set}, {encoding}");
            }
        }
    }
}

fn cipher(keys: &Keys, encoding: Encoding) -> Names {
    Names::new(keys, NameScheme::Standard { encoding, folders: true })
}

/// Names of each length up to 255 bytes, of many characters; those that have another standard form
/// or a version stamp are not for this witness.
fn names() -> Vec<String> {
    let letters: Vec<char> = "abcxyzABC019 ._-~é😀日本ß'\"$%&".chars().collect();
    let name = |bytes: usize| {
        let numbers = plain(4 * bytes).into_iter().map(usize::from);
        let mut name = String::from("n");
        name.extend(numbers.map(|number| letters[number % letters.len()]).take_while({
            let mut left = bytes - 1;
            move |letter| {
                let fits = letter.len_utf8() <= left;
                left = left.saturating_sub(letter.len_utf8());
                fits
            }
        }));
        name
    };
    (1..=255).map(name).collect()
}

fn ask(python: &Path, asked: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rclone/witness.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, text) = (child.stdin.take().unwrap(), asked.to_string());
    let writer = thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the witness failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex(value.as_str().unwrap())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
