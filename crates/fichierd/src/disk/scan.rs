//! Looks at the watched folders and never writes to them (invariant I5).
//!
//! Everything goes through open folders (`openat`, `fstatat`), one name at a time: no path is
//! ever too long, and no symbolic link is followed, not even one that appears while we look.
//! Names are bytes. Files that are not regular are never opened: reading a FIFO would hang,
//! and opening a device can do things.
//!
//! If something cannot be read, the listing says that it is incomplete. Nothing may be concluded
//! from a name that is *absent* in such a listing (invariant I6).
//!
//! A [`Scanner`] keeps the source open, and an open folder keeps its file system busy for
//! `umount`. So it lives for one cycle, not between cycles.

mod listing;
mod trail;

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use fichier_state::{Holes, Metadata, RelPath, Stamp, Xattrs};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use trail::Trail;

use crate::disk::disks::{DiskModel, Opened};
use crate::disk::filter::{Filter, FolderFilter};
use crate::disk::hash::nanoseconds;
use crate::disk::holes::{holes_of, is_sparse};

pub(crate) use listing::{xattrs, xattrs_of};

/// Extended attributes that a restore can put back and that mean the same on another machine.
/// Labels of security modules do not.
pub(crate) const KEPT_XATTRS: [&[u8]; 3] = [b"user.", b"system.posix_acl_", b"security.capability"];

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name, in any bytes.
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: SeenKind,
    /// Its stamp.
    pub stamp: Stamp,
    /// Mode, owner and times. No extended attributes: see [`Scanner::xattrs`].
    pub metadata: Metadata,
    /// Device number of its file system; it differs from the folder's at a mount point.
    pub device: u64,
}

/// The kind of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenKind {
    /// A regular file.
    File,
    /// A symbolic link, with its target.
    Symlink(Vec<u8>),
    /// A folder.
    Folder,
    /// A FIFO, a socket or a device: never opened, never mirrored.
    Special,
}

/// The listing of one folder.
#[derive(Debug, Default)]
pub struct FolderScan {
    /// Its entries, sorted by the bytes of their names, without those that are excluded.
    pub entries: Vec<Seen>,
    /// Whether all of them could be looked at. If not, an absent name proves nothing.
    pub complete: bool,
    /// The paths that could not be read.
    pub trouble: Vec<Trouble>,
}

/// One path that could not be looked at, or that cannot be mirrored.
#[derive(Debug)]
pub struct Trouble {
    /// The path.
    pub path: RelPath,
    /// The reason.
    pub error: io::Error,
}

/// An open source.
#[derive(Debug)]
pub struct Scanner {
    filter: Arc<Filter>,
    place: Place,
}

/// Where a scanner looks.
#[derive(Debug)]
enum Place {
    Disk { trail: Trail, buffer: Vec<u8> },
    Model(Arc<dyn DiskModel>),
}

impl Scanner {
    /// Opens `source`, which must be a folder and not a link to one.
    ///
    /// # Errors
    ///
    /// Those of `open`; [`crate::disk::root::check_root`] puts them into words for people.
    pub fn open(source: &Path, filter: Arc<Filter>) -> io::Result<Scanner> {
        let root = rustix::fs::openat(CWD, source, folder_flags(), Mode::empty())?;
        Ok(Scanner { filter, place: Place::Disk { trail: Trail::new(root), buffer: Vec::new() } })
    }

    /// Looks at a model.
    pub(crate) fn of_model(model: Arc<dyn DiskModel>, filter: Arc<Filter>) -> Scanner {
        Scanner { filter, place: Place::Model(model) }
    }

    /// Opens the regular file at `path` for reading, if possible without changing its atime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for anything that is not a regular file, which is not opened.
    pub fn open_file(&self, path: &RelPath) -> io::Result<Opened> {
        match &self.place {
            Place::Disk { trail, .. } => {
                let folder = trail.open_parent(path)?;
                open_regular(folder.as_fd(), path.name()).map(Opened::File)
            }
            Place::Model(model) => model.open(path).map(Opened::Modelled),
        }
    }

