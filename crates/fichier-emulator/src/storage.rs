//! The place that the bytes of uploaded files go to.
//!
//! It is memory for tests; a folder, with an index as JSON beside them, for an emulator that
//! survives a restart; or none, when only hash and size matter. With the last two, memory use does
//! not grow with an upload.
//!
//! A [`Sink`] hashes while it writes, so that a file is read once. Every folder from `world` up may
//! use this; it uses none.

mod content;
mod place;
mod reader;
mod sink;

pub(crate) use content::{Content, Stored};
pub use place::Storage;
pub use reader::ContentReader;
pub(crate) use sink::Sink;
