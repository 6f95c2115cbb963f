//! The number in a file's header that makes its ciphertext differ from every other.

use std::fmt;

use crate::crypt::ContentError;
use crate::crypt::size::HEADER_BYTES;

const MAGIC: [u8; 8] = *b"RCLONE\0\0";

/// The nonce of a file, as in its header: 24 bytes, random and new for each upload.
///
/// Not a secret: everyone who has the file sees it. But two different contents with one nonce and
/// one key give both away, so it comes from a good source of random bytes, and is used again for
/// the same content only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 24]);

impl Nonce {
    /// Takes 24 random bytes, or those of a header.
    pub const fn from_bytes(bytes: [u8; 24]) -> Nonce {
        Nonce(bytes)
    }

    /// The bytes as they are in the header.
    pub const fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }

    /// The header of a file with this nonce.
    pub fn to_header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let (magic, nonce) = header.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        nonce.copy_from_slice(&self.0);
        header
    }

    /// Reads the header at the beginning of a file; what follows it is not looked at.
    ///
    /// # Errors
    ///
    /// [`ContentError::ShortHeader`] and [`ContentError::BadMagic`].
    pub fn from_header(file: &[u8]) -> Result<Nonce, ContentError> {
        let short = ContentError::ShortHeader { bytes: file.len() as u64 };
        let (magic, rest) = file.split_first_chunk::<8>().ok_or(short)?;
        let nonce = rest.first_chunk().ok_or(short)?;
        if *magic != MAGIC {
            return Err(ContentError::BadMagic);
        }
        Ok(Nonce(*nonce))
    }

    /// The nonce of one block: the sum of both as numbers whose lowest byte is the first, without
    /// what leaves the 24 bytes.
    pub(crate) fn of_block(self, block: u64) -> Nonce {
        let mut sum = self.0;
        let mut carry = u128::from(block);
        for byte in &mut sum {
            carry += u128::from(*byte);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        Nonce(sum)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}
