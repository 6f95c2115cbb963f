//! One mirror, cycle by cycle, against the emulator with its limits in force.
//!
//! What every operation on disk costs in calls, that nothing but what is meant happens on the
//! service, and that no fault of the service, the network or the process leaves a trace.

#![allow(missing_docs, unreachable_pub, reason = "tests are their own documentation")]
#![allow(clippy::disallowed_methods, reason = "here the folder is ours to change")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]
#![allow(clippy::print_stderr, reason = "it says what a failing test was doing")]

mod adopt;
mod audit;
mod calls;
mod drift;
mod drill;
mod exchanged;
mod expiry;
mod faults;
mod fence;
mod habits;
mod hostile;
mod lies;
mod lost;
mod names_taken;
mod past;
mod proofs;
mod reach;
mod recover;
mod recovering;
mod regressions;
mod removals;
mod restless;
mod restore;
mod snapshots;
mod staged;
mod traits;
mod trials;
mod wire;
