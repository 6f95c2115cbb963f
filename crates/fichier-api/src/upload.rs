//! Uploads: a slot on a node, one request with up to 500 files, and the answer which of them were
//! stored.
//!
//! An upload has three steps (docs/api-notes.md, C): `slot` asks for a node and an id, `send`
//! streams the files there, `result` asks what was stored, and `matched` compares that with what
//! was sent. The body is read in one thread (`reader`), between the texts of a form (`form`), and
//! hashed in another (`hasher`); nothing can be resumed.
//!
//! Used by no folder but `untrusted`. Uses `client`, `transport`, `pace`, `wire`, the values, and
//! of `calls` the removal of files that a node stored for no account.

mod file;
mod form;
mod hasher;
mod matched;
pub(crate) mod node_reply;
mod reader;
pub(crate) mod result;
mod send;
mod slot;
mod source;

pub use file::{SentFile, UploadFile};
pub use matched::{Matched, match_uploaded};
pub use result::{UploadResult, UploadedFile};
pub use send::{MAX_FILE_BYTES, MAX_FILES_PER_UPLOAD, MAX_UPLOAD_BYTES, SendError, Sent};
pub(crate) use slot::Node;
pub use slot::UploadSlot;
pub use source::{FileMark, Source};
