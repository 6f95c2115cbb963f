//! The program dies at each step of its work, is started again, and ends as if nothing had been.
//!
//! The real binary, built with the feature `failpoints`, kills itself at a point of its code
//! (`fichier_state::failpoint`), or is killed while the emulated service holds back its reply. The
//! emulator keeps the limits; after the second start disk and account have to be equal, with
//! nothing left in staging, nothing twice, no old content lost (T3), no path without content in
//! between (T4), and no byte sent more often than the step allows.
//!
//! ```text
//! cargo test -p fichierd --features failpoints --test kills
//! ```
//!
//! A case whose point is never reached fails.

#![allow(missing_docs, unreachable_pub, reason = "tests are their own documentation")]
#![allow(clippy::disallowed_methods, reason = "here the folders are ours to change")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test ends at the first thing that goes wrong, and says so"
)]

mod case;
mod change;
#[path = "../e2e/command.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod command;
mod process;
mod random;
mod records;
mod scans;
#[path = "../e2e/service.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod service;
mod soak;
mod steps;
#[path = "../e2e/tree.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod tree;
#[path = "../storage/unit.rs"]
mod unit;
#[path = "../e2e/witness.rs"]
mod witness;
mod workload;
#[path = "../e2e/world.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod world;
