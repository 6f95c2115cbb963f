//! The daemon: watched folders are mirrored to 1fichier.

pub mod dirty;
pub mod watch;
