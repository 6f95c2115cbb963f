//! The destination of a restore, and the only way anything is written there.
//!
//! Whatever names and links say, nothing is written outside it: a path is a [`RelPath`], which has
//! no `..`, and the way to it is opened name by name without following links (`way`). Anything on
//! the way that is not a folder is an error of that path, [`InTheWay`].
//!
//! A file gets its name when it is complete: contents, metadata and `fsync` come first, in the
//! staging folder (`staging`), then one `rename`. So a crash leaves no half-written file under its
//! final name. Nothing is ever removed recursively.
//!
//! A folder that was made, or opened for writing, is on a note first (`unfinished`), and leaves it
//! when it has its metadata or its former mode. A [`Dest`] that goes, after whatever error, closes
//! the folders that it opened.
//!
//! A [`Dest`] has three folders open, however deep the tree is: the destination, the staging
//! folder, and the folder that was written to last. The last one stays open for its neighbours: if
//! someone moves it away meanwhile, later files follow it there. [`Dest::look`] and everything else
//! that reads opens its way anew.

mod copy;
mod place;
mod staging;
mod top;
mod unfinished;
mod way;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use fichier_state::{RelPath, Stamp};
use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

pub use staging::{Part, STAGING_NAME};
pub use top::make_top;
pub use way::{InTheWay, Obstacle};

use super::metadata::Subject;
use crate::disk::SeenKind;
use crate::disk::at::{is_gone, kind_at, open_folder, open_regular, proc_path};
use crate::disk::seen::stamp_in;
use staging::Staging;
use unfinished::{Pending, Unfinished};

/// An open destination.
#[derive(Debug)]
pub struct Dest {
    root: OwnedFd,
    /// The staging folder, made when it is first needed.
    staging: Option<Staging>,
    /// The folders that are not yet as they are to be.
    unfinished: Unfinished,
    here: Here,
}

/// The folder that was written to last.
#[derive(Debug)]
struct Here {
    path: RelPath,
    folder: OwnedFd,
    /// The folder lies on another mount than the staging folder: a rename from there cannot reach
    /// it.
    is_elsewhere: bool,
    /// The folder is on another file system than the destination, and was written to since it was
    /// opened.
    is_unsynced: bool,
}

/// A file, link or folder that is at a path in the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestEntry {
    /// Its kind, with the target of a link.
    pub kind: SeenKind,
    /// Its size, times and inode.
    pub stamp: Stamp,
    /// Type and permissions, as `st_mode` has them.
    pub mode: u32,
    /// Number of the user who owns it.
    pub uid: u32,
    /// Number of the group that owns it.
    pub gid: u32,
    /// Device number of its file system.
    pub device: u64,
    /// Number of its names (hard links).
    pub links: u64,
}

impl Dest {
    /// Opens the folder at `path`, to which links may lead: the user wrote them there.
    ///
    /// # Errors
    ///
    /// Those of `open`; `NotADirectory` for anything but a folder.
    pub fn open(path: &Path) -> io::Result<Dest> {
        Dest::at(top::open(path, false)?)
    }

    /// Opens the folder at `path`, to which only trusted links may lead.
    ///
    /// # Errors
    ///
    /// As [`Dest::open`]; and that of a link that is not followed.
    pub fn open_in_place(path: &Path) -> io::Result<Dest> {
        Dest::at(top::open(path, true)?)
    }

    fn at(root: OwnedFd) -> io::Result<Dest> {
        let folder = root.try_clone()?;
        let path = RelPath::root();
        let here = Here { path, folder, is_elsewhere: false, is_unsynced: false };
        Ok(Dest { root, staging: None, unfinished: Unfinished::default(), here })
    }

