//! A file that is enciphered while it is read, so that it is read once, whatever is done with its
//! bytes.
//!
//! Invariant: as many plain bytes are enciphered as were announced, never more: the beginning of a
//! file that grew is a whole object. One that became shorter ends too early, which the reader notices.

use std::io::{self, Read};

use fichier_api::{FileMark, Fingerprint, Source};
use rclone_formats::crypt::Encryptor;
use rclone_formats::crypt::size::CIPHER_BLOCK_BYTES;

/// A source of enciphered bytes.
pub struct Enciphered<S> {
    plain: S,
    /// `None` once the object is complete.
    encryptor: Option<Encryptor>,
    /// Plain bytes that are still to be read.
    left: u64,
    hash: blake3::Hasher,
    ready: Vec<u8>,
    /// How much of `ready` was handed on.
    taken: usize,
}

impl<S: Source> Enciphered<S> {
    /// The first `size_bytes` of `plain`, enciphered.
    pub fn new(plain: S, size_bytes: u64, encryptor: Encryptor) -> Enciphered<S> {
        Enciphered {
            plain,
            encryptor: Some(encryptor),
            left: size_bytes,
            hash: blake3::Hasher::new(),
            ready: Vec::with_capacity(CIPHER_BLOCK_BYTES),
            taken: 0,
        }
    }

    /// Makes the next bytes ready, if there are any.
    fn encipher(&mut self) -> io::Result<()> {
        let Self { plain, encryptor, left, hash, ready, taken } = self;
        ready.clear();
        *taken = 0;
        while let Some(mut open) = encryptor.take() {
            if *left == 0 {
                open.finish(|bytes| ready.extend_from_slice(bytes));
                return Ok(());
            }
            let room = open.room();
            let most = usize::try_from(*left).unwrap_or(usize::MAX).min(room.len());
            let read = plain.read(&mut room[..most]);
            if let Ok(read @ 1..) = read {
                hash.update(&room[..read]);
                open.filled(read, |bytes| ready.extend_from_slice(bytes));
                *left -= read as u64;
            }
            *encryptor = Some(open);
            // An end before `left` is 0 is the end of a file that became shorter.
            if read? == 0 || !ready.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl<S: Source> Read for Enciphered<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.ready.len() {
            self.encipher()?;
        }
        if self.ready.is_empty() && self.encryptor.is_none() {
            // The object is complete. Whether the file has grown is told without its bytes.
            return self.plain.read(&mut [0; 1][..buffer.len().min(1)]);
        }
        let ready = &self.ready[self.taken..];
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.taken += count;
        Ok(count)
    }
}

impl<S: Source> Source for Enciphered<S> {
    fn mark(&self) -> io::Result<FileMark> {
        self.plain.mark()
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(Fingerprint::from_bytes(*self.hash.finalize().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use rclone_formats::crypt::{Decryptor, Keys, Nonce};

    use super::*;

    /// A file that gives at most so many bytes at a time.
    struct Slow(io::Cursor<Vec<u8>>, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    impl Source for Slow {
        fn mark(&self) -> io::Result<FileMark> {
            Ok(FileMark { size_bytes: 0, mtime: (0, 0), ctime: (0, 0), inode: 0 })
        }
    }

    fn keys() -> Keys {
        Keys::derive(b"a password", None).unwrap()
    }

    fn source(content: &[u8], announced: usize, at_a_time: usize) -> Enciphered<Slow> {
        let slow = Slow(io::Cursor::new(content.to_vec()), at_a_time);
        let encryptor = Encryptor::new(&keys(), Nonce::from_bytes([3; 24]));
        Enciphered::new(slow, announced as u64, encryptor)
    }

    fn read_object(source: &mut impl Read, bytes: u64) -> Vec<u8> {
        let mut object = Vec::new();
        source.take(bytes).read_to_end(&mut object).unwrap();
        object
    }

    fn deciphered(object: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        let mut decryptor = Decryptor::new(&keys());
        decryptor.push(object, |bytes| plain.extend_from_slice(bytes)).unwrap();
        decryptor.finish(|bytes| plain.extend_from_slice(bytes)).unwrap();
        plain
    }

    fn object_bytes(plain: usize) -> u64 {
        rclone_formats::crypt::size::cipher_size(plain as u64).unwrap()
    }

    #[test]
    fn what_comes_out_is_the_whole_file_however_it_is_read() {
        for size in [0, 1, 15, 16, 65_535, 65_536, 65_537, 200_000] {
            let content: Vec<u8> = (0..=255).cycle().take(size).collect();
            for at_a_time in [7_919, 65_536, 1 << 20] {
                let mut source = source(&content, size, at_a_time);
                let object = read_object(&mut source, object_bytes(size));
                assert_eq!(object.len() as u64, object_bytes(size));
                assert_eq!(deciphered(&object), content);
                assert_eq!(source.read(&mut [0]).unwrap(), 0, "the file has ended");
                let expected = blake3::hash(&content);
                assert_eq!(source.fingerprint().unwrap().as_bytes(), expected.as_bytes());
            }
        }
    }

    #[test]
    fn the_beginning_of_a_file_that_grew_is_a_whole_object_and_no_plain_byte_follows() {
        let mut source = source(b"announced, and more", 9, 100);
        let object = read_object(&mut source, object_bytes(9));
        assert_eq!(deciphered(&object), b"announced");
        let mut after = [0];
        assert_eq!(source.read(&mut after).unwrap(), 1, "it has not ended");
        assert_eq!(after, [0]);
        assert_eq!(source.fingerprint().unwrap().as_bytes(), blake3::hash(b"announced").as_bytes());
    }

    #[test]
    fn a_file_that_became_shorter_ends_before_its_object_does() {
        let mut source = source(b"short", 9, 100);
        let object = read_object(&mut source, object_bytes(9));
        assert!((object.len() as u64) < object_bytes(9));
    }
}
