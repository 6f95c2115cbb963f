//! Gives complete files and links their names, with or without replacing what has them.
//!
//! Everything is made under another name first, in the staging folder, and renamed. Where the
//! staging folder is on another file system or mount, it is made beside its place, under a name
//! that a crash may leave behind there.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use fichier_state::RelPath;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::way::{self, Obstacle};
use super::{Dest, Here, Part, STAGING_NAME, Subject, copy, staged};

impl Dest {
    /// Gives a finished part its name, in a folder that exists.
    ///
    /// `complete` is called before, for metadata and holes; what it sets is kept. It is called
    /// again, for a copy, if the first rename onto another mount of the same file system fails.
    /// After an error the part is still there for the next try.
    ///
    /// # Errors
    ///
    /// [`InTheWay`](super::InTheWay) for a folder of that name, or for anything unless `replace`;
    /// the errors of `complete`, and those of the disk unchanged.
    pub fn place(
        &mut self,
        part: Part,
        to: &RelPath,
        replace: bool,
        mut complete: impl FnMut(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        self.enter_parent_of(to)?;
        let staging = staged(&mut self.staging, &mut self.unfinished, self.root.as_fd())?;
        if !self.here.is_elsewhere {
            complete(part.file())?;
            part.file().sync_all()?;
            match self.here.take_in(staging.folder(), part.key(), to, replace) {
                Err(error) if is_elsewhere(&error) => self.here.is_elsewhere = true,
                done => return done,
            }
        }
        self.here.make_beside(to, replace, &mut |folder, name| {
            let copy = create(folder, name)?;
            copy::contents(part.file(), &copy)?;
            complete(&copy)?;
            copy.sync_all()
        })?;
        staging.discard(part.key())
    }

    /// Gives the content of a file in the destination to another path. Blocks are shared where the
    /// file system can, and holes stay holes.
    ///
    /// The first file may have been changed since: `complete` can read the copy.
    ///
    /// # Errors
    ///
    /// Those of [`Dest::open_file`] and [`Dest::place`].
    pub fn place_copy(
        &mut self,
        from: &RelPath,
        to: &RelPath,
        replace: bool,
        mut complete: impl FnMut(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        let from = self.open_file(from)?;
        self.make(to, replace, &mut |folder, name| {
            let copy = create(folder, name)?;
            copy::contents(&from, &copy)?;
            complete(&copy)?;
            copy.sync_all()
        })
    }

    /// Makes an empty file.
    ///
    /// # Errors
    ///
    /// Those of [`Dest::place`].
    pub fn make_empty(
        &mut self,
        to: &RelPath,
        replace: bool,
        mut complete: impl FnMut(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        self.make(to, replace, &mut |folder, name| {
            let file = create(folder, name)?;
            complete(&file)?;
            file.sync_all()
        })
    }

    /// Makes a symbolic link to exactly these bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Dest::place`]; Linux has no link with an empty target or one with a NUL.
    pub fn make_symlink(
        &mut self,
        target: &[u8],
        to: &RelPath,
        replace: bool,
        mut complete: impl FnMut(Subject<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.make(to, replace, &mut |folder, name| {
            rustix::fs::symlinkat(target, folder, name)?;
            complete(Subject::Link { folder, name })
        })
    }

    /// Gives a file in the destination one more name: a hard link.
    ///
    /// # Errors
    ///
    /// Those of [`Dest::place`]. After `CrossesDevices`, `TooManyLinks` and `PermissionDenied` the
    /// caller can use [`Dest::place_copy`].
    pub fn make_link(
        &mut self,
        existing: &RelPath,
        new: &RelPath,
        replace: bool,
    ) -> io::Result<()> {
        let parent = self.parent_of(existing)?;
        let first = rustix::fs::statat(&parent, existing.name(), AtFlags::SYMLINK_NOFOLLOW)?;
        let what = way::obstacle(first.st_mode);
        if what != Obstacle::File {
            return Err(way::in_the_way(existing.clone(), what));
        }
        self.enter_parent_of(new)?;
        // The kernel does nothing if both names of a rename are names of one file.
        let second = rustix::fs::statat(&self.here.folder, new.name(), AtFlags::SYMLINK_NOFOLLOW);
        if second.is_ok_and(|second| (second.st_dev, second.st_ino) == (first.st_dev, first.st_ino))
        {
            return Ok(());
        }
        self.make(new, replace, &mut |folder, name| {
            Ok(rustix::fs::linkat(&parent, existing.name(), folder, name, AtFlags::empty())?)
        })
    }

    /// Makes something under a short-lived name and gives it the name `to`.
    fn make(
        &mut self,
        to: &RelPath,
        replace: bool,
        make: &mut dyn FnMut(BorrowedFd<'_>, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.enter_parent_of(to)?;
        if !self.here.is_elsewhere {
            let staging = staged(&mut self.staging, &mut self.unfinished, self.root.as_fd())?;
            let name = staging.new_name()?;
            let made = make(staging.folder(), name)
                .and_then(|()| self.here.take_in(staging.folder(), name, to, replace));
            match made {
                Err(error) if is_elsewhere(&error) => self.here.is_elsewhere = true,
                done => {
                    if done.is_err() {
                        // A copy for which there was no room must not occupy the room that there
                        // is.
                        let _freed = staging.new_name();
                    }
                    return done;
                }
            }
        }
        self.here.make_beside(to, replace, make)
    }
}

impl Here {
    /// Makes something beside its place and gives it the name `to`.
    fn make_beside(
        &mut self,
        to: &RelPath,
        replace: bool,
        make: &mut dyn FnMut(BorrowedFd<'_>, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name =
            [STAGING_NAME, format!("-{:016x}", u64::from_ne_bytes(random)).as_bytes()].concat();
        let folder = self.folder.try_clone()?;
        let made = make(folder.as_fd(), &name)
            .and_then(|()| self.take_in(folder.as_fd(), &name, to, replace));
        if made.is_err() {
            // The first error is the one that is reported.
            let _gone = rustix::fs::unlinkat(&folder, &name, AtFlags::empty());
        }
        made
    }

    /// Renames `name` in the folder `from` to `to`, which is in this folder.
    fn take_in(
        &mut self,
        from: BorrowedFd<'_>,
        name: &[u8],
        to: &RelPath,
        replace: bool,
    ) -> io::Result<()> {
        let here = self.folder.as_fd();
        let renamed = if replace {
            rustix::fs::renameat(from, name, here, to.name())
        } else {
            rename_new(from, name, here, to.name())
        };
        renamed.map_err(|errno| way::explain(errno.into(), here, to.name(), || to.clone()))?;
        self.is_unsynced = self.is_elsewhere;
        Ok(())
    }
}

/// A rename that replaces nothing.
fn rename_new(
    from: BorrowedFd<'_>,
    name: &[u8],
    to: BorrowedFd<'_>,
    new: &[u8],
) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(from, name, to, new, RenameFlags::NOREPLACE) {
        // This file system has no such rename.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_new(from, name, to, new),
        done => done,
    }
}

/// The same by `link` and `unlink`, where there is no such rename. In between the file has both
/// names.
fn link_new(
    from: BorrowedFd<'_>,
    name: &[u8],
    to: BorrowedFd<'_>,
    new: &[u8],
) -> rustix::io::Result<()> {
    rustix::fs::linkat(from, name, to, new, AtFlags::empty())?;
    rustix::fs::unlinkat(from, name, AtFlags::empty())
}

fn is_elsewhere(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::XDEV.raw_os_error())
}

/// Makes a new file, open to us alone until it is complete.
fn create(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(File::from(file))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn both_ways_to_rename_replace_nothing() {
        for rename in [rename_new, link_new] {
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            let folder = File::open(dir.path()).unwrap();
            let rename = |new: &[u8]| rename(folder.as_fd(), b"a", folder.as_fd(), new);
            fs::write(at("a"), "a").unwrap();
            fs::write(at("b"), "b").unwrap();
            assert_eq!(rename(b"b"), Err(Errno::EXIST));
            assert_eq!(
                (fs::read(at("a")).unwrap(), fs::read(at("b")).unwrap()),
                (b"a".to_vec(), b"b".to_vec())
            );
            rename(b"c").unwrap();
            assert_eq!(fs::read(at("c")).unwrap(), b"a");
            assert!(!at("a").exists());
        }
    }
}
