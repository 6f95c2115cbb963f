//! Opens a folder by its path without following links that somebody planted on the way.
//!
//! The program often may read, or write, what other users may not. If it followed every link on the
//! way to a folder, the owner of any folder above could lead it anywhere: to the folders of root,
//! for instance. So each name is opened by itself, and a link counts only if
//!
//! * it belongs to root or to the user of this process, or
//! * it belongs to the owner of the folder that it lies in, nobody else can write to that folder
//!   (the rule of `fs.protected_symlinks`, see proc_sys_fs(5)), and the way ends at a folder of the
//!   same owner: with a link of their own, people lead to what is theirs and to nothing else.
//!
//! Invariant: the last name is never followed as a link, also not one of root.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::disk::at::folder_flags;

/// Links on one way that are followed; one more is an error, as in the kernel.
const MOST_LINKS: u32 = 40;

/// Bits of a mode that let somebody besides the owner write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A link on the way to a folder that is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link {} belongs to user {owner}, {why}", link.display())]
pub struct UntrustedLink {
    /// The path of the link.
    pub link: PathBuf,
    /// The number of the user who owns it.
    pub owner: u32,
    /// The reason.
    pub why: Distrust,
}

/// Why a link is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// The folder of the link belongs to somebody else, or others can write to it.
    Planted,
    /// The link leads to a folder of another user, who is named by number.
    LeadsTo(u32),
}

impl std::fmt::Display for Distrust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Distrust::Planted => f.write_str("and others than the owner can put links there"),
            Distrust::LeadsTo(other) => write!(f, "and leads to a folder of user {other}"),
        }
    }
}

/// The link because of which [`open_trusted`] failed; `None` for any other error.
pub(crate) fn untrusted_link(error: &io::Error) -> Option<&UntrustedLink> {
    error.get_ref()?.downcast_ref()
}

/// Opens the folder at `path`; a relative path begins at the current folder.
///
/// # Errors
///
/// Those of `openat`; `NotADirectory` if the last name is a link; [`UntrustedLink`], wrapped, if a
/// link on the way is not followed ([`untrusted_link`]).
pub(crate) fn open_trusted(path: &Path) -> io::Result<OwnedFd> {
    let mut way = Way::to(path)?;
    while let Some(name) = way.left.pop() {
        if way.left.is_empty() {
            let folder = rustix::fs::openat(&way.here, &name, folder_flags(), Mode::empty())?;
            way.check_owners(&rustix::fs::fstat(&folder)?)?;
            return Ok(folder);
        }
        way.step(&name)?;
    }
    // The path is `/` or the current folder: there is no name in it.
    Ok(rustix::fs::openat(&way.here, ".", folder_flags(), Mode::empty())?)
}

/// A way on which some names were gone already.
struct Way {
    here: OwnedFd,
    /// The path of `here`, for messages.
    at: PathBuf,
    /// The names that are left, the next one last.
    left: Vec<OsString>,
    links: u32,
    /// Links that count only if the way ends at a folder of their owner.
    own_links: Vec<(PathBuf, u32)>,
}

impl Way {
    fn to(path: &Path) -> io::Result<Way> {
        let start = if path.is_absolute() { "/" } else { "." };
        let here = open_path(CWD, OsStr::new(start))?;
        let at = PathBuf::from(if path.is_absolute() { "/" } else { "" });
        Ok(Way { here, at, left: names(path).collect(), links: 0, own_links: Vec::new() })
    }

    /// Goes into the folder `name`, or follows the link `name`.
    fn step(&mut self, name: &OsStr) -> io::Result<()> {
        match open_path(&self.here, name) {
            Ok(folder) => self.here = folder,
            Err(Errno::NOTDIR) => return self.follow(name),
            Err(error) => return Err(error.into()),
        }
        if name == ".." {
            self.at.pop();
        } else {
            self.at.push(name);
        }
        Ok(())
    }

    fn follow(&mut self, name: &OsStr) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let link = rustix::fs::openat(&self.here, name, flags, Mode::empty())?;
        let found = rustix::fs::fstat(&link)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
            return Err(Errno::NOTDIR.into());
        }
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        self.judge(name, &found)?;
        // With an empty name the link itself is read, not the one that may have its name by now.
        let target = rustix::fs::readlinkat(&link, "", Vec::new())?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            self.here = open_path(CWD, OsStr::new("/"))?;
            self.at = PathBuf::from("/");
        }
        self.left.extend(names(&target));
        Ok(())
    }

    fn judge(&mut self, name: &OsStr, link: &Stat) -> io::Result<()> {
        let owner = link.st_uid;
        if owner == 0 || owner == rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        let folder = rustix::fs::statat(&self.here, "", AtFlags::EMPTY_PATH)?;
        let link = self.at.join(name);
        if folder.st_uid != owner || folder.st_mode & WRITABLE_BY_OTHERS != 0 {
            return Err(refused(UntrustedLink { link, owner, why: Distrust::Planted }));
        }
        self.own_links.push((link, owner));
        Ok(())
    }

    fn check_owners(&self, end: &Stat) -> io::Result<()> {
        match self.own_links.iter().find(|(_, owner)| *owner != end.st_uid) {
            None => Ok(()),
            Some((link, owner)) => {
                let (link, owner, why) = (link.clone(), *owner, Distrust::LeadsTo(end.st_uid));
                Err(refused(UntrustedLink { link, owner, why }))
            }
        }
    }
}

/// Opens a folder on the way, which need not be readable. `O_DIRECTORY` also mounts what an
/// automounter has there.
fn open_path(folder: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder.as_fd(), name, flags, Mode::empty())
}

/// The names of a path, the last one first.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().rev().filter_map(|component| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn refused(link: UntrustedLink) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, link)
}

#[cfg(test)]
mod tests;