    /// Reads the note of an earlier try, and puts those of `folders` on it that are not there yet,
    /// and will be made. The root is among them if this restore made it.
    ///
    /// # Errors
    ///
    /// Those of [`Dest::part`], and those of the disk: then no folder may be made.
    pub fn expect<'a>(
        &mut self,
        folders: impl Iterator<Item = &'a RelPath>,
        made_root: bool,
    ) -> io::Result<()> {
        if self.has_staging() {
            self.staging()?;
        }
        let mut absent: Vec<_> = made_root.then(RelPath::root).into_iter().collect();
        // What lies below something absent is absent.
        let mut above: Option<&RelPath> = None;
        for folder in folders.filter(|folder| !folder.is_root()) {
            let is_below = above.is_some_and(|above| folder.starts_with(above));
            // An error is told when the folder is to be made.
            if is_below || matches!(self.look(folder), Ok(None)) {
                absent.push(folder.clone());
                above = above.filter(|_| is_below).or(Some(folder));
            }
        }
        if absent.is_empty() {
            return Ok(());
        }
        let absent = absent.into_iter().map(|folder| (folder, Pending::Made)).collect();
        staged(&mut self.staging, &mut self.unfinished, self.root.as_fd())?;
        let Some(staging) = &self.staging else { return Ok(()) };
        self.unfinished.add(staging.folder(), absent)
    }

    /// Whether a folder was made by this restore, or by an earlier one that did not end, and has no
    /// metadata yet.
    pub fn is_unfinished(&self, folder: &RelPath) -> bool {
        self.unfinished.get(folder) == Some(Pending::Made)
    }

    /// Says that a folder has all that is known of it.
    pub fn mark_finished(&mut self, folder: &RelPath) {
        self.unfinished.remove(folder);
    }

    /// Puts the modes of all folders back that were opened for writing, and makes the note say
    /// what is left: those that were made and are not finished, being no part of this restore.
    ///
    /// # Errors
    ///
    /// Those of the disk; the others are closed all the same.
    pub fn close_folders(&mut self) -> io::Result<()> {
        let mut outcome = Ok(());
        for (folder, mode) in self.unfinished.opened() {
            match self.close(&folder, mode) {
                Ok(()) => self.unfinished.remove(&folder),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        for folder in self.unfinished.made() {
            if matches!(self.look(&folder), Ok(None)) {
                self.unfinished.remove(&folder);
            }
        }
        if let Some(staging) = &self.staging {
            // A folder's metadata is on disk before the note forgets the folder.
            rustix::fs::syncfs(&self.root)?;
            self.unfinished.keep(staging.folder())?;
        }
        outcome
    }

    /// The number of folders that an earlier restore made, and that still have no metadata.
    pub fn unfinished_folders(&self) -> u64 {
        self.unfinished.made().len() as u64
    }

    /// Looks at `path`; `None` if nothing is there.
    ///
    /// # Errors
    ///
    /// [`InTheWay`] if something on the way is not a folder, and any error that leaves open whether
    /// the path exists.
    pub fn look(&self, path: &RelPath) -> io::Result<Option<DestEntry>> {
        if path.is_root() {
            return look_at(self.root.as_fd(), b".").map(Some);
        }
        let found = self.parent_of(path).and_then(|folder| look_at(folder.as_fd(), path.name()));
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Opens the regular file at `path` for reading, for example to compare it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for anything that is not a regular file, which is not opened.
    pub fn open_file(&self, path: &RelPath) -> io::Result<File> {
        open_regular(self.parent_of(path)?.as_fd(), path.name())
    }

    /// Ensures that `folder` is a folder which we can fill, and says whether it was made.
    ///
    /// New folders, also those on the way, have mode 0700. They have their final mode only after
    /// [`Dest::amend`], which the caller must therefore call for each folder that was made here,
    /// and [`Dest::mark_finished`] after it. An existing folder of ours that keeps us out (0555) gets
    /// the owner's rights until [`Dest::close_folders`], or until its metadata is set. With
    /// `replace`, a file or link in its place is removed first.
    ///
    /// # Errors
    ///
    /// [`InTheWay`] for something that is not a folder.
    pub fn make_folder(&mut self, folder: &RelPath, replace: bool) -> io::Result<bool> {
        if folder.is_root() {
            return Ok(false);
        }
        match self.enter_parent_of(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut above = RelPath::root();
                for name in folder.components().take(folder.depth() - 1) {
                    above = above.join(name);
                    self.make_one(&above, false)?;
                }
            }
            entered => entered?,
        }
        self.make_one(folder, replace)
    }

    /// The unfinished file with this key, the hex digits of its content's hash: from an earlier
    /// try, or empty. It has no name in the tree, and stays until it is placed or discarded.
    ///
    /// # Errors
    ///
    /// An error if the staging folder is not ours alone, is not a folder, or is in use
    /// (`ResourceBusy`).
    pub fn part(&mut self, key: &str) -> io::Result<Part> {
        self.staging()?.part(key)
    }

    /// Removes an unfinished file that is of no use.
    ///
    /// # Errors
    ///
    /// Those of `unlink`.
    pub fn discard(&mut self, part: Part) -> io::Result<()> {
        self.staging()?.discard(part.key())
    }

    /// Opens the file, link or folder at `path` and lets `change` set its metadata. A folder, also
    /// the root, comes after everything that is written into it. `change` is called twice for the
    /// root: before the staging folder is removed, so that a crash leaves the root on the note, and
    /// after that, which has changed the time of the root.
    ///
    /// # Errors
    ///
    /// [`InTheWay`] for a special file, which is not opened; and the errors of `change`.
    pub fn amend(
        &mut self,
        path: &RelPath,
        mut change: impl FnMut(Subject<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if path.is_root() {
            change(Subject::Folder(self.root.as_fd()))?;
            self.unfinished.remove(path);
            self.close_folders()?;
            self.remove_staging()?;
            return change(Subject::Folder(self.root.as_fd()));
        }
        let parent = self.parent_of(path)?;
        let (parent, name) = (parent.as_fd(), path.name());
        match look_at(parent, name)?.kind {
            SeenKind::File => change(Subject::File(&open_regular(parent, name)?)),
            SeenKind::Symlink(_) => change(Subject::Link { folder: parent, name }),
            SeenKind::Folder => {
                let folder = open_folder(parent, name)?;
                change(Subject::Folder(folder.as_fd()))?;
                if device(folder.as_fd())? != device(self.root.as_fd())? {
                    rustix::fs::fsync(&folder)?;
                }
                Ok(())
            }
            SeenKind::Special => Err(way::in_the_way(path.clone(), Obstacle::Special)),
        }
    }

    /// Removes the staging folder if it is empty, and waits until everything restored so far is on
    /// disk and survives a power cut.
    ///
    /// # Errors
    ///
    /// Those of `syncfs`: then some of it may be lost.
    pub fn finish(&mut self) -> io::Result<()> {
        self.close_folders()?;
        self.remove_staging()?;
        self.leave()?;
        // Files have had their own `fsync`. Names, folders and links are made durable here, all at
        // once: without them, the next try finds the files in the staging folder.
        Ok(rustix::fs::syncfs(&self.root)?)
    }

    /// Opens the folder of `path` anew.
    fn parent_of(&self, path: &RelPath) -> io::Result<OwnedFd> {
        way::check(path)?;
        way::open(self.root.as_fd(), &path.parent().unwrap_or_default(), 0)
    }

    /// Makes the folder of `path` the one that is open.
    fn enter_parent_of(&mut self, path: &RelPath) -> io::Result<()> {
        way::check(path)?;
        let folder = path.parent().unwrap_or_default();
        if folder == self.here.path {
            return Ok(());
        }
        let opened = if folder.starts_with(&self.here.path) {
            way::open(self.here.folder.as_fd(), &folder, self.here.path.depth())?
        } else {
            way::open(self.root.as_fd(), &folder, 0)?
        };
        self.leave()?;
        let is_elsewhere = device(opened.as_fd())? != device(self.root.as_fd())?;
        self.here = Here { path: folder, folder: opened, is_elsewhere, is_unsynced: false };
        Ok(())
    }

    /// Writes the folder to disk if the `syncfs` at the end would not reach it, being on another
    /// file system.
    fn leave(&mut self) -> io::Result<()> {
        if self.here.is_unsynced {
            rustix::fs::fsync(&self.here.folder)?;
            self.here.is_unsynced = false;
        }
        Ok(())
    }

    /// Whether there is something under the name of the staging folder.
    fn has_staging(&self) -> bool {
        rustix::fs::statat(&self.root, STAGING_NAME, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Puts the mode of a folder back, unless somebody has changed it since it was opened.
    fn close(&self, path: &RelPath, mode: u32) -> io::Result<()> {
        let found = self.parent_of(path).and_then(|parent| {
            let found = rustix::fs::statat(&parent, path.name(), AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((parent, found))
        });
        let (parent, found) = match found {
            Err(error) if is_gone(&error) => return Ok(()),
            found => found?,
        };
        let opened = mode | Mode::RWXU.as_raw_mode();
        let is_folder = way::obstacle(found.st_mode) == Obstacle::Folder;
        if is_folder && Mode::from_raw_mode(found.st_mode).as_raw_mode() == opened {
            chmod(parent.as_fd(), path.name(), Mode::from_raw_mode(mode))?;
        }
        Ok(())
    }

    /// [`Dest::make_folder`] whose parent exists.
    fn make_one(&mut self, folder: &RelPath, replace: bool) -> io::Result<bool> {
        self.enter_parent_of(folder)?;
        let (here, name) = (self.here.folder.as_fd(), folder.name());
        let made = rustix::fs::mkdirat(here, name, Mode::RWXU);
        if made == Err(Errno::EXIST) {
            let found = rustix::fs::statat(here, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let what = way::obstacle(found.st_mode);
            if what == Obstacle::Folder {
                return self.open_up(folder, &found).map(|()| false);
            }
            if !replace {
                return Err(way::in_the_way(folder.clone(), what));
            }
            rustix::fs::unlinkat(here, name, AtFlags::empty())?;
            rustix::fs::mkdirat(here, name, Mode::RWXU)?;
        } else {
            made?;
        }
        self.here.is_unsynced = self.here.is_elsewhere;
        Ok(true)
    }

    /// Gives us the owner's rights in a folder of ours; root needs none.
    fn open_up(&mut self, folder: &RelPath, found: &Stat) -> io::Result<()> {
        let euid = rustix::process::geteuid();
        let mode = Mode::from_raw_mode(found.st_mode);
        if euid.is_root() || euid.as_raw() != found.st_uid || mode.contains(Mode::RWXU) {
            return Ok(());
        }
        self.staging()?;
        if let Some(staging) = &self.staging {
            let opened = Pending::Opened(mode.as_raw_mode());
            self.unfinished.add(staging.folder(), vec![(folder.clone(), opened)])?;
        }
        chmod(self.here.folder.as_fd(), folder.name(), mode | Mode::RWXU)
    }

    fn staging(&mut self) -> io::Result<&Staging> {
        staged(&mut self.staging, &mut self.unfinished, self.root.as_fd())
    }

    /// Removes the staging folder, also that of an earlier try, if it is empty.
    fn remove_staging(&mut self) -> io::Result<()> {
        if self.staging.is_none() && self.has_staging() {
            // Not ours, or in use: the folder stays.
            self.staging = Staging::open(self.root.as_fd()).ok();
        }
        match self.staging.take() {
            Some(staging) => staging::remove_if_empty(self.root.as_fd(), &staging),
            None => Ok(()),
        }
    }
}

impl Drop for Dest {
    fn drop(&mut self) {
        for (folder, mode) in self.unfinished.opened() {
            // The folder stays on the note, and the next restore closes it.
            let _closed = self.close(&folder, mode);
        }
    }
}

/// The staging folder, opened when it is first needed, with the note of an earlier try.
fn staged<'a>(
    slot: &'a mut Option<Staging>,
    unfinished: &mut Unfinished,
    dest: BorrowedFd<'_>,
) -> io::Result<&'a Staging> {
    let staging = match slot.take() {
        Some(staging) => staging,
        None => {
            let staging = Staging::open(dest)?;
            *unfinished = Unfinished::read(staging.folder())?;
            staging
        }
    };
    Ok(slot.insert(staging))
}

fn device(open: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(rustix::fs::fstat(open)?.st_dev)
}

fn look_at(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<DestEntry> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(DestEntry {
        kind: kind_at(folder, name, &found)?,
        stamp: stamp_in(&found),
        mode: found.st_mode,
        uid: found.st_uid,
        gid: found.st_gid,
        device: found.st_dev,
        links: wide(found.st_nlink),
    })
}

/// The kernel's counts differ in width from processor to processor.
fn wide(count: impl Into<u64>) -> u64 {
    count.into()
}

/// Sets the mode of a folder that may keep us out.
fn chmod(parent: BorrowedFd<'_>, name: &[u8], mode: Mode) -> io::Result<()> {
    // A folder that may not be read cannot be opened for `fchmod`; and `chmod` by name would
    // follow a link that took the folder's place just now.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    Ok(rustix::fs::chmod(proc_path(folder.as_fd(), b""), mode)?)
}
