//! Why a name cannot be enciphered, or what is stored is no enciphered name.

use crate::crypt::names::Encoding;

/// The name cannot be enciphered, or is not an enciphered one. Shows no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing, `.`, `..`, or with a slash or a zero byte in it.
    #[error("this cannot be the name of a file or folder")]
    NotAName,
    /// The cipher takes no longer ones.
    #[error("the name is longer than the {most} bytes that can be enciphered")]
    TooLong {
        /// The most bytes, in rclone's standard form.
        most: usize,
    },
    /// The text has a character or a length that does not occur in this encoding.
    #[error("the name is not in {encoding}")]
    NotEncoded {
        /// The encoding that was expected.
        encoding: Encoding,
    },
    /// The ciphertext is empty, too long, or does not consist of whole blocks of 16 bytes.
    #[error("the name was not enciphered by rclone: {bytes} bytes are not whole blocks")]
    NotBlocks {
        /// Its bytes.
        bytes: usize,
    },
    /// The name was enciphered with other keys, or not at all.
    #[error("the name was not enciphered with this password and salt")]
    OtherKeys,
    /// A file among plain names that has not the suffix of encrypted files.
    #[error("the name has not the suffix of encrypted files")]
    NoSuffix,
}
