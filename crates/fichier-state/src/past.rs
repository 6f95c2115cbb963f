//! The tree of a mirror as it was.

mod horizon;
mod path_versions;
mod tree;

pub use path_versions::PathVersion;
pub use tree::{PastContent, PastEntry, PastFolder, StoredCopy};
