//! Checks whether the source is still the folder that the records describe.
//!
//! A disk that is not mounted, another one in its place, or an emptied folder look as if a user had
//! deleted everything. So a source is recognised before anything is removed because of its contents
//! (invariant I6): by the identifier of its file system and its inode, or else by its inode and the
//! names at its top. Device numbers change over reboots and prove nothing.
//!
//! | file system | inode | names | believed |
//! |---|---|---|---|
//! | same | same | any | yes, also if all was renamed |
//! | same | other | most are there | yes: restored, or rolled back to a snapshot |
//! | same | other | gone | no: another folder was put in its place |
//! | other | any | any | no: another disk is mounted |
//! | not known | any | most are there | yes |
//! | not known | any | gone | no |

mod file_system;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir};
use serde::{Deserialize, Serialize};

use crate::base::words::counted;
use crate::disk::at::is_gone;
use crate::disk::filter::{RESERVED_NAMES, RESTORE_NAME};
use crate::disk::trusted::{UntrustedLink, open_trusted, untrusted_link};

/// The number of names that are kept of the top of a source: enough to tell folders apart, in a few
/// kilobytes. Further names are not compared.
const MAX_TOP_NAMES: usize = 64;

/// The names that a freshly made file system holds by itself, or that are never mirrored.
const NO_CONTENT: [&[u8]; 4] = [b"lost+found", RESERVED_NAMES[0], RESERVED_NAMES[1], RESTORE_NAME];

/// The facts that a source is recognised by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootIdentity {
    /// Identifier of the file system, the same after a reboot; `None` where there is none, as
    /// on network file systems.
    pub uuid: Option<String>,
    /// The folder's inode.
    pub inode: u64,
    /// The first of the names in it, in the order of their bytes.
    pub top: Vec<Vec<u8>>,
}

/// The records that are lost if a source is not the one on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnRecord {
    /// Everything on record in it, also without a copy.
    pub files: u64,
    /// A person has approved removals: the source may have been emptied or replaced on purpose.
    pub approved: bool,
}

/// Why nothing may be removed because of the present look of a source.
///
/// A message is the cause alone; what to do about it belongs to the degraded state
/// (`status::kind`).
#[derive(Debug, thiserror::Error)]
pub enum RootTrouble {
    /// Nothing is at its path.
    #[error("the source {} does not exist",
        source_path.display())]
    Missing {
        /// The source.
        source_path: PathBuf,
    },
    /// The path is not a folder.
    #[error("the source {} is a file, not a folder", source_path.display())]
    NotAFolder {
        /// The source.
        source_path: PathBuf,
    },
    /// The path is a link, which does not count, even if it leads to a folder.
    #[error("the source {} is a symbolic link to {}, and not a folder itself",
        source_path.display(), target.display())]
    ALink {
        /// The source.
        source_path: PathBuf,
        /// The path in the link.
        target: PathBuf,
    },
    /// The way to it goes through a link that is not followed.
    #[error("on the way to the source {}: {link}", source_path.display())]
    BehindLink {
        /// The source.
        source_path: PathBuf,
        /// The link.
        link: UntrustedLink,
    },
    /// It cannot be read.
    #[error("the source {} cannot be read", source_path.display())]
    Unreadable {
        /// The source.
        source_path: PathBuf,
        /// The cause.
        #[source]
        error: io::Error,
    },
    /// The source is empty, and files are on record.
    #[error("the source {} is empty, but {} of it {} on record", source_path.display(),
        counted(*recorded_files, "file"), if *recorded_files == 1 { "is" } else { "are" })]
    BecameEmpty {
        /// The source.
        source_path: PathBuf,
        /// The number of files on record.
        recorded_files: u64,
    },
    /// Another file system is there.
    #[error("the source {} is on another file system ({found}) than before ({recorded})",
        source_path.display())]
    OtherFileSystem {
        /// The source.
        source_path: PathBuf,
        /// Identifier of the one on record.
        recorded: String,
        /// Identifier of the one that is there.
        found: String,
    },
    /// The source was mounted, unmounted or exchanged between two looks.
    #[error("the source {} became another one while it was looked at, such as by a mount",
        source_path.display())]
    ChangedMeanwhile {
        /// The source.
        source_path: PathBuf,
    },
    /// The source is another folder, with other contents.
    #[error("the source {} is not the folder it was: of {recorded_names} names at its top, \
        {names_left} are left", source_path.display())]
    Replaced {
        /// The source.
        source_path: PathBuf,
        /// Names on record.
        recorded_names: usize,
        /// The number of these names that are still there.
        names_left: usize,
    },
}

impl RootIdentity {
    /// The text that the state keeps.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether both are the same folder of the same file system, whatever its contents.
    pub(crate) fn is_same_place(&self, other: &RootIdentity) -> bool {
        (&self.uuid, self.inode) == (&other.uuid, other.inode)
    }

    /// From the text in the state; `None` if it is not one of ours.
    pub fn parse(text: &str) -> Option<RootIdentity> {
        serde_json::from_str(text).ok()
    }
}

/// The present identity of `source`. Lists the source once.
///
/// # Errors
///
/// Those of [`place`].
pub fn identify(source: &Path) -> Result<RootIdentity, RootTrouble> {
    let folder = open(source)?;
    with_names(source, &folder)
}

