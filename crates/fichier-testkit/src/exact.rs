//! Everything about a tree that a restore is to bring back, as lines to compare.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// One line for each entry: path, kind, mode, owner, time, attributes, which names are one file,
/// allocated bytes of sparse files, and the content's hash or the link's target.
pub fn describe(root: &Path) -> Vec<String> {
    let mut paths = vec![root.to_owned()];
    let mut at = 0;
    while let Some(path) = paths.get(at).cloned() {
        at += 1;
        if path.symlink_metadata().unwrap().is_dir() {
            let mut inside: Vec<PathBuf> =
                fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
            inside.sort();
            paths.extend(inside);
        }
    }
    paths.sort();
    let mut first_names: BTreeMap<u64, PathBuf> = BTreeMap::new();
    paths.iter().map(|path| line(root, path, &mut first_names)).collect()
}

fn line(root: &Path, path: &Path, first_names: &mut BTreeMap<u64, PathBuf>) -> String {
    let found = path.symlink_metadata().unwrap();
    let below = path.strip_prefix(root).unwrap();
    let mut line = format!(
        "{:?} mode {:o} owner {}:{} mtime {}.{:09}",
        String::from_utf8_lossy(below.as_os_str().as_bytes()),
        found.mode(),
        found.uid(),
        found.gid(),
        found.mtime(),
        found.mtime_nsec()
    );
    for (name, value) in xattrs(path) {
        write!(line, " {name}={value:?}").unwrap();
    }
    if found.is_symlink() {
        write!(line, " -> {:?}", fs::read_link(path).unwrap()).unwrap();
    } else if found.is_file() {
        let content = fs::read(path).unwrap();
        write!(line, " {} bytes {}", content.len(), blake3::hash(&content).to_hex()).unwrap();
        if found.nlink() > 1 {
            let first = first_names.entry(found.ino()).or_insert_with(|| below.to_owned());
            write!(line, " the same as {first:?}").unwrap();
        }
        if found.blocks() * 512 < found.len() {
            write!(line, " sparse, {} bytes on disk", found.blocks() * 512).unwrap();
        }
    }
    line
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 64 * 1024];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names[..]) else { return BTreeMap::new() };
    names.truncate(length);
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .filter(|name| !name.starts_with(b"security.selinux"))
        .map(|name| {
            let mut value = vec![0; 64 * 1024];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            value.truncate(length);
            (String::from_utf8_lossy(name).into_owned(), value)
        })
        .collect()
}

/// Panics unless two trees are the same in everything; says which lines are only in one.
#[track_caller]
pub fn assert_same(one: &[String], other: &[String]) {
    let only = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).cloned().collect()
    };
    let (missing, extra) = (only(one, other), only(other, one));
    assert!(missing.is_empty() && extra.is_empty(), "expected {missing:#?}\nfound {extra:#?}");
}