    /// Looks at `path` once; `None` if nothing is there, also because something on the way is not,
    /// or no longer, a folder.
    ///
    /// # Errors
    ///
    /// Any error that leaves open whether the path exists.
    pub fn look(&self, path: &RelPath) -> io::Result<Option<Seen>> {
        let trail = match &self.place {
            Place::Disk { trail, .. } => trail,
            Place::Model(model) => return model.look(path),
        };
        if path.is_root() {
            return Ok(Some(seen(&[], &rustix::fs::fstat(trail.root())?, SeenKind::Folder)));
        }
        let folder = match trail.open_parent(path) {
            Err(error) if is_gone(&error) => return Ok(None),
            folder => folder?,
        };
        match look_at(folder.as_fd(), path.name()) {
            Err(error) if is_gone(&error) => Ok(None),
            found => found.map(Some),
        }
    }

    /// The extended attributes of `path`, sorted by name; none where the file system has none.
    ///
    /// # Errors
    ///
    /// Those of `llistxattr` and `lgetxattr`.
    pub fn xattrs(&self, path: &RelPath) -> io::Result<Xattrs> {
        let Place::Disk { trail, .. } = &self.place else { return Ok(Xattrs::default()) };
        let folder = trail.open_parent(path)?;
        xattrs(folder.as_fd(), path.name())
    }

    /// The ranges of the regular file at `path` that have no blocks; none for anything else. The
    /// file is opened only if it has fewer blocks than its length asks for.
    ///
    /// # Errors
    ///
    /// Those of `open` and `lseek`.
    pub fn holes(&self, path: &RelPath) -> io::Result<Holes> {
        let Place::Disk { trail, .. } = &self.place else { return Ok(Holes::default()) };
        let folder = trail.open_parent(path)?;
        let found = rustix::fs::statat(folder.as_fd(), path.name(), AtFlags::SYMLINK_NOFOLLOW)?;
        let (blocks, size) = (u64::try_from(found.st_blocks), u64::try_from(found.st_size));
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        if !is_file || !is_sparse(blocks.unwrap_or(u64::MAX), size.unwrap_or(0)) {
            return Ok(Holes::default());
        }
        holes_of(&open_regular(folder.as_fd(), path.name())?)
    }

    /// Forgets which folders are open, but for the source. To be called before a walk: folders
    /// may have been moved since they were opened.
    pub(crate) fn forget_trail(&mut self) {
        if let Place::Disk { trail, .. } = &mut self.place {
            trail.forget();
        }
    }

    /// The filter for what is in the source, without the patterns in the source itself.
    pub(crate) fn bare_filter(&self) -> FolderFilter {
        self.filter.bare()
    }

    /// [`Scanner::look`] in a folder that is kept open, for walks.
    pub(crate) fn look_in(&mut self, folder: &RelPath, name: &[u8]) -> io::Result<Option<Seen>> {
        let found = match &mut self.place {
            Place::Disk { trail, .. } => {
                trail.enter(folder).and_then(|folder| look_at(folder, name))
            }
            Place::Model(model) => return model.look(&folder.join(name)),
        };
        match found {
            Err(error) if is_gone(&error) => Ok(None),
            found => found.map(Some),
        }
    }

    /// `filter` with the patterns in `folder`, to which it belongs.
    pub(crate) fn with_own_rules(
        &mut self,
        folder: &RelPath,
        filter: FolderFilter,
    ) -> io::Result<(FolderFilter, Vec<Trouble>)> {
        match &mut self.place {
            Place::Disk { trail, .. } => {
                listing::with_own_rules(trail.enter(folder)?, folder, filter)
            }
            Place::Model(_) => Ok((filter, Vec::new())),
        }
    }

