//! The watched folders: looked at, listened to, read, and never written (I5).
//!
//! May be used by `plan` and what stands above it; uses `base` and `config`. Names neither the
//! client of the service nor the state: what is found here is a value, compared elsewhere.

pub(crate) mod at;
pub mod dirty;
pub mod disks;
pub mod filter;
pub mod hash;
pub mod holes;
pub mod mounts;
pub mod root;
pub mod scan;
pub mod seen;
pub mod watch;
