//! Looking into the account, past every limit and without a call: tests use it to see which files
//! have arrived.

use std::io::Read;

use super::emulator::Emulator;
use crate::base::{dates, instant};
use crate::storage::ContentReader;
use crate::world::{ROOT, link_id};

/// A file as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// The path of its folder: `/backups/photos`, `/` for the root.
    pub path: String,
    /// Its name, which need not be unique in the folder.
    pub name: String,
    /// Its link, `https://1fichier.com/?<id>`.
    pub link: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its hash, 128 lower-case hex digits.
    pub whirlpool: String,
    /// Time of the upload, `YYYY-MM-DD HH:MM:SS` in French local time.
    pub date: String,
    /// Whether it was uploaded without a valid key, and so is in no folder of the account.
    pub anonymous: bool,
    /// Whether no listing shows it yet.
    pub hidden: bool,
}

impl Emulator {
    /// Every file, sorted by path, name and link.
    pub fn files(&self) -> Vec<StoredFile> {
        let state = self.world.lock();
        let mut files: Vec<StoredFile> = state
            .account
            .files()
            .map(|file| StoredFile {
                path: state.account.path(file.folder),
                name: file.name.clone(),
                link: file.link(),
                size: file.size,
                whirlpool: file.whirlpool.clone(),
                date: dates::write(file.date),
                anonymous: file.anonymous,
                hidden: file.hidden_until.is_some_and(|until| instant() < until),
            })
            .collect();
        files.sort_by(|a, b| (&a.path, &a.name, &a.link).cmp(&(&b.path, &b.name, &b.link)));
        files
    }

    /// The path of every folder but the root, sorted.
    pub fn folders(&self) -> Vec<String> {
        let state = self.world.lock();
        let ids = state.account.folders().map(|folder| folder.id).filter(|id| *id != ROOT);
        let mut paths: Vec<String> = ids.map(|id| state.account.path(id)).collect();
        paths.sort();
        paths
    }

    /// The number of the folder with this path.
    pub fn folder_id(&self, path: &str) -> Option<i64> {
        self.world.lock().account.find_folder(path)
    }

    /// The bytes of a file; `None` if there is no such link, or contents are not kept.
    pub fn content(&self, link: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_content(link)?.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The bytes of a file, a piece at a time.
    pub fn open_content(&self, link: &str) -> Option<ContentReader> {
        let content = self.world.lock().account.file(link_id(link)?)?.content.clone();
        self.world.storage.reader(&content).ok()?
    }
}
