//! Reads a file once for its fingerprint, and makes stamps.
//!
//! A fingerprint (BLAKE3) answers "is this still the recorded content?" and "is this the content of
//! that record?" locally. Whirlpool is the hash that the service reports; it costs about ten times
//! as much CPU and is computed only to be compared with an answer of the service.
//!
//! Stamps are cheap evidence that a file is unchanged. They are compared for *difference*,
//! never for age: `cp -p` and restored backups bring old times to new content.
//! [`is_racy`] names the one case in which an equal stamp proves nothing.

use std::fs::Metadata as FsMetadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fichier_api::{FileMark, Fingerprint, Source, Whirlpool};
use fichier_state::Stamp;
use whirlpool::Digest as _;

/// The size of one read: large enough that the system calls cost little, small enough for several
/// in memory.
const BLOCK_BYTES: usize = 256 * 1024;

/// The time within which two writes may get the same time: twice the slowest tick of the kernel's
/// clock for files, which ticks every 1 to 10 ms (`CONFIG_HZ` 1000 to 100).
const CLOCK_GRAIN: Duration = Duration::from_millis(20);

/// The same on file systems that keep whole seconds: FAT has steps of two.
const COARSE_CLOCK_GRAIN: Duration = Duration::from_secs(2);

const NS_PER_S: i64 = 1_000_000_000;

/// The result of reading a file once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// BLAKE3 of the content.
    pub fingerprint: Fingerprint,
    /// Whirlpool of the content, if it was asked for.
    pub whirlpool: Option<Whirlpool>,
    /// The stamp before the first byte was read.
    pub stamp_before: Stamp,
    /// The stamp after the last one. If it differs, the bytes may be a mixture of two contents and
    /// stand for neither.
    pub stamp_after: Stamp,
    /// The number of bytes that were read, whatever the stamps say.
    pub size_bytes: u64,
}

/// Reads `file` from its present position to the end. Blocks; memory does not grow with the file.
///
/// # Errors
///
/// Those of `read` and `fstat`. A part of the content is never passed off as the whole.
pub fn hash_file(mut file: impl Source, with_whirlpool: bool) -> io::Result<Hashed> {
    let stamp_before = stamp_of_mark(&file.mark()?);
    let mut blake3 = blake3::Hasher::new();
    let mut whirlpool = with_whirlpool.then(whirlpool::Whirlpool::new);
    let mut size_bytes = 0;
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let filled = match file.read(&mut block) {
            Ok(0) => break,
            Ok(filled) => filled,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &block[..filled];
        blake3.update(bytes);
        if let Some(whirlpool) = &mut whirlpool {
            whirlpool.update(bytes);
        }
        size_bytes += filled as u64;
    }
    Ok(Hashed {
        fingerprint: Fingerprint::from_bytes(*blake3.finalize().as_bytes()),
        whirlpool: whirlpool.map(|whirlpool| Whirlpool::from_bytes(whirlpool.finalize().into())),
        stamp_before,
        stamp_after: stamp_of_mark(&file.mark()?),
        size_bytes,
    })
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
    use std::fs::{self, File};

    use super::*;

    fn open_with(content: &[u8]) -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, content).unwrap();
        let file = File::open(path).unwrap();
        (dir, file)
    }

    #[test]
    fn both_hashes_are_those_of_the_whole_content() {
        let content: Vec<u8> = (0..=255).cycle().take(BLOCK_BYTES * 2 + 17).collect();
        let (_dir, file) = open_with(&content);
        let hashed = hash_file(file, true).unwrap();
        assert_eq!(hashed.size_bytes, content.len() as u64);
        assert_eq!(hashed.stamp_before.size_bytes, content.len() as u64);
        assert_eq!(hashed.stamp_before, hashed.stamp_after);
        assert_eq!(hashed.fingerprint.as_bytes(), blake3::hash(&content).as_bytes());
        let expected: [u8; 64] = whirlpool::Whirlpool::digest(&content).into();
        assert_eq!(hashed.whirlpool.unwrap().as_bytes(), &expected);
    }

    #[test]
    fn the_empty_file_has_the_published_whirlpool_hash() {
        let (_dir, file) = open_with(b"");
        let hashed = hash_file(file, true).unwrap();
        // ISO/IEC 10118-3, the test vector of the empty string.
        let start = [0x19, 0xfa, 0x61, 0xd7, 0x55, 0x22, 0xa4, 0x66, 0x9b, 0x44, 0xe3, 0x9c];
        assert_eq!(hashed.whirlpool.unwrap().as_bytes()[..12], start);
        assert_eq!(hashed.size_bytes, 0);
    }

    #[test]
    fn whirlpool_is_left_out_unless_asked_for() {
        let (_dir, file) = open_with(b"x");
        assert_eq!(hash_file(file, false).unwrap().whirlpool, None);
    }

    #[test]
    fn a_change_of_the_file_while_it_is_open_shows_in_the_second_stamp() {
        let (dir, file) = open_with(b"before");
        let before = stamp_of(&file.metadata().unwrap());
        fs::write(dir.path().join("a"), b"after, and longer").unwrap();
        let hashed = hash_file(file, false).unwrap();
        assert_ne!(before, hashed.stamp_after);
        assert_eq!(hashed.size_bytes, 17);
    }

    #[test]
    fn an_error_of_the_disk_is_not_the_end_of_the_file() {
        // Reading a folder is an error that needs no broken disk.
        let dir = tempfile::tempdir().unwrap();
        let error = hash_file(File::open(dir.path()).unwrap(), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

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
    fn times_beyond_the_range_are_the_nearest_in_it() {
        assert_eq!(nanoseconds(i64::MAX, 5), i64::MAX);
        assert_eq!(nanoseconds(-1, 999_999_999), -1);
        assert_eq!(system_time_ns(UNIX_EPOCH - Duration::from_nanos(3)), -3);
    }
}
