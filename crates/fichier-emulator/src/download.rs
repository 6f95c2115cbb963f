//! The download servers: the bytes of a file for a token (docs/api-notes.md, section D).
//!
//! May use `reply` and what is below it, not the other servers. `net` uses it.

pub(crate) mod send;
pub(crate) mod serve;
