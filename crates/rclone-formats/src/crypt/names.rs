//! The names of encrypted files and folders.
//!
//! Each name is enciphered by itself, never a path as a whole, and the same name gives the same
//! ciphertext in every folder. [`Names`] is the way in; [`standard`] is about the form of names
//! that rclone enciphers, which is not quite the one on disk.
//!
//! Used by `conf`; uses only the keys.

mod base32768;
mod eme;
mod encoding;
mod error;
mod length;
mod scheme;
mod stamp;
pub mod standard;

pub(crate) use eme::WideCipher;
pub use encoding::Encoding;
pub use error::NameError;
pub use length::Length;
pub use scheme::{Caveat, Kind, NameScheme, Names, StoredName};
