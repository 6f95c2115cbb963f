//! One folder on disk, as far as watching needs to know it.
//!
//! Symbolic links are never followed: a link to a folder is not a folder here.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, FsWord, Mode, OFlags, Stat};
use rustix::io::Errno;

/// File systems where others can change files without an event from inotify, by the magic number
/// that `statfs(2)` reports. FUSE counts, because its backing store is not known.
const SILENT_FILE_SYSTEMS: [(FsWord, &str); 14] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x0BD0_0BD0, "Lustre"),
    (0x786F_4256, "VirtualBox shared folders"),
    (0xBACB_ACBC, "VMware shared folders"),
];

/// The identity of a folder, whatever its name; valid while the folder exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    /// The folder that is at `path` now; `None` if there is none, or something else.
    pub(super) fn at(path: &Path) -> Option<Identity> {
        let stat = rustix::fs::lstat(path).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::Directory).then(|| Identity::of(&stat))
    }

    fn of(stat: &Stat) -> Identity {
        Identity { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// An open folder: stays the same one when its path comes to mean another.
#[derive(Debug)]
pub(super) struct OpenFolder {
    fd: OwnedFd,
    pub(super) identity: Identity,
}

impl OpenFolder {
    /// Opens the folder at `path`. `ENOTDIR` if it is a link or a file.
    pub(super) fn open(path: &Path) -> Result<OpenFolder, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        let identity = Identity::of(&rustix::fs::fstat(&fd)?);
        Ok(OpenFolder { fd, identity })
    }

    /// The name of its file system if inotify does not report all changes there.
    pub(super) fn silent_file_system(&self) -> Option<&'static str> {
        let magic = rustix::fs::fstatfs(&self.fd).ok()?.f_type;
        SILENT_FILE_SYSTEMS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
    }

    /// The names of the folders in it.
    ///
    /// # Errors
    ///
    /// If reading fails half-way: then there may be more.
    pub(super) fn into_subfolders(self) -> Result<Vec<Vec<u8>>, Errno> {
        let mut names = Vec::new();
        let mut dir = Dir::new(self.fd)?;
        while let Some(entry) = dir.read() {
            let entry = entry?;
            let name = entry.file_name();
            let is_folder = match entry.file_type() {
                FileType::Directory => !matches!(name.to_bytes(), b"." | b".."),
                // Some file systems do not tell.
                FileType::Unknown => {
                    rustix::fs::statat(dir.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)
                        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
                        && !matches!(name.to_bytes(), b"." | b"..")
                }
                FileType::RegularFile
                | FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice => false,
            };
            if is_folder {
                names.push(name.to_bytes().to_vec());
            }
        }
        Ok(names)
    }
}
