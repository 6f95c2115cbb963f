//! The upload nodes: `upload.cgi` takes files, `end.pl` tells what became of them
//! (docs/api-notes.md, section C).
//!
//! May use `reply` and all below it, not the other servers. `net` uses this.

mod multipart;
mod query;
mod receive;
mod results;
mod serve;
mod upload;

pub(crate) use receive::Arriving;
pub(crate) use serve::serve;
