//! Reads `rclone.conf`.
//!
//! [`Conf::parse`] reads the text as rclone does, and [`CryptSection::read`] one section of type
//! `crypt` with its defaults. [`obscure`] and [`reveal`] are for the passwords in it. What is not
//! understood is refused: a wrong guess would be ciphertext that nobody can read.
//!
//! Uses `crypt`; used by nothing of this crate.

mod crypt_section;
mod ini;
mod obscured;

pub use crypt_section::{CryptSection, SectionError};
pub use ini::{Conf, ConfError, Section};
pub use obscured::{RevealError, obscure, reveal};
