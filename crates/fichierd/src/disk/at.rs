//! Calls below an open folder (`openat`, `fstatat`), one name at a time.
//!
//! No path is ever too long for them, and no symbolic link is followed, not even one that appears
//! meanwhile. Files that are not regular are never opened: reading a FIFO would hang, and opening a
//! device can do things. Nothing here writes.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use fichier_state::Xattrs;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, StatxFlags};
use rustix::io::Errno;

use crate::disk::seen::{Seen, SeenKind};

/// Extended attributes that a restore can put back and that mean the same on another machine.
/// Labels of security modules do not.
pub(crate) const KEPT_XATTRS: [&[u8]; 3] = [b"user.", b"system.posix_acl_", b"security.capability"];

/// Whether an error says that the path does not exist, rather than that it cannot be seen.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
    gone.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// `O_NOFOLLOW` with `O_DIRECTORY` refuses a link with `ENOTDIR`.
pub(crate) fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Opens the sub-folder `name`.
pub(crate) fn open_folder(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, name, folder_flags(), Mode::empty())?)
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
pub(crate) fn look_at(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<Seen> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = kind_at(folder, name, &found)?;
    let mount = (kind == SeenKind::Folder).then(|| mount_at(folder, name)).flatten();
    Ok(Seen { mount, ..Seen::of(name, &found, kind) })
}

/// The number of the mount that the folder `name` is on, or the open folder itself if the name is
/// empty; `None` if the kernel does not tell (before Linux 5.8).
pub(crate) fn mount_at(folder: BorrowedFd<'_>, name: &[u8]) -> Option<NonZeroU64> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
    let found = rustix::fs::statx(folder, name, flags, StatxFlags::MNT_ID).ok()?;
    let is_told = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
    NonZeroU64::new(found.stx_mnt_id).filter(|_| is_told)
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

/// A path for calls that know no folder descriptors; good for any length and any name.
pub(crate) fn proc_path(folder: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    path
}

/// The extended attributes of `name` that are worth keeping, of the link itself if it is one.
pub(crate) fn xattrs(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<Xattrs> {
    let path = proc_path(folder, name);
    let path = OsStr::from_bytes(&path);
    kept_xattrs(
        |list| rustix::fs::llistxattr(path, list),
        |name, value| rustix::fs::lgetxattr(path, name, value),
    )
}

/// The extended attributes of an open file or folder that are worth keeping.
pub(crate) fn xattrs_of(open: BorrowedFd<'_>) -> io::Result<Xattrs> {
    kept_xattrs(
        |list| rustix::fs::flistxattr(open, list),
        |name, value| rustix::fs::fgetxattr(open, name, value),
    )
}

fn kept_xattrs(
    list: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&[u8], &mut [u8]) -> rustix::io::Result<usize>,
) -> io::Result<Xattrs> {
    let names = match sized(list) {
        Err(Errno::OPNOTSUPP) => return Ok(Xattrs::default()),
        names => names?,
    };
    let mut kept = Vec::new();
    for name in names.split(|byte| *byte == 0) {
        if !KEPT_XATTRS.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        match sized(|value| get(name, value)) {
            // Removed since it was listed.
            Err(Errno::NODATA) => {}
            value => kept.push((name.to_vec(), value?)),
        }
    }
    kept.sort();
    Ok(kept)
}

/// Calls until the answer fits: the list may have grown since its length was asked for.
fn sized(
    mut call: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    /// The kernel's own limit for a list and for a value.
    const MOST_BYTES: usize = 64 * 1024;
    let mut answer = vec![0; 256];
    loop {
        match call(&mut answer) {
            Err(Errno::RANGE) if answer.len() < MOST_BYTES => answer.resize(MOST_BYTES, 0),
            length => {
                answer.truncate(length?);
                return Ok(answer);
            }
        }
    }
}
