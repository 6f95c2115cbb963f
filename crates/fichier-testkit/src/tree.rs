//! The files on disk and the files in the account, in one form.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fichier_emulator::{Emulator, StoredFile};

use crate::crypt;

/// Files by their paths, encoded as on the service of a plain mirror, with their contents.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// The files below `source` that the service can hold: no links, and no empty ones unless they are
/// enciphered.
pub fn on_disk(source: &Path) -> Tree {
    let mut found = Tree::new();
    walk(source, "", &mut found);
    found
}

fn walk(folder: &Path, below: &str, found: &mut Tree) {
    // A folder may go while it is looked at.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            let name = crypt::shown_folder(name.as_bytes());
            walk(&entry.path(), &format!("{below}{name}/"), found);
        } else if kind.is_file() {
            let Ok(content) = fs::read(entry.path()) else { continue };
            if !content.is_empty() || crypt::is_on() {
                found.insert(format!("{below}{}", crypt::shown_file(name.as_bytes())), content);
            }
        }
    }
}

/// The files that `target` shows; two of one path appear as `path (twice)`.
pub fn in_account(emulator: &Emulator, target: &str) -> Tree {
    let mut found = Tree::new();
    for file in emulator.files() {
        let Some(folder) = file.path.strip_prefix(target) else { continue };
        let folder = folder.trim_start_matches('/');
        if folder.starts_with(".fichierd") {
            continue;
        }
        let slash = if folder.is_empty() { "" } else { "/" };
        let folder = crypt::plain_folder(folder);
        let path = format!("{folder}{slash}{}", crypt::plain_file(&file.name));
        let content = crypt::plain_content(emulator.content(&file.link).unwrap_or_default());
        if found.contains_key(&path) {
            found.insert(format!("{path} (twice)"), content);
        } else {
            found.insert(path, content);
        }
    }
    found
}

/// The folders that the files of a tree lie in. The service is not told of folders without files.
pub fn folders_of(tree: &Tree) -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    for path in tree.keys() {
        folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
    }
    folders
}

/// The folders that `target` shows.
pub fn folders_in_account(emulator: &Emulator, target: &str) -> BTreeSet<String> {
    let all = emulator.folders();
    let below = all.iter().filter_map(|path| path.strip_prefix(target)?.strip_prefix('/'));
    below.filter(|path| !path.starts_with(".fichierd")).map(crypt::plain_folder).collect()
}

/// The files that lie beside the mirrors in the account: copies of the records, and the canary.
pub fn snapshots(emulator: &Emulator) -> Vec<StoredFile> {
    let files = emulator.files().into_iter();
    files.filter(|file| file.path.contains("/.fichierd/state")).collect()
}

/// How many bytes the copies of the records and the canary have.
pub fn snapshot_bytes(emulator: &Emulator) -> u64 {
    snapshots(emulator).iter().map(|file| file.size).sum()
}

/// How many bytes are stored of these files.
pub fn stored_bytes(tree: &Tree) -> u64 {
    tree.values().map(|content| crypt::stored_bytes(content.len() as u64)).sum()
}

/// The names of files in the staging folders of the account: none, once a mirror is at rest.
pub fn staged(emulator: &Emulator) -> Vec<String> {
    let files = emulator.files().into_iter();
    let staged = files.filter(|file| file.path.contains("/.fichierd/incoming"));
    staged.map(|file| crypt::plain_file(&file.name)).collect()
}
