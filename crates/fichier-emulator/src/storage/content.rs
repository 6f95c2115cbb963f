//! The bytes of a file once they are stored.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The bytes of one stored file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Content {
    /// In memory.
    #[serde(skip)]
    Memory(Bytes),
    /// A file of this name among the contents.
    Disk(String),
    /// Not kept.
    Absent,
}

impl Content {
    pub(crate) fn is_same(&self, other: &Content) -> bool {
        matches!((self, other), (Content::Disk(a), Content::Disk(b)) if a == b)
    }
}

/// Bytes that have arrived, with their hash.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) content: Content,
    pub(crate) size: u64,
    /// Lower-case hex.
    pub(crate) whirlpool: String,
}
