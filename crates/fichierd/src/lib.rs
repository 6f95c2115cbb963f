//! The daemon: watched folders are mirrored to 1fichier.

pub mod cli;
pub mod config;
pub mod control;
pub mod exit;
pub mod key_source;
pub mod log;
pub mod status;
pub mod systemd;
