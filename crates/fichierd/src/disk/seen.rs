//! What a look at the disk tells of one name, and the stamps in it.
//!
//! Stamps are cheap evidence that a file is unchanged. They are compared for *difference*,
//! never for age: `cp -p` and restored backups bring old times to new content.
//! [`is_racy`] names the one case in which an equal stamp proves nothing.

use std::fs::Metadata as FsMetadata;
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fichier_api::FileMark;
use fichier_state::{Folder, FolderFacts, Metadata, Stamp};
use rustix::fs::Stat;

/// The time within which two writes may get the same time: twice the slowest tick of the kernel's
/// clock for files, which ticks every 1 to 10 ms (`CONFIG_HZ` 1000 to 100).
const CLOCK_GRAIN: Duration = Duration::from_millis(20);

/// The same on file systems that keep whole seconds: FAT has steps of two.
const COARSE_CLOCK_GRAIN: Duration = Duration::from_secs(2);

const NS_PER_S: i64 = 1_000_000_000;

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name, in any bytes.
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: SeenKind,
    /// Its stamp.
    pub stamp: Stamp,
    /// Mode, owner and times. No extended attributes: see [`crate::disk::scan::Scanner::xattrs`].
    pub metadata: Metadata,
    /// Device number of its file system. A survey puts in its place the number by which the mount
    /// of a folder is known on record.
    pub device: u64,
    /// Number of the mount that a folder is on; it differs from that of the folder above at a mount
    /// point, also where the device is the same. `None` if the kernel does not tell, and for
    /// anything but a folder.
    pub mount: Option<NonZeroU64>,
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

impl Seen {
    /// The result of `lstat` of a name.
    pub(crate) fn of(name: &[u8], found: &Stat, kind: SeenKind) -> Seen {
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
            mount: None,
        }
    }

    /// Whether it is sent to the service: a file with bytes, or also an empty one where that is
    /// stored.
    pub fn is_sent(&self, stores_empty_files: bool) -> bool {
        self.kind == SeenKind::File && (self.stamp.size_bytes > 0 || stores_empty_files)
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == SeenKind::Folder
    }

    /// What is to be kept of it, if it is a folder; without extended attributes.
    pub fn folder_facts(&self) -> FolderFacts {
        FolderFacts {
            device: self.device,
            inode: self.stamp.inode,
            ctime_ns: self.stamp.ctime_ns,
            metadata: self.metadata.clone(),
        }
    }

    /// Whether a folder is as it is on record. The time of its inode also shows changes of its
    /// extended attributes.
    pub fn is_as_recorded(&self, folder: &Folder) -> bool {
        folder.device == self.device
            && folder.inode == self.stamp.inode
            && folder.ctime_ns == self.stamp.ctime_ns
            && has_same_facts(&folder.metadata, &self.metadata)
    }
}