/// The path of `source` without the links on the way to it.
///
/// # Errors
///
/// Those of [`place`].
pub(crate) fn resolve(source: &Path) -> Result<PathBuf, RootTrouble> {
    let folder = open(source)?;
    let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let unreadable = |error| RootTrouble::Unreadable { source_path: source.to_owned(), error };
    fs::read_link(link).map_err(unreadable)
}

/// The identity of the folder without the names in it.
///
/// # Errors
///
/// [`RootTrouble::Missing`], [`RootTrouble::NotAFolder`], [`RootTrouble::ALink`],
/// [`RootTrouble::BehindLink`] or [`RootTrouble::Unreadable`].
pub(crate) fn place(source: &Path) -> Result<RootIdentity, RootTrouble> {
    place_of(source, &open(source)?)
}

/// Checks that `source` is the folder on record, and returns its present identity to keep.
///
/// # Errors
///
/// [`RootTrouble`]: nothing may be removed, and an absent path proves nothing.
pub fn check_root(
    source: &Path,
    recorded: Option<&RootIdentity>,
    on_record: OnRecord,
) -> Result<RootIdentity, RootTrouble> {
    let folder = open(source)?;
    let now = with_names(source, &folder)?;
    let is_there =
        |name: &[u8]| rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    judge(source, now, recorded, on_record, is_there)
}

fn open(source: &Path) -> Result<OwnedFd, RootTrouble> {
    let source_path = || source.to_owned();
    open_trusted(source).map_err(|error| match untrusted_link(&error) {
        Some(link) => RootTrouble::BehindLink { source_path: source_path(), link: link.clone() },
        None if is_gone(&error) => match (fs::read_link(source), fs::symlink_metadata(source)) {
            (Ok(target), _) => RootTrouble::ALink { source_path: source_path(), target },
            (Err(_), Ok(found)) if !found.is_dir() => {
                RootTrouble::NotAFolder { source_path: source_path() }
            }
            (Err(_), _) => RootTrouble::Missing { source_path: source_path() },
        },
        None => RootTrouble::Unreadable { source_path: source_path(), error },
    })
}

fn with_names(source: &Path, folder: &OwnedFd) -> Result<RootIdentity, RootTrouble> {
    let unreadable = |error| RootTrouble::Unreadable { source_path: source.to_owned(), error };
    let top = first_names(folder).map_err(|error| unreadable(error.into()))?;
    Ok(RootIdentity { top, ..place_of(source, folder)? })
}

fn place_of(source: &Path, folder: &OwnedFd) -> Result<RootIdentity, RootTrouble> {
    let found = rustix::fs::fstat(folder).map_err(|error| RootTrouble::Unreadable {
        source_path: source.to_owned(),
        error: error.into(),
    })?;
    let uuid = file_system::identifier(folder.as_fd(), found.st_dev);
    Ok(RootIdentity { uuid, inode: found.st_ino, top: Vec::new() })
}

/// Whether the source with the identity `now` is the folder on record. Pure, but for the question
/// whether a name is there.
///
/// # Errors
///
/// [`RootTrouble`]: nothing may be removed, and an absent path proves nothing.
pub(crate) fn judge(
    source: &Path,
    now: RootIdentity,
    recorded: Option<&RootIdentity>,
    on_record: OnRecord,
    is_there: impl Fn(&[u8]) -> bool,
) -> Result<RootIdentity, RootTrouble> {
    let source_path = || source.to_owned();
    let recorded_files = if on_record.approved { 0 } else { on_record.files };
    if now.top.is_empty() && recorded_files > 0 {
        return Err(RootTrouble::BecameEmpty { source_path: source_path(), recorded_files });
    }
    let Some(recorded) = recorded else { return Ok(now) };
    // With no files on record none can be lost: most likely the service was started before the disk
    // was mounted.
    if on_record.files == 0 {
        return Ok(now);
    }
    match (&recorded.uuid, &now.uuid) {
        (Some(before), Some(found)) if before != found => {
            return Err(RootTrouble::OtherFileSystem {
                source_path: source_path(),
                recorded: before.clone(),
                found: found.clone(),
            });
        }
        (Some(_), Some(_)) if recorded.inode == now.inode => return Ok(now),
        _ => {}
    }
    // A name that cannot be looked at does not count.
    let names_left = recorded.top.iter().filter(|name| is_there(name)).count();
    let recorded_names = recorded.top.len();
    if recorded_files > 0 && names_left * 2 < recorded_names {
        return Err(RootTrouble::Replaced {
            source_path: source_path(),
            recorded_names,
            names_left,
        });
    }
    Ok(now)
}

/// The first names in a folder, without those that every new file system has.
fn first_names(folder: &OwnedFd) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut first = BTreeSet::new();
    let mut names = Dir::read_from(folder)?;
    while let Some(entry) = names.read() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") || NO_CONTENT.contains(&name) {
            continue;
        }
        first.insert(name.to_vec());
        if first.len() > MAX_TOP_NAMES {
            first.pop_last();
        }
    }
    Ok(first.into_iter().collect())
}

#[cfg(test)]
mod tests;
