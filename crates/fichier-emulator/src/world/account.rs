//! The content of the emulated account: a tree of folders, and files that hang in it by link.
//!
//! Pure: no I/O, no clock and no limits; what a call may do is decided in `api`. A file's identity
//! is the id in its link and not its name: names repeat within a folder, while those of
//! sub-folders do not (docs/api-notes.md, A.7 and F.1).
//!
//! Invariant: the parent of every folder, and the folder of every file, exists; folder 0 is the
//! root and is never removed. Anonymous files belong to no folder.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::file::File;
use crate::base::Numbers;
use crate::storage::Content;

/// The folder that always exists.
pub(crate) const ROOT: i64 = 0;

/// A folder of the account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Folder {
    pub(crate) id: i64,
    pub(crate) parent: i64,
    pub(crate) name: String,
    /// Time of its creation in Unix seconds.
    pub(crate) created: i64,
    /// The public address, if shared.
    pub(crate) shared: Option<String>,
}

/// The folders and files of the account, and the anonymous files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    folders: BTreeMap<i64, Folder>,
    files: BTreeMap<String, File>,
    /// (folder, file id) of every file that is not anonymous.
    placed: BTreeSet<(i64, String)>,
    next_folder: i64,
    /// Removed files that listings still show for a while.
    #[serde(skip)]
    ghosts: Vec<(File, Instant)>,
    /// Moved files that listings still show where they were: id, old folder, until when.
    #[serde(skip)]
    trailing: Vec<(String, i64, Instant)>,
}

impl Account {
    pub(crate) fn new(now: i64) -> Account {
        let root =
            Folder { id: ROOT, parent: ROOT, name: "Root".into(), created: now, shared: None };
        Account {
            folders: BTreeMap::from([(ROOT, root)]),
            files: BTreeMap::new(),
            placed: BTreeSet::new(),
            next_folder: 22_726_720,
            ghosts: Vec::new(),
            trailing: Vec::new(),
        }
    }

    pub(crate) fn folder(&self, id: i64) -> Option<&Folder> {
        self.folders.get(&id)
    }

    pub(crate) fn folder_mut(&mut self, id: i64) -> Option<&mut Folder> {
        self.folders.get_mut(&id)
    }