/// Whether everything that a restore would put back is equal. An entry of a listing has no extended
/// attributes, so these do not count.
pub(crate) fn has_same_facts(recorded: &Metadata, seen: &Metadata) -> bool {
    (recorded.mode, recorded.uid, recorded.gid, recorded.mtime_ns)
        == (seen.mode, seen.uid, seen.gid, seen.mtime_ns)
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

/// The stamp in the mark of an open file.
pub fn stamp_of_mark(mark: &FileMark) -> Stamp {
    Stamp {
        size_bytes: mark.size_bytes,
        mtime_ns: nanoseconds(mark.mtime.0, mark.mtime.1),
        ctime_ns: nanoseconds(mark.ctime.0, mark.ctime.1),
        inode: mark.inode,
    }
}

/// The stamp in a result of `stat`.
pub fn stamp_of(metadata: &FsMetadata) -> Stamp {
    Stamp {
        size_bytes: metadata.size(),
        mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
    }
}

/// Whether a file that was seen with the stamp `before` is unchanged.
///
/// Some file systems tell no size (procfs, FUSE with direct I/O): their files have a size of 0, and
/// `before` has the size that was measured. There the times and the inode decide. A file that was
/// emptied has other times.
pub fn is_unchanged(before: &Stamp, now: &Stamp) -> bool {
    let tells_no_size = now.size_bytes == 0;
    let size_bytes = if tells_no_size { before.size_bytes } else { now.size_bytes };
    *before == Stamp { size_bytes, ..*now }
}

/// Whether the file could be written again after `read_at` without a new stamp.
///
/// `read_at` is the time just before the read began. If the file was touched within the clock's
/// grain of it, a later write may get the very same times: such a record is read again the next
/// time, once. Times well in the future are not racy: the clock was wrong when they were written,
/// and the next write will have another time.
pub fn is_racy(stamp: &Stamp, read_at: SystemTime) -> bool {
    let read_at_ns = system_time_ns(read_at);
    // A time without a fraction is most likely from a file system that keeps none.
    let is_coarse = stamp.ctime_ns % NS_PER_S == 0;
    let grain = if is_coarse { COARSE_CLOCK_GRAIN } else { CLOCK_GRAIN };
    let grain_ns = u64::try_from(grain.as_nanos()).unwrap_or(u64::MAX);
    [stamp.mtime_ns, stamp.ctime_ns].iter().any(|time| time.abs_diff(read_at_ns) <= grain_ns)
}

/// Seconds and nanoseconds as one number, as the state keeps them: exact for the years 1677 to
/// 2262, and the nearest of those beyond.
pub(crate) fn nanoseconds(seconds: i64, fraction_ns: i64) -> i64 {
    seconds.saturating_mul(NS_PER_S).saturating_add(fraction_ns)
}

/// A time of the system's clock, as [`nanoseconds`] since 1970.
pub(crate) fn system_time_ns(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_within_the_clocks_grain_of_the_read_are_racy() {
        let read_at = UNIX_EPOCH + Duration::from_secs(1_000);
        let is_racy_at = |mtime_ns, ctime_ns| {
            is_racy(&Stamp { size_bytes: 1, mtime_ns, ctime_ns, inode: 1 }, read_at)
        };
        let second = 1_000_000_000;
        let now = 1_000 * second;
        assert!(is_racy_at(0, now - 1));
        assert!(is_racy_at(0, now - 19_999_999));
        assert!(!is_racy_at(0, now - 20_000_001));
        assert!(is_racy_at(now - 5, 900 * second + 1), "the mtime counts too");
        assert!(is_racy_at(0, now + 19_999_999), "a clock a little ahead");
        assert!(!is_racy_at(0, now + 20_000_001), "a clock far ahead says nothing");
        assert!(is_racy_at(0, now - 2 * second), "a file system with whole seconds");
        assert!(!is_racy_at(0, now - 3 * second));
    }

    #[test]
    fn only_a_size_of_zero_is_no_size() {
        let stamp = |size_bytes, ctime_ns| Stamp { size_bytes, mtime_ns: 1, ctime_ns, inode: 1 };
        assert!(is_unchanged(&stamp(7, 5), &stamp(7, 5)));
        assert!(is_unchanged(&stamp(7, 5), &stamp(0, 5)), "it tells no size");
        assert!(!is_unchanged(&stamp(7, 5), &stamp(0, 6)), "it was emptied");
        assert!(!is_unchanged(&stamp(7, 5), &stamp(6, 5)));
        assert!(!is_unchanged(&stamp(0, 5), &stamp(7, 5)));
    }

    #[test]
    fn times_beyond_the_range_are_the_nearest_in_it() {
        assert_eq!(nanoseconds(i64::MAX, 5), i64::MAX);
        assert_eq!(nanoseconds(-1, 999_999_999), -1);
        assert_eq!(system_time_ns(UNIX_EPOCH - Duration::from_nanos(3)), -3);
    }
}
