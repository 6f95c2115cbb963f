//! Downloads: a single-use address, then the bytes, checked against size and hash.
//!
//! `token` asks for an address, `fetch` receives from it and resumes after a broken connection,
//! `start` takes no more than the first bytes, `reply` tells data from error pages, and `content` hashes and writes what has arrived.
//!
//! Used by no folder but `untrusted`. Uses `client`, `transport`, `pace`, `wire` and the values.

mod content;
mod fetch;
mod reply;
mod start;
mod token;

pub use content::Downloaded;
pub use token::DownloadUrl;
pub(crate) use token::TokenReply;
