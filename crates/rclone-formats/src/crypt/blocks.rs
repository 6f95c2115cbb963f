//! The blocks of a file, each by itself: for parts of it, and for callers with their own buffers.

use crate::crypt::nonce::Nonce;
use crate::crypt::secretbox;
use crate::crypt::size::TAG_BYTES;
use crate::crypt::{ContentError, Keys};

/// The cipher of one file's blocks, in place and in any order.
///
/// A block is 16 bytes of tag and then up to 65,536 bytes of content. The cipher does not know how
/// long the file is: blocks that are shorter than they should be are for the caller to notice
/// ([`size`](crate::crypt::size)).
#[derive(Clone, Debug)]
pub struct Blocks {
    keys: Keys,
    nonce: Nonce,
}

impl Blocks {
    /// The blocks of the file with this nonce in its header.
    pub fn new(keys: &Keys, nonce: Nonce) -> Blocks {
        Blocks { keys: keys.clone(), nonce }
    }

    /// The nonce of the file.
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// Enciphers block `number`, whose plain bytes follow 16 bytes that are overwritten by the tag.
    /// A buffer without plain bytes is left alone: there are no empty blocks.
    pub fn seal(&self, number: u64, block: &mut [u8]) {
        let Some((tag, message)) = block.split_first_chunk_mut::<TAG_BYTES>() else { return };
        if !message.is_empty() {
            *tag = secretbox::seal(self.keys.data(), &self.nonce.of_block(number), message);
        }
    }

    /// Deciphers block `number`, and tells its plain bytes, which are within it.
    ///
    /// # Errors
    ///
    /// [`ContentError::CutInTag`] if it is too short to be one, and [`ContentError::BadBlock`] if
    /// it is not what was written there; its bytes are then as before.
    pub fn open<'a>(&self, number: u64, block: &'a mut [u8]) -> Result<&'a mut [u8], ContentError> {
        let cut = ContentError::CutInTag { block: number, bytes: block.len() as u64 };
        let (tag, message) = block.split_first_chunk_mut::<TAG_BYTES>().ok_or(cut)?;
        if message.is_empty() {
            return Err(cut);
        }
        let nonce = self.nonce.of_block(number);
        if !secretbox::open(self.keys.data(), &nonce, tag, message) {
            return Err(ContentError::BadBlock { block: number });
        }
        Ok(message)
    }
}
