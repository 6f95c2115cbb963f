//! The program on unreliable ground: disks that fill up, fail, return other bytes, are slow or
//! missing, mounts that come and go, power cuts, limits of the kernel, and trees of a million
//! files.
//!
//! The ground is real: loop devices with ext4, tmpfs, and a FUSE file system that fails as told
//! (`faulty`). Each test mounts in a mount namespace of its own, so nothing is left behind however
//! it ends. If the machine does not permit that (no root, no loop devices, no /dev/fuse), a test
//! prints why it is skipped.
//!
//! Some tests are short in the ordinary run and have a long form: `FICHIERD_CUTS=100` for power
//! cuts, `FICHIERD_LARGE=1` for a folder of 100,000 entries, a tree of 1,000,000 files, and figures
//! of memory and time.

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

mod cuts;
mod faulty;
mod full;
mod ground;
mod limits;
mod mounts;
mod passing;
mod scale;
mod sources;
mod state_disk;
mod state_file;
mod storms;
