//! What every other folder uses, and what knows no table: keys, paths, columns, errors, the clock.

mod clock;
pub(crate) mod columns;
mod error;
pub mod failpoint;
mod holes;
mod ids;
mod rel_path;

pub use clock::Clock;
pub(crate) use columns::BadValue;
pub use columns::{Metadata, Stamp, Xattrs};
pub(crate) use error::found;
pub use error::{Error, Result};
pub use holes::Holes;
pub use ids::{FolderKey, IntentId, MirrorId, SnapshotId, UploadKey, VersionId};
pub use rel_path::{BadPath, RelPath};
