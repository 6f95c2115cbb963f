//! rclone's `crypt`: contents, names and keys, as rclone itself writes and reads them.
//!
//! * [`Keys`] are made of a password and a salt, and needed for everything else.
//! * [`Encryptor`] and [`Decryptor`] are for whole files, piece by piece; [`Blocks`] and
//!   [`CipherRange`] for parts of them; [`size`] tells the sizes without reading anything.
//! * [`names`] is for the names of files and folders.
//!
//! Used by `conf`; uses nothing of this crate.

mod blocks;
mod check;
mod content_error;
mod decrypt;
mod encrypt;
mod keys;
pub mod names;
mod nonce;
mod range;
mod secretbox;
pub mod size;

pub use blocks::Blocks;
pub use content_error::ContentError;
pub use decrypt::Decryptor;
pub use encrypt::Encryptor;
pub use keys::{KeyError, Keys};
pub use nonce::Nonce;
pub use range::CipherRange;
