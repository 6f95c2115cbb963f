//! How large a file becomes when it is encrypted, and how large it was.
//!
//! Both follow from the size alone: a header of 32 bytes, and 16 bytes more for each block of
//! 64 KiB and for a shorter last one. There are no empty blocks.

use crate::crypt::ContentError;

/// Bytes of the header: the magic and the nonce.
pub const HEADER_BYTES: usize = 32;
/// Plain bytes of each block but the last, which has 1 to as many.
pub const BLOCK_BYTES: usize = 65_536;
/// Bytes that each block is longer when it is encrypted.
pub const TAG_BYTES: usize = 16;
/// Bytes of each encrypted block but the last.
pub const CIPHER_BLOCK_BYTES: usize = TAG_BYTES + BLOCK_BYTES;

const HEADER: u64 = HEADER_BYTES as u64;
const BLOCK: u64 = BLOCK_BYTES as u64;
const TAG: u64 = TAG_BYTES as u64;
const CIPHER_BLOCK: u64 = CIPHER_BLOCK_BYTES as u64;

/// The size of the encrypted file. `None` if no file can be that large: it has more than
/// 2<sup>64</sup> bytes.
///
/// ```
/// use rclone_formats::crypt::size::cipher_size;
///
/// assert_eq!(cipher_size(0), Some(32));
/// assert_eq!(cipher_size(1), Some(49));
/// assert_eq!(cipher_size(65_536), Some(65_584));
/// ```
pub fn cipher_size(plain: u64) -> Option<u64> {
    let rest = plain % BLOCK;
    let last = if rest == 0 { 0 } else { TAG + rest };
    (plain / BLOCK).checked_mul(CIPHER_BLOCK)?.checked_add(HEADER + last)
}

/// The size of the plain file.
///
/// # Errors
///
/// [`ContentError::ShortHeader`] and [`ContentError::CutInTag`] for a size that no encrypted file
/// has.
pub fn plain_size(cipher: u64) -> Result<u64, ContentError> {
    let blocks = cipher.checked_sub(HEADER).ok_or(ContentError::ShortHeader { bytes: cipher })?;
    let (whole, rest) = (blocks / CIPHER_BLOCK, blocks % CIPHER_BLOCK);
    match rest {
        0 => Ok(whole * BLOCK),
        1..=TAG => Err(ContentError::CutInTag { block: whole, bytes: rest }),
        _ => Ok(whole * BLOCK + rest - TAG),
    }
}

/// The size of the largest plain file whose encrypted form has at most `most` bytes. `None` if not
/// even an empty one fits.
///
/// ```
/// use rclone_formats::crypt::size::largest_plain;
///
/// assert_eq!(largest_plain(300_000_000_000), Some(299_926_775_648));
/// assert_eq!(largest_plain(31), None);
/// ```
pub fn largest_plain(most: u64) -> Option<u64> {
    let blocks = most.checked_sub(HEADER)?;
    let (whole, rest) = (blocks / CIPHER_BLOCK, blocks % CIPHER_BLOCK);
    Some(whole * BLOCK + rest.saturating_sub(TAG))
}
