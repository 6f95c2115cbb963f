//! Puts mode, owner, times, extended attributes and ACLs back, exactly.
//!
//! The order matters: the owner first, because a change of it clears setuid and capabilities;
//! `user.` attributes while we may still write to the file; then the mode; then capabilities and
//! ACLs, which a change of the mode would alter; the time last. Attributes of the recorded kinds
//! that are not on record are removed: restoring over a file leaves nothing of it.
//!
//! An ordinary user cannot set all of it, and not every file system can hold it. That is not a
//! failure: it is counted ([`Unset`]), and the contents are there. But no right is given beyond the
//! record: setuid, setgid and capabilities are set only together with the recorded owner, and the
//! group gets no more than its own part of an ACL that could not be set.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use fichier_state::{Metadata, RelPath, Xattrs};
use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;

use super::acl;
use super::owners::Owners;
use crate::disk::at::{KEPT_XATTRS, proc_path, xattrs, xattrs_of};
use crate::disk::seen::stamp_in;

/// The number of paths that are kept for each kind; later ones are only counted.
const NAMED: usize = 1_000;

/// The most that a file system's time may differ from the one that was set: FAT has steps of two
/// seconds.
const TIME_STEP_NS: u64 = 2_000_000_000;

const NS_PER_S: i64 = 1_000_000_000;

/// Permissions, with setuid, setgid and the sticky bit.
const PERMISSIONS: u32 = 0o7777;

/// The file, folder or link that gets the metadata.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// An open file.
    File(&'a File),
    /// An open folder.
    Folder(BorrowedFd<'a>),
    /// A symbolic link itself, which cannot be opened.
    Link {
        /// The folder that it is in.
        folder: BorrowedFd<'a>,
        /// Its name there.
        name: &'a [u8],
    },
}

/// The metadata that could not be set, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unset {
    /// User or group: only root may give files away.
    pub owners: Missed,
    /// Permissions, also setuid and setgid that were left out because the owner is another.
    pub modes: Missed,
    /// Extended attributes, capabilities and ACLs.
    pub xattrs: Missed,
    /// Times.
    pub times: Missed,
}

/// The paths that lack one kind of metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// The number of all these paths.
    pub count: u64,
    /// The first of them, by path.
    pub first: Vec<RelPath>,
}

/// Sets metadata, and counts the kinds that could not be set.
#[derive(Debug, Default)]
pub struct MetadataSetter {
    owners: Owners,
    unset: Unset,
}

/// Whether user and group are now the recorded ones.
#[derive(Clone, Copy)]
struct Owned {
    user: bool,
    group: bool,
}

/// Whether mode and attributes are now the recorded ones.
struct Rights {
    mode: bool,
    xattrs: bool,
}

impl MetadataSetter {
    /// Sets metadata with local owners in place of the recorded ones.
    pub fn new(owners: Owners) -> MetadataSetter {
        MetadataSetter { owners, unset: Unset::default() }
    }

    /// The metadata that could not be set until now.
    pub fn unset(&self) -> &Unset {
        &self.unset
    }

    /// Gives `subject`, which is or will be at `path`, exactly the recorded metadata. Metadata that
    /// is right already is not touched. A link has no mode of its own.
    ///
    /// # Errors
    ///
    /// Those of the disk; metadata that is not permitted or not possible is counted instead.
    pub fn set(
        &mut self,
        subject: Subject<'_>,
        recorded: &Metadata,
        path: &RelPath,
    ) -> io::Result<()> {
        let owned = self.set_owner(subject, recorded)?;
        let rights = self.set_rights(subject, recorded, owned)?;
        let has_time = set_mtime(subject, recorded.mtime_ns)?;
        let Unset { owners, modes, xattrs, times } = &mut self.unset;
        let kinds = [
            (owned.user && owned.group, owners),
            (rights.mode, modes),
            (rights.xattrs, xattrs),
            (has_time, times),
        ];
        for (_, missed) in kinds.into_iter().filter(|(is_set, _)| !is_set) {
            missed.add(path);
        }
        Ok(())
    }

