//! Damage to stored files, by accident or by others: [`Emulator::truncate_content`],
//! [`Emulator::damage_content`] and [`Emulator::replace_content`].
//!
//! Files and folders that are lost as a whole are in `meddle`.

use std::io::Read;

use super::emulator::Emulator;
use crate::storage::Stored;

const BLOCK: usize = 256 * 1024;

/// Whether the service knows that a file was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Listings show the size and hash of the damaged content.
    Noticed,
    /// Listings show the size and hash from before the damage; only a download, which has the
    /// length of the damaged content, shows it.
    Silent,
}

impl Emulator {
    /// Cuts a file down to its first `bytes`. Its link, name and date stay; copies are not touched.
    ///
    /// # Panics
    ///
    /// When there is no file of this link with more bytes than `bytes`, when its content is not
    /// kept, or the storage cannot be written.
    pub fn truncate_content(&self, link: &str, bytes: u64, damage: Damage) {
        let length = self.content_length(link);
        assert!(bytes < length, "{link} has {length} bytes and not more than {bytes}");
        let stored = self.store_again(link, bytes, None);
        self.swap_content(link, stored, damage);
    }

    /// Changes the byte in the middle of a file. Its link, name, size and date stay; copies are not
    /// touched.
    ///
    /// # Panics
    ///
    /// When there is no file of this link with any bytes, when its content is not kept, or the
    /// storage cannot be written.
    pub fn damage_content(&self, link: &str, damage: Damage) {
        let length = self.content_length(link);
        assert!(length > 0, "{link} has no bytes to damage");
        let stored = self.store_again(link, length, Some(length / 2));
        self.swap_content(link, stored, damage);
    }

    /// Changes the bytes of a file and keeps its link, name and date.
    ///
    /// # Panics
    ///
    /// When there is no file of this link, or the storage cannot be written.
    pub fn replace_content(&self, link: &str, bytes: &[u8]) {
        self.swap_content(link, self.store(bytes), Damage::Noticed);
    }

    fn content_length(&self, link: &str) -> u64 {
        let reader = self.open_content(link);
        reader.and_then(|reader| reader.length().ok()).unwrap_or(0)
    }

    /// Stores the first `length` bytes of a file once more, with the byte at `flip` changed.
    fn store_again(&self, link: &str, length: u64, flip: Option<u64>) -> Stored {
        let mut reader = self.open_content(link).expect("a content that is kept").take(length);
        let mut sink = self.world.storage.sink().expect("the storage can be written");
        let mut block = vec![0; BLOCK];
        let mut at = 0;
        loop {
            let read = reader.read(&mut block).expect("the storage can be read");
            if read == 0 {
                return sink.finish().expect("the storage can be written");
            }
            let place = flip.and_then(|flip| usize::try_from(flip.checked_sub(at)?).ok());
            if let Some(byte) = place.and_then(|place| block[..read].get_mut(place)) {
                *byte ^= 0xff;
            }
            sink.write(&block[..read]).expect("the storage can be written");
            at += read as u64;
        }
    }

    /// Gives a file another content, and frees the one that it had.
    fn swap_content(&self, link: &str, mut stored: Stored, damage: Damage) {
        self.change(link, |file| {
            if damage == Damage::Noticed {
                file.size = stored.size;
                file.whirlpool.clone_from(&stored.whirlpool);
            }
            std::mem::swap(&mut file.content, &mut stored.content);
        });
        self.world.lock().free(&stored.content, &self.world.storage);
    }
}
