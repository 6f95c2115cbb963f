//! How long a name becomes when it is enciphered.

use crate::crypt::names::Encoding;
use crate::crypt::names::eme::BLOCK_BYTES;

/// The length of a stored name, for stores that count the one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Its characters.
    pub chars: usize,
    /// Its bytes in UTF-8.
    pub bytes: usize,
}

impl Encoding {
    /// The length of the ciphertext of a name that has `plain_bytes` bytes in rclone's
    /// [standard form](crate::crypt::names::standard): it depends on nothing else.
    ///
    /// For base32768 the bytes are the most that there can be; some characters have two instead of
    /// three.
    ///
    /// ```
    /// use rclone_formats::crypt::names::Encoding;
    ///
    /// assert_eq!(Encoding::Base32.length(143).bytes, 231);
    /// assert_eq!(Encoding::Base64.length(175).bytes, 235);
    /// assert_eq!(Encoding::Base32768.length(255).chars, 137);
    /// ```
    pub fn length(self, plain_bytes: usize) -> Length {
        let blocks = plain_bytes / BLOCK_BYTES + 1;
        let chars = (blocks.saturating_mul(8 * BLOCK_BYTES)).div_ceil(self.width());
        let bytes = match self {
            Encoding::Base32 | Encoding::Base64 => chars,
            Encoding::Base32768 => chars.saturating_mul(3),
        };
        Length { chars, bytes }
    }
}
