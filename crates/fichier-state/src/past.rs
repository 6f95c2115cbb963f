//! The tree of a mirror as it was: at a moment, one path over time, and how far back it is known.
//!
//! Triggers fill the tables `past_entries` and `past_folders`; nothing here writes rows to them,
//! and [`Writing::forget_past`](crate::Writing::forget_past) removes old ones.
//!
//! No other folder needs this. It uses `base` and `store`.

mod horizon;
mod path_versions;
mod tree;

pub use path_versions::PathVersion;
pub use tree::{PastContent, PastEntry, PastFolder, StoredCopy};
