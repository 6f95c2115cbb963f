//! The program as its user runs it: the binary, its configuration, its signals and its exit
//! codes, against an emulated 1fichier with the limits in force.
//!
//! There are few tests, each a story of its own. They wait for a condition and never for a time;
//! they assert states, calls and bytes. The output of every run is searched for the API key and for
//! links when its world ends (invariant I10).

#![allow(missing_docs, unreachable_pub, reason = "tests are their own documentation")]
#![allow(clippy::disallowed_methods, reason = "here the folders are ours to change")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test ends at the first thing that goes wrong, and says so"
)]

use fichier_testkit::Program;

const PROGRAM: Program = Program::at(env!("CARGO_BIN_EXE_fichierd"));

mod alerts;
mod backlog;
mod changed;
mod check;
mod commands;
mod complete;
mod crashes;
mod degraded;
mod documented;
mod dry_runs;
mod encrypted;
mod encryption;
mod fence;
mod following;
mod lifting;
mod lost;
mod metrics;
mod names;
mod nasty;
mod races;
mod recovering;
mod refusals;
mod restoring;
mod saves;
mod signals;
mod sources;
mod telling;
mod two_services;
mod verifying;
mod way_back;
mod why;
mod words;
