//! The bytes of a file once they are stored.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The bytes of one stored file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Content {
    /// The bytes themselves, in memory.
    #[serde(skip)]
    Memory(Bytes),
    /// The name of a file in the folder of contents.
    Disk(String),
    /// The bytes were not kept.
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
    /// The hash in lower-case hex.
    pub(crate) whirlpool: String,
}