    fn set_rights(
        &mut self,
        subject: Subject<'_>,
        recorded: &Metadata,
        owned: Owned,
    ) -> io::Result<Rights> {
        let wanted = self.local_xattrs(&recorded.xattrs, owned);
        let (present, can_read) = match subject.xattrs() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (Xattrs::new(), false),
            present => (present?, true),
        };
        let (early, late): (Vec<_>, Vec<_>) = differences(&present, &wanted)
            .into_iter()
            .partition(|(name, _)| name.starts_with(b"user."));
        let mut failed =
            subject.while_writable(!early.is_empty(), || set_xattrs(subject, &early))?;
        let mode = permitted(recorded.mode & PERMISSIONS, owned);
        let mut is_exact = set_mode(subject, mode)? && mode == recorded.mode & PERMISSIONS;
        failed.append(&mut set_xattrs(subject, &late)?);
        if let Some(narrow) = acl::without(mode, &wanted, &failed) {
            is_exact &= set_mode(subject, narrow)? && narrow == mode;
        }
        let all = wanted.len() == recorded.xattrs.len();
        Ok(Rights { mode: is_exact, xattrs: all && can_read && failed.is_empty() })
    }

    fn set_owner(&mut self, subject: Subject<'_>, recorded: &Metadata) -> io::Result<Owned> {
        let (uid, gid) = (self.owners.uid(recorded.uid), self.owners.gid(recorded.gid));
        let found = subject.stat()?;
        let owned = |found: &Stat| Owned { user: found.st_uid == uid, group: found.st_gid == gid };
        let before = owned(&found);
        // The kernel takes the number -1 for "unchanged", and no user has it.
        let user = (!before.user && uid != u32::MAX).then(|| Uid::from_raw(uid));
        let group = (!before.group && gid != u32::MAX).then(|| Gid::from_raw(gid));
        if user.is_none() && group.is_none() {
            return Ok(before);
        }
        if !done(subject.chown(user, group))? && user.is_some() && group.is_some() {
            // An ordinary user may at least choose among the groups it belongs to.
            done(subject.chown(None, group))?;
            done(subject.chown(user, None))?;
        }
        Ok(owned(&subject.stat()?))
    }

    /// The recorded attributes as they are set here: those of the kinds that we keep, with the
    /// local owners in ACLs.
    fn local_xattrs(&mut self, recorded: &Xattrs, owned: Owned) -> Xattrs {
        let is_kept = |name: &[u8]| {
            let kept = KEPT_XATTRS.iter().any(|prefix| name.starts_with(prefix));
            kept && (name != b"security.capability" || owned.user && owned.group)
        };
        let kept = recorded.iter().filter(|(name, _)| is_kept(name));
        kept.map(|(name, value)| {
            let is_acl = name.starts_with(b"system.posix_acl_");
            let value = if is_acl { acl::local(value, &mut self.owners) } else { value.clone() };
            (name.clone(), value)
        })
        .collect()
    }
}

impl Missed {
    /// Counts a path; the same one again, right after it, counts once.
    fn add(&mut self, path: &RelPath) {
        if self.first.last() == Some(path) {
            return;
        }
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(path.clone());
        }
    }
}

impl Unset {
    /// Whether everything could be set.
    pub fn is_empty(&self) -> bool {
        [&self.owners, &self.modes, &self.xattrs, &self.times].iter().all(|kind| kind.count == 0)
    }
}

impl<'a> From<&'a File> for Subject<'a> {
    fn from(file: &'a File) -> Subject<'a> {
        Subject::File(file)
    }
}

impl Subject<'_> {
    fn stat(self) -> io::Result<Stat> {
        Ok(match self {
            Subject::File(file) => rustix::fs::fstat(file)?,
            Subject::Folder(folder) => rustix::fs::fstat(folder)?,
            Subject::Link { folder, name } => {
                rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?
            }
        })
    }

    fn xattrs(self) -> io::Result<Xattrs> {
        match self {
            Subject::File(file) => xattrs_of(file.as_fd()),
            Subject::Folder(folder) => xattrs_of(folder),
            Subject::Link { folder, name } => xattrs(folder, name),
        }
    }

    fn chown(self, user: Option<Uid>, group: Option<Gid>) -> rustix::io::Result<()> {
        match self {
            Subject::File(file) => rustix::fs::fchown(file, user, group),
            Subject::Folder(folder) => rustix::fs::fchown(folder, user, group),
            Subject::Link { folder, name } => {
                rustix::fs::chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    fn chmod(self, mode: u32) -> rustix::io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Subject::File(file) => rustix::fs::fchmod(file, mode),
            Subject::Folder(folder) => rustix::fs::fchmod(folder, mode),
            Subject::Link { .. } => Ok(()),
        }
    }

    /// Sets an attribute; `None` removes it.
    fn set_xattr(self, name: &[u8], value: Option<&[u8]>) -> rustix::io::Result<()> {
        let flags = XattrFlags::empty();
        let open = match self {
            Subject::File(file) => file.as_fd(),
            Subject::Folder(folder) => folder,
            Subject::Link { folder, name: link } => {
                let path = proc_path(folder, link);
                return match value {
                    Some(value) => rustix::fs::lsetxattr(path, name, value, flags),
                    None => rustix::fs::lremovexattr(path, name),
                };
            }
        };
        match value {
            Some(value) => rustix::fs::fsetxattr(open, name, value, flags),
            None => rustix::fs::fremovexattr(open, name),
        }
    }

    /// Does something while the owner has the right to write, which `user.` attributes need though
    /// the file is open. After an error the right is taken back; else the mode is set next.
    fn while_writable<T>(
        self,
        is_needed: bool,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if !is_needed {
            return act();
        }
        let mode = self.stat()?.st_mode & PERMISSIONS;
        let write = Mode::WUSR.as_raw_mode();
        let is_opened = mode & write == 0 && done(self.chmod(mode | write))?;
        act().inspect_err(|_| {
            if is_opened {
                // The first error is the one that is told.
                let _closed = self.chmod(mode);
            }
        })
    }
}

