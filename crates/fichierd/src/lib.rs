//! The daemon: watched folders are mirrored to 1fichier.
//!
//! # The map
//!
//! Eleven folders in one line. Each uses only those below it in this table; `tests/tidy` holds that.
//!
//! | folder | what is in it |
//! |---|---|
//! | [`cli`] | what can be typed, one file a command |
//! | [`daemon`] | the service: one loop, its control socket, its health |
//! | [`restore`] | the way back: files to a disk, records to a new machine, and the proofs that it works |
//! | [`mirror`] | one mirror: its cycle, and what its errors mean |
//! | [`upkeep`] | the work between cycles, so that copies stay a backup |
//! | [`remote`] | the target on 1fichier, and the only hand that changes it: intent, call, record |
//! | [`plan`] | from disk and records to a plan; makes no call |
//! | [`disk`] | the watched folders: looked at, listened to, read, never written |
//! | [`status`] | the words for people: the types of `status --json`, the closed list of degraded states |
//! | [`config`] | what was asked for, and the way to the account |
//! | [`base`] | the small parts that know no mirror |
//!
//! # The pipeline
//!
//! ```text
//!        disk::watch ──► disk::dirty ◄── start, timed rescan, overflow, failed step, problem due
//!                            │ settle: quiet for a while, at most a while
//!                            ▼           one cycle: mirror::cycle
//!  disk ───► disk::scan ─┐
//!  state ──► records ────┴► plan::survey ──► plan::diff ──► plan::gather ──► plan::decide ──► Plan
//!                                              pure          reads contents    pure            │
//!                                                                         `--dry-run` ends ◄───┤
//!                            state, step by step ◄─┐                                           ▼
//!                            the service, paced  ◄─┴──────────── remote::execute ◄── plan::guard
//!                                                                     ▲
//!                         remote::finish: what a crash left begun ────┘ every cycle begins with it
//! ```
//!
//! Events are hints and the disk is the truth: a start, an overflow, a failed step and `--dry-run`
//! are the same pipeline with other input, or without its last part. Between cycles `upkeep` does
//! what is due; `daemon` gives all mirrors their turns.
//!
//! Where something new goes: "How to add …" in docs/architecture.md.

pub mod base;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod disk;
pub mod mirror;
pub mod plan;
pub mod remote;
pub mod restore;
pub mod status;
pub mod upkeep;