    pub(crate) fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.folders.values()
    }

    pub(crate) fn sub_folders(&self, parent: i64) -> impl Iterator<Item = &Folder> {
        self.folders.values().filter(move |f| f.parent == parent && f.id != ROOT)
    }

    /// The sub-folder of this exact name.
    pub(crate) fn sub_folder(&self, parent: i64, name: &str) -> Option<&Folder> {
        self.sub_folders(parent).find(|folder| folder.name == name)
    }

    /// Makes a folder. The caller has checked that parent and name are fine.
    pub(crate) fn add_folder(
        &mut self,
        parent: i64,
        name: &str,
        now: i64,
        numbers: &mut Numbers,
    ) -> i64 {
        let id = self.next_folder;
        self.next_folder += 1 + i64::try_from(numbers.below(40)).unwrap_or(0);
        let folder = Folder { id, parent, name: name.to_owned(), created: now, shared: None };
        self.folders.insert(id, folder);
        id
    }

    /// Moves a folder into another, unless that is the folder itself or below it. Returns whether
    /// it was moved.
    pub(crate) fn move_folder(&mut self, id: i64, parent: i64) -> bool {
        if id == ROOT || !self.folders.contains_key(&parent) || self.is_within(parent, id) {
            return false;
        }
        let Some(folder) = self.folders.get_mut(&id) else { return false };
        folder.parent = parent;
        true
    }

    /// Removes a folder that has neither files nor sub-folders. Returns whether it was removed.
    pub(crate) fn remove_folder(&mut self, id: i64) -> bool {
        let empty = self.sub_folders(id).next().is_none() && self.files_in(id).next().is_none();
        id != ROOT && empty && self.folders.remove(&id).is_some()
    }

    /// Removes a folder with all that is in it, and returns the files. The root stays.
    pub(crate) fn remove_tree(&mut self, id: i64) -> Vec<File> {
        let ids: Vec<i64> = self.sub_folders(id).map(|folder| folder.id).collect();
        let mut removed: Vec<File> = ids.into_iter().flat_map(|id| self.remove_tree(id)).collect();
        let files: Vec<String> = self.files_in(id).map(|file| file.id.clone()).collect();
        removed.extend(files.iter().filter_map(|file| self.remove_file(file)));
        self.remove_folder(id);
        removed
    }

    /// The path of a folder: `/backups/photos`; `/` for the root.
    pub(crate) fn path(&self, id: i64) -> String {
        let mut names = Vec::new();
        let mut at = id;
        while at != ROOT
            && let Some(folder) = self.folders.get(&at)
        {
            names.push(folder.name.as_str());
            at = folder.parent;
        }
        names.reverse();
        format!("/{}", names.join("/"))
    }

    /// The folder of a path as [`Account::path`] makes it.
    pub(crate) fn find_folder(&self, path: &str) -> Option<i64> {
        path.split('/')
            .filter(|name| !name.is_empty())
            .try_fold(ROOT, |parent, name| self.sub_folder(parent, name).map(|folder| folder.id))
    }

    pub(crate) fn file(&self, id: &str) -> Option<&File> {
        self.files.get(id)
    }

    pub(crate) fn file_mut(&mut self, id: &str) -> Option<&mut File> {
        self.files.get_mut(id)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    /// The bytes that the account's files take up.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes_of(|_| true)
    }

    /// The bytes that those files take up whose dates are chosen.
    pub(crate) fn used_bytes_of(&self, is_chosen: impl Fn(i64) -> bool) -> u64 {
        let ours = self.files().filter(|file| !file.anonymous && is_chosen(file.date));
        ours.map(|file| file.size).sum()
    }

    /// The files of a folder, in no meaningful order.
    pub(crate) fn files_in(&self, folder: i64) -> impl Iterator<Item = &File> {
        self.placed
            .range((folder, String::new())..(folder + 1, String::new()))
            .filter_map(|(_, id)| self.files.get(id))
    }

    /// The files that a listing made at `now` shows in a folder: those that are too new are
    /// missing, and some that were removed or moved away are still there.
    pub(crate) fn visible_in(&self, folder: i64, now: Instant) -> Vec<&File> {
        let is_shown_elsewhere = |file: &File| {
            self.trailing
                .iter()
                .any(|(id, from, until)| *id == file.id && *from != folder && now < *until)
        };
        let there = self
            .files_in(folder)
            .filter(|file| file.hidden_until.is_none_or(|until| now >= until))
            .filter(|file| !is_shown_elsewhere(file));
        let moved_away = self
            .trailing
            .iter()
            .filter(|(_, from, until)| *from == folder && now < *until)
            .filter_map(|(id, _, _)| self.files.get(id))
            .filter(|file| file.folder != folder);
        let ghosts =
            self.ghosts.iter().filter(|(file, until)| file.folder == folder && now < *until);
        there.chain(moved_away).chain(ghosts.map(|(file, _)| file)).collect()
    }

    /// Lets listings show a moved file in the folder that it came from, for some time.
    pub(crate) fn trail(&mut self, id: &str, from: i64, until: Instant) {
        self.trailing.retain(|(other, _, _)| other != id);
        self.trailing.push((id.to_owned(), from, until));
    }

    /// The file other than `except` that has this name in this folder.
    pub(crate) fn name_is_taken(&self, folder: i64, name: &str, except: &str) -> Option<&File> {
        self.files_in(folder).find(|file| file.name == name && file.id != except)
    }

    /// Adds a file; its folder exists.
    pub(crate) fn add_file(&mut self, file: File) {
        if !file.anonymous {
            self.placed.insert((file.folder, file.id.clone()));
        }
        self.files.insert(file.id.clone(), file);
    }

    pub(crate) fn remove_file(&mut self, id: &str) -> Option<File> {
        let file = self.files.remove(id)?;
        self.placed.remove(&(file.folder, file.id.clone()));
        Some(file)
    }

    /// Lets listings show a removed file for some time.
    pub(crate) fn haunt(&mut self, file: File, until: Instant) {
        self.ghosts.push((file, until));
    }

    /// Whether listings still show removed files in this folder.
    pub(crate) fn is_haunted(&self, folder: i64, now: Instant) -> bool {
        self.ghosts.iter().any(|(file, until)| file.folder == folder && now < *until)
    }

    /// Moves a file into another folder.
    pub(crate) fn move_file(&mut self, id: &str, folder: i64) {
        if let Some(mut file) = self.remove_file(id) {
            file.folder = folder;
            self.add_file(file);
        }
    }

    /// Whether any file has this content on disk; contents in memory need no freeing.
    pub(crate) fn uses(&self, content: &Content) -> bool {
        matches!(content, Content::Disk(_))
            && self.files.values().any(|file| file.content.is_same(content))
    }

    fn is_within(&self, mut id: i64, ancestor: i64) -> bool {
        while id != ancestor {
            let Some(folder) = self.folders.get(&id) else { return false };
            if id == ROOT {
                return false;
            }
            id = folder.parent;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: &str, folder: i64) -> File {
        File {
            id: id.to_owned(),
            folder,
            name: "same.txt".to_owned(),
            size: 1,
            whirlpool: String::new(),
            date: 0,
            content: Content::Absent,
            anonymous: false,
            removal_code: String::new(),
            description: String::new(),
            password: String::new(),
            no_ssl: false,
            inline: false,
            cdn: false,
            hidden_until: None,
            unknown_until: None,
            stored: None,
        }
    }

    fn tree() -> (Account, i64, i64) {
        let (mut account, mut numbers) = (Account::new(0), Numbers::seeded(1));
        let a = account.add_folder(ROOT, "a", 0, &mut numbers);
        let b = account.add_folder(a, "b", 0, &mut numbers);
        (account, a, b)
    }

    #[test]
    fn a_path_and_its_folder_lead_to_each_other() {
        let (account, _, b) = tree();
        assert_eq!(account.path(b), "/a/b");
        assert_eq!(account.find_folder("/a/b"), Some(b));
        assert_eq!(account.find_folder("/a/B"), None);
        assert_eq!(account.path(ROOT), "/");
    }

    #[test]
    fn two_files_of_one_name_live_side_by_side() {
        let (mut account, a, _) = tree();
        account.add_file(file("1", a));
        account.add_file(file("2", a));
        assert_eq!(account.files_in(a).count(), 2);
        assert_eq!(account.name_is_taken(a, "same.txt", "1").map(|f| f.id.as_str()), Some("2"));
    }

    #[test]
    fn a_moved_file_is_in_one_folder_only() {
        let (mut account, a, b) = tree();
        account.add_file(file("1", a));
        account.move_file("1", b);
        assert_eq!((account.files_in(a).count(), account.files_in(b).count()), (0, 1));
    }

    #[test]
    fn a_folder_with_content_is_not_removed() {
        let (mut account, a, b) = tree();
        account.add_file(file("1", b));
        assert!(!account.remove_folder(a), "has a sub-folder");
        assert!(!account.remove_folder(b), "has a file");
        assert_eq!(account.remove_tree(a).len(), 1);
        assert_eq!(account.folders().count(), 1);
    }

    #[test]
    fn a_folder_does_not_move_below_itself() {
        let (mut account, a, b) = tree();
        assert!(!account.move_folder(a, b));
        assert!(!account.move_folder(a, a));
        assert!(account.move_folder(b, ROOT));
        assert_eq!(account.path(b), "/b");
    }
}
