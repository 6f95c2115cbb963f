//! The folder in the destination that holds unfinished files.
//!
//! A file under construction lies here under the hash of its content, so that a restore that was
//! stopped, also by a crash, goes on with the bytes it has. No other user may read it: a file has
//! its owner and mode only when it is complete.
//!
//! Invariant: the folder is ours, no other user may write to it, and one process at a time uses it.
//! A file in it has no other name.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use fichier_state::RelPath;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::way::{in_the_way, obstacle};
use crate::disk::at::{is_gone, open_folder};
use crate::disk::filter::RESTORE_NAME;

/// The folder's name, which a restore can therefore not put back at the top. No mirror has it.
pub const STAGING_NAME: &[u8] = RESTORE_NAME;

/// The name of the one file in it that is not named by its hash; it is never worth keeping.
const NEW_NAME: &[u8] = b"new";

/// The folder, open and locked.
#[derive(Debug)]
pub(super) struct Staging {
    folder: OwnedFd,
}

/// A file under construction, open for reading and writing.
#[derive(Debug)]
pub struct Part {
    file: File,
    key: String,
    present_bytes: u64,
}

impl Part {
    /// The length that the file had when it was opened: the bytes that an earlier try has left.
    pub fn present_bytes(&self) -> u64 {
        self.present_bytes
    }

    /// The file, at its beginning when it was opened. A writer that appends goes to the end first.
    pub fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn key(&self) -> &[u8] {
        self.key.as_bytes()
    }
}

impl Staging {
    /// Opens the folder, or makes it.
    pub(super) fn open(dest: BorrowedFd<'_>) -> io::Result<Staging> {
        let is_new = match rustix::fs::mkdirat(dest, STAGING_NAME, Mode::RWXU) {
            Err(Errno::EXIST) => false,
            made => made.map(|()| true)?,
        };
        let folder = match open_folder(dest, STAGING_NAME) {
            Err(error) if is_gone(&error) => {
                let found = rustix::fs::statat(dest, STAGING_NAME, AtFlags::SYMLINK_NOFOLLOW)?;
                let path = RelPath::root().join(STAGING_NAME);
                return Err(in_the_way(path, obstacle(found.st_mode)));
            }
            folder => folder?,
        };
        // On file systems without owners a folder may not look like ours even when it is new.
        if !is_new && !is_ours_alone(&rustix::fs::fstat(&folder)?) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "`.fichierd-restore` belongs to someone else, or others may write to it; \
                 if nothing in it is needed, remove it",
            ));
        }
        match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "another restore is at work here"))
            }
            // Without locks, as on some network file systems, the user must see to it.
            _ => Ok(Staging { folder }),
        }
    }

    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// The part of this name, from an earlier try or empty.
    pub(super) fn part(&self, key: &str) -> io::Result<Part> {
        let is_hash = (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hash {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a hash"));
        }
        let file = match self.open_part(key) {
            Ok(Some(file)) => file,
            // The part was complete but for its name when an earlier try ended: its mode keeps us
            // out, or it is linked to its place already. The file at that place is not ours to
            // write to.
            Ok(None) | Err(Errno::ACCESS | Errno::LOOP | Errno::NXIO) => {
                self.discard(key.as_bytes())?;
                let flags = part_flags() | OFlags::EXCL;
                rustix::fs::openat(&self.folder, key, flags, Mode::RUSR | Mode::WUSR)?
            }
            Err(error) => return Err(error.into()),
        };
        let file = File::from(file);
        let present_bytes = file.metadata()?.len();
        Ok(Part { file, key: key.to_owned(), present_bytes })
    }

    /// Removes a file here, if it is there.
    pub(super) fn discard(&self, name: &[u8]) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Frees the one name for short-lived files, and returns it.
    pub(super) fn new_name(&self) -> io::Result<&'static [u8]> {
        self.discard(NEW_NAME)?;
        Ok(NEW_NAME)
    }

    /// `None` if the file there must not be written to.
    fn open_part(&self, key: &str) -> rustix::io::Result<Option<OwnedFd>> {
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&self.folder, key, part_flags(), mode)?;
        let found = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink != 1 {
            return Ok(None);
        }
        // The file may have its final owner and mode already; bytes are added to a plain file only.
        // A file system that cannot set these has none to take back.
        if found.st_uid != geteuid().as_raw() {
            let _unset = rustix::fs::fchown(&file, Some(geteuid()), None);
        }
        if Mode::from_raw_mode(found.st_mode) != mode {
            let _unset = rustix::fs::fchmod(&file, mode);
        }
        Ok(Some(file))
    }
}

fn part_flags() -> OFlags {
    // Only files are there; should that be wrong, no link is followed and no FIFO waited for.
    OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC
}

fn is_ours_alone(folder: &Stat) -> bool {
    let others_write = Mode::WGRP | Mode::WOTH;
    folder.st_uid == geteuid().as_raw()
        && !Mode::from_raw_mode(folder.st_mode).intersects(others_write)
}

/// Removes the staging folder unless it holds a file. Its lock goes with `staging`.
pub(super) fn remove_if_empty(dest: BorrowedFd<'_>, staging: &Staging) -> io::Result<()> {
    staging.discard(NEW_NAME)?;
    match rustix::fs::unlinkat(dest, STAGING_NAME, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => Ok(()),
        done => Ok(done?),
    }
}
