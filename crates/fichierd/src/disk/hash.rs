//! Reads a file once for its fingerprint.
//!
//! A fingerprint (BLAKE3) answers "is this still the recorded content?" and "is this the content of
//! that record?" locally. Whirlpool is the hash that the service reports; it costs about ten times
//! as much CPU and is computed only to be compared with an answer of the service.

use std::io;

use fichier_api::{FileMark, Fingerprint, Source, Whirlpool};
use fichier_state::Stamp;
use rclone_formats::crypt::Encryptor;
use whirlpool::Digest as _;

use crate::disk::seen::stamp_of_mark;

/// The size of one read: large enough that the system calls cost little, small enough for several
/// in memory.
const BLOCK_BYTES: usize = 256 * 1024;

/// The most bytes that are read of a file whose size is told to be 0; a longer one is an error.
const MOST_UNTOLD_BYTES: u64 = 4 << 30;

/// The result of reading a file once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// BLAKE3 of the content.
    pub fingerprint: Fingerprint,
    /// Whirlpool of the content, or of the object that it becomes, if it was asked for.
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
pub fn hash_file(file: impl Source, with_whirlpool: bool) -> io::Result<Hashed> {
    let mut whirlpool = with_whirlpool.then(whirlpool::Whirlpool::new);
    let hashed = read_through(file, |bytes| {
        if let Some(whirlpool) = &mut whirlpool {
            whirlpool.update(bytes);
        }
    })?;
    Ok(Hashed { whirlpool: whirlpool.map(whirlpool_of), ..hashed })
}

/// The same, with the Whirlpool hash of the object that the file becomes when it is enciphered.
///
/// # Errors
///
/// Those of [`hash_file`].
pub fn hash_enciphered(file: impl Source, mut encryptor: Encryptor) -> io::Result<Hashed> {
    let mut whirlpool = whirlpool::Whirlpool::new();
    let hashed = read_through(file, |bytes| {
        encryptor.push(bytes, |object| whirlpool.update(object));
    })?;
    encryptor.finish(|object| whirlpool.update(object));
    Ok(Hashed { whirlpool: Some(whirlpool_of(whirlpool)), ..hashed })
}

/// Reads a file to its end, and gives each block to `also`.
fn read_through(mut file: impl Source, mut also: impl FnMut(&[u8])) -> io::Result<Hashed> {
    let stamp_before = stamp_of_mark(&file.mark()?);
    let mut blake3 = blake3::Hasher::new();
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
        also(bytes);
        size_bytes += filled as u64;
    }
    Ok(Hashed {
        fingerprint: Fingerprint::from_bytes(*blake3.finalize().as_bytes()),
        whirlpool: None,
        stamp_before,
        stamp_after: stamp_of_mark(&file.mark()?),
        size_bytes,
    })
}

fn whirlpool_of(hash: whirlpool::Whirlpool) -> Whirlpool {
    Whirlpool::from_bytes(hash.finalize().into())
}

/// The same for a file whose size is told to be 0, without Whirlpool. Such a file may be a stream
/// without an end, so the reading has one.
///
/// # Errors
///
/// Those of [`hash_file`], and `InvalidData` after [`MOST_UNTOLD_BYTES`].
pub fn hash_untold(file: impl Source) -> io::Result<Hashed> {
    hash_file(Bounded { file, left: MOST_UNTOLD_BYTES }, false)
}

/// A file that may be read up to a bound.
struct Bounded<S> {
    file: S,
    left: u64,
}

impl<S: Source> io::Read for Bounded<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let what = "its file system tells that it is empty, and gives more than 4 GiB";
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        Ok(read)
    }
}

impl<S: Source> Source for Bounded<S> {
    fn mark(&self) -> io::Result<FileMark> {
        self.file.mark()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::disk::seen::stamp_of;

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
    fn the_hash_of_an_object_is_that_of_its_enciphered_bytes() {
        use rclone_formats::crypt::{Keys, Nonce};
        let content: Vec<u8> = (0..=255).cycle().take(BLOCK_BYTES + 17).collect();
        let keys = Keys::derive(b"a password", None).unwrap();
        let encryptor = || Encryptor::new(&keys, Nonce::from_bytes([5; 24]));
        let mut object = Vec::new();
        let mut whole = encryptor();
        whole.push(&content, |bytes| object.extend_from_slice(bytes));
        whole.finish(|bytes| object.extend_from_slice(bytes));
        let (_dir, file) = open_with(&content);
        let hashed = hash_enciphered(file, encryptor()).unwrap();
        let expected: [u8; 64] = whirlpool::Whirlpool::digest(&object).into();
        assert_eq!(hashed.whirlpool.unwrap().as_bytes(), &expected);
        assert_eq!(hashed.fingerprint.as_bytes(), blake3::hash(&content).as_bytes());
        assert_eq!(hashed.size_bytes, content.len() as u64);
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
}
