//! The download servers: the bytes of a file for a token (docs/api-notes.md, section D).
//!
//! May use `reply` and all below it, not the other servers. `net` uses this.

mod peer;
mod send;
mod serve;

pub(crate) use peer::Peer;
pub(crate) use serve::serve;
