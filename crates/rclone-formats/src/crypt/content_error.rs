//! What can be wrong with an encrypted file.

use crate::crypt::size::{BLOCK_BYTES, HEADER_BYTES, TAG_BYTES};

/// The file is not encrypted, or damaged, or encrypted with other keys.
///
/// Blocks are counted from 0; block `n` holds the plain bytes from `n` × 65,536 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The file ends within its header.
    #[error("the file has {bytes} bytes; an encrypted file has at least {HEADER_BYTES}")]
    ShortHeader {
        /// Bytes of the whole file.
        bytes: u64,
    },
    /// The first bytes are not those of an encrypted file.
    #[error("the file is not encrypted by rclone: it does not begin with `RCLONE` and two zeros")]
    BadMagic,
    /// A block is not what was written with these keys, this nonce and at this place.
    #[error(
        "block {block} (plain bytes from {}) cannot be deciphered: the file is damaged or cut, or \
         was encrypted with another password or salt",
        first_byte(*block)
    )]
    BadBlock {
        /// Its number.
        block: u64,
    },
    /// The file ends within a block: behind it there are too few bytes for one more plain byte.
    #[error(
        "the file is cut in block {block} (plain bytes from {}): {bytes} bytes of that block are \
         there, and the shortest has {}",
        first_byte(*block),
        TAG_BYTES + 1
    )]
    CutInTag {
        /// Its number.
        block: u64,
        /// How many of its bytes there are.
        bytes: u64,
    },
}

fn first_byte(block: u64) -> u64 {
    block.saturating_mul(BLOCK_BYTES as u64)
}
