//! The upload nodes: `upload.cgi` takes files, `end.pl` tells what became of them
//! (docs/api-notes.md, section C).
//!
//! May use `reply` and what is below it, not the other servers. `net` uses it.

pub(crate) mod multipart;
pub(crate) mod receive;
pub(crate) mod results;
pub(crate) mod upload;
