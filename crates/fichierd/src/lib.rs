//! The daemon: watched folders are mirrored to 1fichier.

pub mod change;
pub mod diff;
pub mod filter;
pub mod guard;
pub mod hash;
pub mod root;
pub mod scan;
pub mod survey;
pub mod dirty;
pub mod watch;
pub mod cli;
pub mod config;
pub mod control;
pub mod exit;
pub mod key_source;
pub mod log;
pub mod status;
pub mod systemd;
