//! Where the bytes of uploaded files go.
//!
//! In memory for tests; in a folder, with an index as JSON beside them, for an emulator that
//! survives a restart; or nowhere, when only hash and size matter. The memory used by an upload
//! does not grow with it in the last two.
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
