//! One mirror, cycle by cycle, against the emulator with its limits in force.
//!
//! They show what every operation on disk costs in calls, that nothing happens on the service but
//! what is meant, and that no fault of the service, the network or the process leaves a trace. The
//! ordinary cycle is tested here, the rest in folders.

#![allow(missing_docs, unreachable_pub, reason = "tests are their own documentation")]
#![allow(clippy::disallowed_methods, reason = "here the folder is ours to change")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]
#![allow(clippy::print_stderr, reason = "it says what a failing test was doing")]

mod adopt;
mod calls;
mod changed;
mod come_back;
mod complete;
mod encrypted;
mod faults;
mod former;
mod habits;
mod one_cycle;
mod one_shot;
mod receivers;
mod recognised;
mod recovery;
mod regressions;
mod removals;
mod restless;
mod restore;
mod upkeep;