    /// What is in `folder`, and the filter for it: `filter` with the patterns that are there.
    /// Excluded entries are left out.
    ///
    /// # Errors
    ///
    /// When the folder cannot be opened at all; [`is_gone`] tells when it is not, or no longer, a
    /// folder.
    pub(crate) fn read_with(
        &mut self,
        folder: &RelPath,
        filter: FolderFilter,
    ) -> io::Result<(FolderScan, FolderFilter)> {
        match &mut self.place {
            Place::Disk { trail, buffer } => {
                listing::read(trail.enter(folder)?, folder, filter, buffer)
            }
            Place::Model(model) => {
                Ok((listing::of_model(model.as_ref(), folder, &filter)?, filter))
            }
        }
    }
}

/// Whether an error says that the path does not exist, rather than that it cannot be seen.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
    gone.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// `O_NOFOLLOW` with `O_DIRECTORY` refuses a link with `ENOTDIR`.
fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Opens `name` if it is a regular file.
pub(crate) fn open_regular(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
    // The kind comes first: opening a FIFO wakes its writers, and opening a device may do anything.
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    refuse_special(&found)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags | OFlags::NOATIME, Mode::empty()) {
        // Only the owner of a file may leave its atime alone.
        Err(Errno::PERM) => rustix::fs::openat(folder, name, flags, Mode::empty())?,
        file => file?,
    };
    refuse_special(&rustix::fs::fstat(&file)?)?;
    Ok(File::from(file))
}

fn refuse_special(found: &Stat) -> io::Result<()> {
    if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

/// Looks at one name, with the target if it is a link.
fn look_at(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<Seen> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = kind_at(folder, name, &found)?;
    Ok(seen(name, &found, kind))
}

/// What `name` is, which was `found` by `lstat`; with the target if it is a link.
pub(crate) fn kind_at(folder: BorrowedFd<'_>, name: &[u8], found: &Stat) -> io::Result<SeenKind> {
    Ok(match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => SeenKind::File,
        FileType::Directory => SeenKind::Folder,
        FileType::Symlink => {
            SeenKind::Symlink(rustix::fs::readlinkat(folder, name, Vec::new())?.into_bytes())
        }
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => SeenKind::Special,
    })
}

fn seen(name: &[u8], found: &Stat, kind: SeenKind) -> Seen {
    let stamp = stamp_in(found);
    Seen {
        name: name.to_vec(),
        kind,
        stamp,
        metadata: Metadata {
            mode: found.st_mode,
            uid: found.st_uid,
            gid: found.st_gid,
            mtime_ns: stamp.mtime_ns,
            links: u32::try_from(found.st_nlink).unwrap_or(u32::MAX),
            ..Metadata::default()
        },
        device: found.st_dev,
    }
}

/// The stamp in what `lstat` found.
pub(crate) fn stamp_in(found: &Stat) -> Stamp {
    let fraction = |ns| i64::try_from(ns).unwrap_or(0);
    Stamp {
        size_bytes: u64::try_from(found.st_size).unwrap_or(0),
        mtime_ns: nanoseconds(found.st_mtime, fraction(found.st_mtime_nsec)),
        ctime_ns: nanoseconds(found.st_ctime, fraction(found.st_ctime_nsec)),
        inode: found.st_ino,
    }
}

/// A path for calls that know no folder descriptors; good for any length and any name.
pub(crate) fn proc_path(folder: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    path
}

/// Opens the sub-folder `name`.
pub(crate) fn open_folder(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, name, folder_flags(), Mode::empty())?)
}

/// Whether everything that a restore would put back is equal. An entry of a listing has no extended
/// attributes, so these do not count.
pub(crate) fn has_same_facts(recorded: &Metadata, seen: &Metadata) -> bool {
    (recorded.mode, recorded.uid, recorded.gid, recorded.mtime_ns)
        == (seen.mode, seen.uid, seen.gid, seen.mtime_ns)
}

#[cfg(test)]
mod tests;
