//! The files at the service, and whether they equal those on disk.

use std::collections::BTreeMap;

use fichier_api::FileUrl;

use super::{Bench, TARGET};
use crate::crypt;
use crate::tree::{self, Tree};

impl Bench {
    /// The files that the target shows. Panics on two files of one path.
    pub fn remote(&self) -> Tree {
        let mut found = BTreeMap::new();
        for (path, content) in self.visible() {
            assert!(found.insert(path.clone(), content).is_none(), "`{path}` is there twice");
        }
        found
    }

    /// The files that the target shows, at a moment when two of them may have one path.
    pub fn visible(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.emulator.files();
        let below = files.iter().filter_map(|file| Some((file.path.strip_prefix(TARGET)?, file)));
        below
            .filter(|(folder, _)| !folder.starts_with("/.fichierd"))
            .map(|(folder, file)| {
                let folder = crypt::plain_folder(folder.trim_start_matches('/'));
                let path = format!("{folder}/{}", crypt::plain_file(&file.name));
                let content = self.emulator.content(&file.link).unwrap();
                (path.trim_start_matches('/').to_owned(), crypt::plain_content(content))
            })
            .collect()
    }

    /// The link of the file of this name, wherever it lies. Panics if there is none.
    #[track_caller]
    pub fn link(&self, name: &str) -> String {
        let files = self.emulator.files();
        files
            .into_iter()
            .find(|file| crypt::plain_file(&file.name) == name)
            .expect("no such file")
            .link
    }

    /// What the file of this link holds.
    #[track_caller]
    pub fn content(&self, link: &str) -> Vec<u8> {
        crypt::plain_content(self.emulator.content(link).expect("no such file"))
    }

    /// The whole path on the service of a folder of the mirror.
    pub fn folder_path(&self, local: &str) -> String {
        let path = format!("{TARGET}/{}", crypt::stored_folder(local));
        path.trim_end_matches('/').to_owned()
    }

    /// Puts a file into the target as another program would that keeps files in the same form.
    /// Returns its link.
    pub fn put_by_others(&self, path: &str, content: impl AsRef<[u8]>) -> String {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let stored = crypt::stored_content(content.as_ref());
        let folder = self.folder_path(folder);
        self.emulator.add_file(&folder, &crypt::stored_file(name), &stored)
    }

    /// The files on disk that the service can hold.
    pub fn local(&self) -> Tree {
        tree::on_disk(self.source())
    }

    /// Bytes that arrived at the service, without those of snapshots.
    pub fn sent_bytes(&self) -> u64 {
        let folder = format!("{TARGET}/.fichierd/state");
        let files = self.emulator.files().into_iter().filter(|file| file.path == folder);
        self.emulator.bytes_received() - files.map(|file| file.size).sum::<u64>()
    }

    /// The versions that are kept: names and contents, sorted.
    pub fn versions(&self) -> Vec<(String, Vec<u8>)> {
        let versions = format!("{TARGET}/.fichierd/versions");
        let mut found: Vec<_> = self
            .emulator
            .files()
            .into_iter()
            .filter(|file| file.path.starts_with(&versions))
            .map(|file| {
                let content = self.emulator.content(&file.link).unwrap();
                (crypt::plain_file(&file.name), crypt::plain_content(content))
            })
            .collect();
        found.sort();
        found
    }

    /// The folders that the target shows, relative to it, sorted.
    pub fn remote_folders(&self) -> Vec<String> {
        let all = self.emulator.folders();
        let below = all.iter().filter_map(|path| path.strip_prefix(TARGET));
        let shown = below.filter(|path| !path.is_empty() && !path.starts_with("/.fichierd"));
        let mut paths: Vec<String> =
            shown.map(|path| crypt::plain_folder(path.trim_start_matches('/'))).collect();
        paths.sort();
        paths
    }

    /// The whole path of the folder in the target whose path begins like this; the staging folder
    /// has the number of its installation in its name.
    pub fn folder_like(&self, begin: &str) -> Option<String> {
        let begin = format!("{TARGET}/{begin}");
        self.emulator.folders().into_iter().find(|path| path.starts_with(&begin))
    }

    /// Panics if a file of the mirror has another name than its record says. The audit would take it
    /// for one that somebody has renamed.
    fn assert_named_as_recorded(&self) {
        for file in self.emulator.files() {
            let url = FileUrl::parse(&file.link).unwrap();
            let record = self.shared.state.read(|s| s.entry_of_url(&url)).unwrap();
            let recorded = record.map(|record| record.remote_name());
            let is_so = recorded.as_ref().is_none_or(|name| name.as_str() == file.name);
            assert!(is_so, "{} `{}` is recorded as {recorded:?}", file.path, file.name);
        }
    }

    /// Panics if mirrors are encrypted in this run, and a file in its place can be read in the account.
    /// Others may have been damaged by the test.
    fn assert_unreadable(&self) {
        if crypt::is_on() {
            let files = self.emulator.files().into_iter();
            let own = format!("{TARGET}/.fichierd");
            let is_in_place = |path: &str| path.starts_with(TARGET) && !path.starts_with(&own);
            for file in files.filter(|file| is_in_place(&file.path)) {
                crypt::assert_unreadable(&file, self.emulator.content(&file.link));
            }
        }
    }

    /// Panics unless the remote equals the disk, nothing lies in staging or outside of the target,
    /// and no rule of the service was broken.
    pub fn assert_mirrored(&self) {
        let (local, remote) = (self.local(), self.remote());
        let names = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&local), names(&remote));
        assert!(local == remote, "contents differ");
        self.assert_named_as_recorded();
        self.assert_unreadable();
        let folders = self.remote_folders();
        assert!(folders.windows(2).all(|two| two[0] != two[1]), "one is there twice: {folders:?}");
        let staging = format!("{TARGET}/.fichierd/incoming");
        for file in self.emulator.files().iter().filter(|file| !file.anonymous) {
            assert!(!file.path.starts_with(&staging), "`{}` was left in staging", file.name);
            assert!(file.path.starts_with(TARGET), "`{}` lies in {}", file.name, file.path);
        }
        self.emulator.assert_no_violations();
    }
}
