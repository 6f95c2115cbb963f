//! All that the emulated service knows, behind one lock.
//!
//! May use `rules`, `habits`, `faults`, `storage` and `base`. Replies, servers and the harness use
//! it; it knows none of them.

pub(crate) mod account;
pub(crate) mod extras;
pub(crate) mod file;
pub(crate) mod passage;
pub(crate) mod places;
pub(crate) mod requests;
pub(crate) mod shared;
pub(crate) mod state;
pub(crate) mod tokens;
pub(crate) mod traffic;
pub(crate) mod uploads;
