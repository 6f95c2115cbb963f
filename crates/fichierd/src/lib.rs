//! The daemon: watched folders are mirrored to 1fichier.

pub mod config;
pub mod key_source;
