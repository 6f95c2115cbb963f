//! The API: one front end for all calls, and a file for each group of endpoints
//! (docs/api-notes.md, section B).
//!
//! May use `reply` and all below it, not the other servers. `net` uses this.

mod account_info;
mod attributes;
mod call;
mod fields;
mod folders;
mod listings;
mod other;
mod placing;
mod serve;
mod tokens;
mod upload_server;

pub(crate) use serve::serve;