/// The attributes to set (`Some`) and to remove (`None`) to get from one list to the other.
fn differences<'a>(present: &'a Xattrs, wanted: &'a Xattrs) -> Vec<(&'a [u8], Option<&'a [u8]>)> {
    let has = |list: &Xattrs, name: &[u8]| list.iter().any(|(other, _)| other == name);
    let gone = present.iter().filter(|(name, _)| !has(wanted, name));
    let new = wanted.iter().filter(|pair| !present.contains(pair));
    let gone = gone.map(|(name, _)| (name.as_slice(), None));
    gone.chain(new.map(|(name, value)| (name.as_slice(), Some(value.as_slice())))).collect()
}

/// Sets and removes attributes; returns the names of those that failed.
fn set_xattrs<'a>(
    subject: Subject<'_>,
    differences: &[(&'a [u8], Option<&[u8]>)],
) -> io::Result<Vec<&'a [u8]>> {
    let mut failed = Vec::new();
    for (name, value) in differences {
        match subject.set_xattr(name, *value) {
            Err(Errno::NODATA) if value.is_none() => {}
            // Some file systems report attributes that are too large for them in this way; a full
            // disk reports it again on `fsync`.
            Err(Errno::NOSPC | Errno::DQUOT | Errno::TOOBIG | Errno::RANGE) => failed.push(*name),
            tried => {
                if !done(tried)? {
                    failed.push(*name);
                }
            }
        }
    }
    Ok(failed)
}

/// The mode without the rights that belong to an owner who could not be set.
fn permitted(mode: u32, owned: Owned) -> u32 {
    let without = |bit: Mode, owned: bool| if owned { 0 } else { bit.as_raw_mode() };
    mode & !(without(Mode::SUID, owned.user) | without(Mode::SGID, owned.group))
}

/// Sets the mode, and says whether it is in force: the kernel drops setgid silently.
fn set_mode(subject: Subject<'_>, mode: u32) -> io::Result<bool> {
    if matches!(subject, Subject::Link { .. }) {
        return Ok(true);
    }
    let is_set = || io::Result::Ok(subject.stat()?.st_mode & PERMISSIONS == mode);
    if is_set()? {
        return Ok(true);
    }
    Ok(done(subject.chmod(mode))? && is_set()?)
}

/// Sets the time, and says whether it is the one of the original: a record holds no time outside of
/// the years 1677 to 2262, and a file system may hold fewer.
fn set_mtime(subject: Subject<'_>, mtime_ns: i64) -> io::Result<bool> {
    let is_exact = (i64::MIN + NS_PER_S..i64::MAX).contains(&mtime_ns);
    let found = || io::Result::Ok(stamp_in(&subject.stat()?).mtime_ns);
    if found()? == mtime_ns {
        return Ok(is_exact);
    }
    // Times before 1970 have a negative second and a positive fraction.
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: mtime_ns.div_euclid(NS_PER_S),
            tv_nsec: mtime_ns.rem_euclid(NS_PER_S),
        },
    };
    let is_done = done(match subject {
        Subject::File(file) => rustix::fs::futimens(file, &times),
        Subject::Folder(folder) => rustix::fs::futimens(folder, &times),
        Subject::Link { folder, name } => {
            rustix::fs::utimensat(folder, name, &times, AtFlags::SYMLINK_NOFOLLOW)
        }
    })?;
    // The kernel cuts a time that the file system cannot hold, silently.
    Ok(is_done && is_exact && found()?.abs_diff(mtime_ns) < TIME_STEP_NS)
}

/// Whether the call succeeded; false if it is not allowed or not possible here. Other errors are
/// errors.
fn done(result: rustix::io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        // `INVAL` and `OVERFLOW`: this user namespace or file system has no such owner.
        Err(
            Errno::PERM
            | Errno::ACCESS
            | Errno::OPNOTSUPP
            | Errno::NOSYS
            | Errno::INVAL
            | Errno::OVERFLOW,
        ) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
