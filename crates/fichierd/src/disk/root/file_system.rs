//! An identifier of a file system that is the same after a reboot.
//!
//! Some file systems tell one themselves (`statfs`): ext2 to ext4, btrfs and ZFS derive it from
//! their UUID or GUID. For the others on a block device the UUID is taken from the records of udev
//! (`/run/udev/data`), or from `/dev/disk/by-uuid`; in a sandbox only the first may be visible. XFS
//! and most others put the device number into `statfs`, which proves nothing.

use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{major, minor};

/// `f_type` of the file systems whose `f_fsid` is a stable identifier; from `linux/magic.h`
/// and OpenZFS.
const STABLE_FSID: [(u64, &str); 3] =
    [(0xEF53, "ext"), (0x9123_683E, "btrfs"), (0x2FC1_2FC1, "zfs")];

/// The identifier of the file system that `folder` is on, which has the number `device`.
pub(super) fn identifier(folder: BorrowedFd<'_>, device: u64) -> Option<String> {
    told_by_file_system(folder).or_else(|| known_to_udev(device)).or_else(|| linked_in_dev(device))
}

fn told_by_file_system(folder: BorrowedFd<'_>) -> Option<String> {
    // Types and identifiers are bit patterns; their signedness differs between machines.
    let kind = u64::try_from(rustix::fs::fstatfs(folder).ok()?.f_type).ok()? & 0xFFFF_FFFF;
    let (_, name) = STABLE_FSID.iter().find(|(magic, _)| *magic == kind)?;
    let fsid = rustix::fs::fstatvfs(folder).ok()?.f_fsid;
    (fsid != 0).then(|| format!("{name}-{fsid:016x}"))
}

fn known_to_udev(device: u64) -> Option<String> {
    let file = format!("/run/udev/data/b{}:{}", major(device), minor(device));
    let text = fs::read_to_string(file).ok()?;
    let uuid = text.lines().find_map(|line| line.strip_prefix("E:ID_FS_UUID="))?;
    Some(uuid.to_owned())
}

fn linked_in_dev(device: u64) -> Option<String> {
    let links = fs::read_dir("/dev/disk/by-uuid").ok()?;
    let mut same = links
        .flatten()
        .filter(|link| fs::metadata(link.path()).is_ok_and(|target| target.rdev() == device));
    same.next()?.file_name().into_string().ok()
}
