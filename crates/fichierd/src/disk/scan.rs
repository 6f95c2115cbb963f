//! Looks at the watched folders and never writes to them (invariant I5).
//!
//! Everything goes through open folders, one name at a time ([`at`](crate::disk::at)). Names are
//! bytes.
//!
//! If something cannot be read, the listing says that it is incomplete. Nothing may be concluded
//! from a name that is *absent* in such a listing (invariant I6).
//!
//! A [`Scanner`] keeps the source open, and an open folder keeps its file system busy for
//! `umount`. So it lives for one cycle, not between cycles.

mod listing;
mod trail;

use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use fichier_state::{Holes, RelPath, Stamp, Xattrs};
use rustix::fs::{AtFlags, FileType};

use self::trail::Trail;
use crate::disk::at::{is_gone, look_at, mount_at, open_regular, xattrs};
use crate::disk::disks::{DiskModel, Opened};
use crate::disk::filter::{Filter, FolderFilter};
use crate::disk::holes::{holes_of, is_sparse};
use crate::disk::length::{Length, check_length};
use crate::disk::seen::{Seen, SeenKind, is_unchanged, stamp_of_mark};
use crate::disk::trusted::open_trusted;

/// The listing of one folder.
#[derive(Debug, Default)]
pub struct FolderScan {
    /// Its entries, sorted by the bytes of their names, without those that are excluded.
    pub entries: Vec<Seen>,
    /// Whether all of them could be looked at. If not, an absent name proves nothing.
    pub complete: bool,
    /// The paths that could not be read.
    pub trouble: Vec<Trouble>,
    /// What else there is to tell.
    pub notices: Vec<Notice>,
}

/// Something about one path that has to be told, and that hides nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The path.
    pub path: RelPath,
    /// What it is, for people.
    pub what: String,
    /// What to do about it.
    pub hint: &'static str,
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
    /// Those of [`open_trusted`]; [`crate::disk::root::check_root`] puts them into words for people.
    pub fn open(source: &Path, filter: Arc<Filter>) -> io::Result<Scanner> {
        let root = open_trusted(source)?;
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

    /// Checks that the regular file at `path`, which was seen with the stamp `seen`, can be read to
    /// the length in it. A model is believed about its length.
    ///
    /// # Errors
    ///
    /// Those of [`Scanner::open_file`], `read` and `fstat`.
    pub(crate) fn check_length(&self, path: &RelPath, seen: &Stamp) -> io::Result<Length> {
        match self.open_file(path)? {
            Opened::File(file) => check_length(&file, seen),
            Opened::Modelled(file) => {
                let is_same = is_unchanged(seen, &stamp_of_mark(&file.mark()?));
                Ok(if is_same { Length::AsTold } else { Length::Changed })
            }
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
            let found = Seen::of(&[], &rustix::fs::fstat(trail.root())?, SeenKind::Folder);
            return Ok(Some(Seen { mount: mount_at(trail.root(), b""), ..found }));
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

    /// The device and the mount that `folder` is on, of the folder that is open. `None` for a
    /// model.
    ///
    /// # Errors
    ///
    /// Those of `openat` and `fstat`.
    pub(crate) fn mount_of(
        &mut self,
        folder: &RelPath,
    ) -> io::Result<Option<(u64, Option<NonZeroU64>)>> {
        let Place::Disk { trail, .. } = &mut self.place else { return Ok(None) };
        let folder = trail.enter(folder)?;
        Ok(Some((rustix::fs::fstat(folder)?.st_dev, mount_at(folder, b""))))
    }

    /// `filter` with the patterns in `folder`, to which it belongs.
    pub(crate) fn with_own_rules(
        &mut self,
        folder: &RelPath,
        filter: FolderFilter,
    ) -> io::Result<(FolderFilter, Vec<Notice>)> {
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

#[cfg(test)]
mod tests;
