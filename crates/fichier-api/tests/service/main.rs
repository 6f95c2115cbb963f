//! The client against the emulated service, over real sockets on loopback.
//!
//! The emulator enforces the published limits on a clock that runs [`world::SCALE`] times faster,
//! and was written from docs/api-notes.md alone: where the two disagree, one of them misread it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail this way")]

mod account;
mod addresses;
mod clock;
mod downloads;
mod downloads_at_once;
mod failures;
mod family;
mod files;
mod folders;
mod other_calls;
mod pace;
mod speed;
mod tls;
mod uploads;
mod uploads_gone_wrong;
mod whole_folder;
mod world;
