//! The hashes of a file's content: the service's and our own.
//!
//! Used by everything that compares contents: `types`, `wire`, `calls`, `upload`, `download`. Uses
//! no other module of the crate.

mod digest;
mod thread;

pub use digest::{Fingerprint, InvalidDigest, Whirlpool};
pub(crate) use thread::WhirlpoolThread;
