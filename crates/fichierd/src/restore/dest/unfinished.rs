//! The note of the folders that are not yet as they are to be: those that a restore has made, which
//! are open to us alone until they get their metadata, and those that it has opened for writing.
//!
//! It lies in the staging folder, and is on disk before a folder is touched. So a restore that was
//! stopped at any point, also by a crash, leaves word of what must still be set: the next one
//! reads it, whatever it is told about overwriting.
//!
//! Invariant: a folder leaves the note only after its metadata was set, or its mode was put back,
//! or it is gone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::BorrowedFd;

use fichier_state::RelPath;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// The name of the note in the staging folder: no hash.
const NAME: &[u8] = b"unfinished-folders";

/// The name under which a shorter note is written before it takes the place of the longer one.
const NEXT_NAME: &[u8] = b"unfinished-folders.next";

/// The end of each entry: no path holds it.
const END: u8 = 0;

/// The reason why a folder is on the note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// It was made, and has no metadata yet.
    Made,
    /// It was there with this mode, and was opened for writing.
    Opened(u32),
}

/// The folders on the note.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    folders: BTreeMap<RelPath, Pending>,
    /// The file says something else than `folders`.
    is_changed: bool,
}

impl Unfinished {
    /// Reads the note that an earlier try has left. An entry that was cut off is left out: its
    /// folder was not touched.
    pub(super) fn read(staging: BorrowedFd<'_>) -> io::Result<Unfinished> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut text = Vec::new();
        match rustix::fs::openat(staging, NAME, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Unfinished::default()),
            found => File::from(found?).read_to_end(&mut text)?,
        };
        let mut folders = BTreeMap::new();
        for entry in text.split_inclusive(|byte| *byte == END) {
            if let Some((path, pending)) = entry.strip_suffix(&[END]).and_then(parse) {
                folders.entry(path).or_insert(pending);
            }
        }
        Ok(Unfinished { folders, is_changed: false })
    }

    pub(super) fn get(&self, folder: &RelPath) -> Option<Pending> {
        self.folders.get(folder).copied()
    }

    /// The folders that were opened for writing, children first.
    pub(super) fn opened(&self) -> Vec<(RelPath, u32)> {
        let opened = self.folders.iter().rev().filter_map(|(path, pending)| match pending {
            Pending::Opened(mode) => Some((path.clone(), *mode)),
            Pending::Made => None,
        });
        opened.collect()
    }

    /// The folders that were made.
    pub(super) fn made(&self) -> Vec<RelPath> {
        let made = self.folders.iter().filter(|(_, pending)| **pending == Pending::Made);
        made.map(|(path, _)| path.clone()).collect()
    }

    /// Puts folders on the note that are not on it, and waits until that is on disk.
    pub(super) fn add(
        &mut self,
        staging: BorrowedFd<'_>,
        folders: Vec<(RelPath, Pending)>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        for (path, pending) in folders {
            if self.folders.contains_key(&path) {
                continue;
            }
            write_entry(&mut text, &path, pending);
            self.folders.insert(path, pending);
        }
        if text.is_empty() {
            return Ok(());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(staging, NAME, flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(file);
        file.write_all(&text)?;
        file.sync_data()?;
        // The name of the note, too.
        Ok(rustix::fs::fsync(staging)?)
    }

    /// Takes a folder off the note; the file follows with [`Unfinished::keep`].
    pub(super) fn remove(&mut self, folder: &RelPath) {
        self.is_changed |= self.folders.remove(folder).is_some();
    }

    /// Makes the file say what is left; removes it if nothing is.
    pub(super) fn keep(&mut self, staging: BorrowedFd<'_>) -> io::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        if self.folders.is_empty() {
            match rustix::fs::unlinkat(staging, NAME, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                failed => failed?,
            }
        } else {
            let mut text = Vec::new();
            for (path, pending) in &self.folders {
                write_entry(&mut text, path, *pending);
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
            let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let next = rustix::fs::openat(staging, NEXT_NAME, flags, Mode::RUSR | Mode::WUSR)?;
            let mut next = File::from(next);
            next.write_all(&text)?;
            next.sync_data()?;
            rustix::fs::renameat(staging, NEXT_NAME, staging, NAME)?;
        }
        self.is_changed = false;
        Ok(())
    }
}

/// One entry: `made`, or the mode in octal digits, a space, the path, and its end.
fn write_entry(text: &mut Vec<u8>, path: &RelPath, pending: Pending) {
    let reason = match pending {
        Pending::Made => "made".to_owned(),
        Pending::Opened(mode) => format!("{mode:o}"),
    };
    text.extend_from_slice(reason.as_bytes());
    text.push(b' ');
    text.extend_from_slice(path.as_bytes());
    text.push(END);
}

/// `None` for an entry that this program did not write.
fn parse(entry: &[u8]) -> Option<(RelPath, Pending)> {
    let at = entry.iter().position(|byte| *byte == b' ')?;
    let (reason, path) = (str::from_utf8(&entry[..at]).ok()?, &entry[at + 1..]);
    let pending = match reason {
        "made" => Pending::Made,
        mode => Pending::Opened(u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777)?),
    };
    Some((RelPath::parse(path).ok()?, pending))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn what_is_noted_is_read_again_whatever_the_names_and_a_cut_entry_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let staging = File::open(dir.path()).unwrap();
        let path = |name: &[u8]| RelPath::parse(name).unwrap();
        let folders = vec![
            (RelPath::root(), Pending::Made),
            (path(b"a b/\nc"), Pending::Opened(0o2555)),
            (path(b"caf\xE9"), Pending::Made),
        ];
        let mut note = Unfinished::default();
        note.add(staging.as_fd(), folders.clone()).unwrap();
        let file = dir.path().join("unfinished-folders");
        let mut text = std::fs::read(&file).unwrap();
        text.extend_from_slice(b"made cut o");
        std::fs::write(&file, text).unwrap();

        let mut read = Unfinished::read(staging.as_fd()).unwrap();
        for (folder, pending) in &folders {
            assert_eq!(read.get(folder), Some(*pending), "{folder}");
        }
        assert_eq!(read.made(), [RelPath::root(), path(b"caf\xE9")]);
        assert_eq!(read.opened(), [(path(b"a b/\nc"), 0o2555)]);
        read.remove(&path(b"caf\xE9"));
        read.keep(staging.as_fd()).unwrap();
        assert_eq!(Unfinished::read(staging.as_fd()).unwrap().made(), [RelPath::root()]);
        folders.iter().for_each(|(folder, _)| read.remove(folder));
        read.keep(staging.as_fd()).unwrap();
        assert!(read.folders.is_empty() && !file.exists());
    }
}
