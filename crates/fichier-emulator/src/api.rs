//! The API: one front end for all calls, and a file for each group of endpoints
//! (docs/api-notes.md, section B).
//!
//! May use `reply` and what is below it, not the other servers. `net` uses it.

pub(crate) mod account_info;
pub(crate) mod attributes;
pub(crate) mod folders;
pub(crate) mod listings;
pub(crate) mod other;
pub(crate) mod placing;
pub(crate) mod serve;
pub(crate) mod tokens;
