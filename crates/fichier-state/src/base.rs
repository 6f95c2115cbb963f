//! Values that have no table of their own: paths, keys of rows, stamps, holes, the clock.
//!
//! Also here: the errors of the whole crate, how values are kept in columns, and the points at
//! which a test ends the process.
//!
//! Every folder may use this one. It uses none of them, and knows neither the file nor a table.

mod cipher;
mod clock;
pub(crate) mod columns;
mod error;
pub mod failpoint;
mod holes;
mod ids;
mod rel_path;

pub use cipher::{Cipher, KeysId, object_bytes};
pub use clock::Clock;
pub(crate) use columns::BadValue;
pub use columns::{Metadata, Stamp, Xattrs};
pub(crate) use error::found;
pub use error::{Error, Result};
pub use holes::{BadHoles, Holes};
pub use ids::{FolderKey, IntentId, MirrorId, SnapshotId, UploadKey, VersionId};
pub use rel_path::{BadPath, RelPath};
