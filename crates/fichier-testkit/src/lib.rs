//! Shared parts of the test programs in `tests/` and of the benchmarks.
//!
//! There are two stages. A [`Bench`] holds one mirror without its daemon, in the process of the
//! test: the test says when a cycle runs and what it looks at. A [`Machine`] runs the program
//! itself, as its user does. Both have a folder of their own and an emulated 1fichier that keeps
//! the limits and records each request.
//!
//! | module | contents |
//! |---|---|
//! | [`bench`](mod@bench) | the mirror that is driven cycle by cycle |
//! | [`machine`], [`service`], [`program`], [`unit`](mod@unit) | the program, its configuration, its process, its environment |
//! | [`tree`], [`exact`] | the files on disk and in the account, in forms that can be compared |
//! | [`crypt`] | the switch by which whole suites run with an encrypted mirror |
//! | [`witness`] | rclone, which compares both once more |
//! | [`loopback`] | the guard: no test reaches another machine |
//! | [`entries`] | everything that reads from outside, for hostile bytes and for fuzzing |
//! | [`habits`] | what the service may do besides the documented, for the model and the simulation |
//! | [`endpoints`], [`random`], [`setting`] | the requests that faults hit, numbers from a seed, numbers from the environment |
//!
//! Functions here panic instead of returning an error, as that is how a test fails. No other
//! crate depends on this one except to be tested.

pub mod bench;
pub mod crypt;
pub mod endpoints;
pub mod entries;
pub mod exact;
pub mod habits;
pub mod loopback;
pub mod machine;
pub mod program;
pub mod random;
pub mod receiver;
pub mod service;
pub mod setting;
pub mod tree;
pub mod unit;
pub mod witness;

pub use bench::{Bench, TARGET};
pub use machine::{Machine, target, until, write};
pub use program::{Program, User};
pub use service::Service;
