//! The way from the destination to a folder in it, and the things that stand in the way.
//!
//! It is opened name by name from the open destination, with `O_DIRECTORY|O_NOFOLLOW`: what
//! `openat2` calls `RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS`, done by hand. That works for a path of
//! any length, on any kernel and under any seccomp filter, and tells which name was in the way.

use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use fichier_state::RelPath;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::STAGING_NAME;
use crate::disk::at::open_folder;

/// Something on disk has another kind than a path needs there. It is never followed, and it is
/// replaced only when that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} stands in the way: {path}")]
pub struct InTheWay {
    /// The path of the obstacle.
    pub path: RelPath,
    /// The kind of the obstacle.
    pub what: Obstacle,
}

/// The kinds of things that can stand in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A regular file.
    File,
    /// A folder: its contents are never removed.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket or a device.
    Special,
    /// A path with the name of the staging folder, see [`STAGING_NAME`].
    Staging,
}

/// Opens `folder`; `open` is the folder at its first `skip` names.
pub(super) fn open(open: BorrowedFd<'_>, folder: &RelPath, skip: usize) -> io::Result<OwnedFd> {
    let mut here = open.try_clone_to_owned()?;
    for (at, name) in folder.components().enumerate().skip(skip) {
        here = open_folder(here.as_fd(), name).map_err(|error| {
            explain(error, here.as_fd(), name, || {
                let names = folder.components().take(at + 1);
                names.fold(RelPath::root(), |path, name| path.join(name))
            })
        })?;
    }
    Ok(here)
}

/// Refuses the root, and every path that is, or would be, in the staging folder: a record of such a
/// name must not pass off its contents as those of another.
pub(super) fn check(path: &RelPath) -> io::Result<()> {
    match path.components().next() {
        None => Err(in_the_way(path.clone(), Obstacle::Folder)),
        // The comparison ignores case, for a file system that takes capital letters for small ones.
        Some(name) if name.eq_ignore_ascii_case(STAGING_NAME) => {
            Err(in_the_way(path.clone(), Obstacle::Staging))
        }
        Some(_) => Ok(()),
    }
}

/// Turns the `error` of a call about `name` in `folder` into [`InTheWay`] if something there caused
/// it.
pub(super) fn explain(
    error: io::Error,
    folder: BorrowedFd<'_>,
    name: &[u8],
    path: impl FnOnce() -> RelPath,
) -> io::Error {
    let about_it = [Errno::EXIST, Errno::ISDIR, Errno::NOTDIR, Errno::LOOP];
    if !about_it.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
        return error;
    }
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => in_the_way(path(), obstacle(found.st_mode)),
        Err(_) => error,
    }
}

/// The kind of the error follows from the obstacle.
pub(super) fn in_the_way(path: RelPath, what: Obstacle) -> io::Error {
    let kind = match what {
        Obstacle::Folder => io::ErrorKind::IsADirectory,
        Obstacle::Staging => io::ErrorKind::InvalidInput,
        Obstacle::File | Obstacle::Symlink | Obstacle::Special => io::ErrorKind::AlreadyExists,
    };
    io::Error::new(kind, InTheWay { path, what })
}

/// The kind of obstacle that a mode stands for.
pub(super) fn obstacle(mode: u32) -> Obstacle {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Obstacle::File,
        FileType::Directory => Obstacle::Folder,
        FileType::Symlink => Obstacle::Symlink,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Obstacle::Special,
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Obstacle::File => "a file",
            Obstacle::Folder => "a folder",
            Obstacle::Symlink => "a symbolic link",
            Obstacle::Special => "a device, socket or FIFO",
            Obstacle::Staging => "the name of the folder for unfinished files",
        })
    }
}
