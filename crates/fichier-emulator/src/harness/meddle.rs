//! Changing the account, past every limit and without a call.
//!
//! Tests use it to play other people who change the account: they remove, rename or move the files
//! that a client believes to be there.

use super::emulator::Emulator;
use crate::base::{dates, instant};
use crate::storage::Stored;
use crate::world::{File, ROOT, link_id};

impl Emulator {
    /// Makes the folders of a path that are not there, and returns the last one's number.
    pub fn add_folder(&self, path: &str) -> i64 {
        let state = &mut *self.world.lock();
        state.changed = true;
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(ROOT, |parent, name| match state.account.sub_folder(parent, name) {
            Some(folder) => folder.id,
            None => state.account.add_folder(parent, name, state.clock.now(), &mut state.numbers),
        })
    }

    /// Adds a file, and its folder if that is not there; returns the link.
    ///
    /// # Panics
    ///
    /// When the storage cannot be written.
    pub fn add_file(&self, folder_path: &str, name: &str, bytes: &[u8]) -> String {
        let folder = self.add_folder(folder_path);
        let stored = self.store(bytes);
        let state = &mut *self.world.lock();
        let file = File {
            id: state.numbers.lower(20),
            folder,
            name: name.to_owned(),
            size: stored.size,
            whirlpool: stored.whirlpool,
            date: state.clock.now(),
            content: stored.content,
            anonymous: false,
            removal_code: state.numbers.mixed(8),
            description: String::new(),
            password: String::new(),
            no_ssl: false,
            inline: false,
            cdn: false,
            hidden_until: None,
            unknown_until: None,
            stored: None,
        };
        let link = file.link();
        state.account.add_file(file);
        state.changed = true;
        link
    }

    /// Removes a file.
    ///
    /// # Panics
    ///
    /// When there is no file of this link.
    pub fn remove_file(&self, link: &str) {
        let id = link_id(link).unwrap_or_default();
        let removed = self.world.lock().remove_file(id, &self.world.storage, instant());
        assert!(removed, "no file at {link}");
    }

    /// Gives a file another name.
    ///
    /// # Panics
    ///
    /// When there is no file of this link.
    pub fn rename_file(&self, link: &str, name: &str) {
        self.change(link, |file| name.clone_into(&mut file.name));
    }

    /// Moves a file into another folder, which is made if it is not there.
    ///
    /// # Panics
    ///
    /// When there is no file of this link.
    pub fn move_file(&self, link: &str, folder_path: &str) {
        let folder = self.add_folder(folder_path);
        self.change(link, |_| {});
        let id = link_id(link).unwrap_or_default();
        self.world.lock().account.move_file(id, folder);
    }

    /// Removes a folder with all that is in it.
    ///
    /// # Panics
    ///
    /// When there is no folder of this path.
    pub fn remove_folder(&self, path: &str) {
        let state = &mut *self.world.lock();
        let id = state.account.find_folder(path);
        let id = id.unwrap_or(ROOT);
        assert!(id != ROOT, "no folder {path}");
        state.changed = true;
        for file in state.account.remove_tree(id) {
            state.free(&file.content, &self.world.storage);
        }
    }

    /// Changes the time at which a file was uploaded: French local time, `YYYY-MM-DD HH:MM:SS`.
    ///
    /// # Panics
    ///
    /// When there is no file of this link, or the text is no date.
    pub fn set_date(&self, link: &str, date: &str) {
        let date = dates::read(date).expect("a date as the service writes it");
        self.change(link, |file| file.date = date);
    }

    /// Changes the record of a file.
    ///
    /// # Panics
    ///
    /// When there is no file of this link.
    pub(super) fn change(&self, link: &str, change: impl FnOnce(&mut File)) {
        let state = &mut *self.world.lock();
        state.changed = true;
        let file = link_id(link).and_then(|id| state.account.file_mut(id));
        let found = file.map(change);
        assert!(found.is_some(), "no file at {link}");
    }

    pub(super) fn store(&self, bytes: &[u8]) -> Stored {
        let mut sink = self.world.storage.sink().expect("the storage can be written");
        sink.write(bytes).expect("the storage can be written");
        sink.finish().expect("the storage can be written")
    }
}
