//! The program dies at each step of its work, is started again, and ends as if it had never died.
//!
//! The real binary, which tests build with the feature `failpoints`, kills itself at a point of its code
//! (`fichier_state::failpoint`), or is killed while the emulated service holds back its reply. The
//! emulator keeps the limits; after the second start disk and account have to be equal, with
//! nothing left in staging, nothing twice, no old content lost (T3), no path without content in
//! between (T4), and no byte sent more often than the step allows.
//!
//! ```text
//! cargo test -p fichierd --test kills
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

use fichier_testkit::Program;

const PROGRAM: Program = Program::at(env!("CARGO_BIN_EXE_fichierd"));

mod case;
mod change;
mod process;
mod random;
mod records;
mod scans;
mod soak;
mod steps;
mod workload;
