//! The daemon: watched folders are mirrored to 1fichier.

pub mod filter;
pub mod guard;
pub mod hash;
pub mod scan;
