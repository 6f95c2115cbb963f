//! Which part of an encrypted file holds a part of the plain one.

use std::ops::Range;

use crate::crypt::ContentError;
use crate::crypt::size::{BLOCK_BYTES, CIPHER_BLOCK_BYTES, HEADER_BYTES, plain_size};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// The part of an encrypted file to read for a part of the plain one: whole blocks.
///
/// ```
/// use rclone_formats::crypt::{Blocks, CipherRange, Encryptor, Keys, Nonce};
///
/// # let keys = Keys::derive(b"correct horse battery staple", None)?;
/// # let nonce = Nonce::from_bytes([7; 24]);
/// # let plain: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[1]).collect();
/// # let mut stored = Vec::new();
/// # let mut encryptor = Encryptor::new(&keys, nonce);
/// # encryptor.push(&plain, |cipher| stored.extend_from_slice(cipher));
/// # encryptor.finish(|cipher| stored.extend_from_slice(cipher));
/// let range = CipherRange::of(100_000..150_000, stored.len() as u64)?;
/// assert_eq!(range.bytes, 65_584..196_688);
///
/// let mut part = stored[65_584..196_688].to_vec();   // a Range request, in earnest
/// let blocks = Blocks::new(&keys, nonce);
/// let mut read = Vec::new();
/// for (number, block) in (range.first_block..).zip(part.chunks_mut(65_552)) {
///     read.extend_from_slice(blocks.open(number, block)?);
/// }
/// assert_eq!(&read[range.skip..][..50_000], &plain[100_000..150_000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CipherRange {
    /// The bytes of the encrypted file to read.
    pub bytes: Range<u64>,
    /// The number of the first block among them.
    pub first_block: u64,
    /// Plain bytes of the first block that come before those asked for.
    pub skip: usize,
}

impl CipherRange {
    /// The part of an encrypted file of `cipher_size` bytes that holds the plain bytes `plain`; as
    /// many of them as there are.
    ///
    /// # Errors
    ///
    /// [`ContentError`] for a size that no encrypted file has.
    pub fn of(plain: Range<u64>, cipher_size: u64) -> Result<CipherRange, ContentError> {
        let end = plain.end.min(plain_size(cipher_size)?);
        let start = plain.start.min(end);
        let first_block = start / BLOCK;
        let bytes = if start == end {
            let at = block_start(first_block).min(cipher_size);
            at..at
        } else {
            block_start(first_block)..block_start(end.div_ceil(BLOCK)).min(cipher_size)
        };
        let skip = usize::try_from(start % BLOCK).unwrap_or_default();
        Ok(CipherRange { bytes, first_block, skip })
    }
}

/// Where a block begins in the encrypted file.
fn block_start(block: u64) -> u64 {
    (HEADER_BYTES as u64).saturating_add(block.saturating_mul(CIPHER_BLOCK_BYTES as u64))
}
