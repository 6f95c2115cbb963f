//! The client against the emulated service, over real sockets on loopback.
//!
//! The emulator enforces the published limits on a clock that runs [`world::SCALE`] times faster,
//! and was written from docs/api-notes.md alone: where the two disagree, one of them misread it.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which report by failing")]

mod downloads;
mod failures;
mod files;
mod folders;
mod other_calls;
mod tls;
mod uploads;
mod uploads_gone_wrong;
mod world;
