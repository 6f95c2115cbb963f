//! What fichierd remembers between runs: one SQLite file, `state.db`, in the state folder.
//!
//! * [`Store`] opens, checks and closes the file; one process at a time may write.
//! * [`Records`] are the look-ups. A [`Store`] has them all, and so has a [`Writing`], which
//!   sees what it has written so far.
//! * [`Writing`] is one transaction: [`Store::write`] runs a closure and keeps all of what it
//!   did, on disk, or nothing. Whoever is about to change something at the service writes
//!   the [`Intent`] first, and calls the service when `write` has returned (I3).
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! use fichier_state::{RelPath, Store};
//!
//! let mut store = Store::open(dir.path())?;
//! let photos = store.write(|state| {
//!     state.add_mirror("photos", "/srv/photos".as_ref(), "/backup/photos")
//! })?;
//! assert_eq!(store.path_of(photos.root)?, RelPath::root());
//! assert!(store.entries(photos.root)?.is_empty());
//! store.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything here blocks: a call is one or a few statements, and a `write` waits for the
//! disk once. A local path is a [`RelPath`]; a folder is known by its [`FolderKey`], so that
//! renaming one changes one row however much is in it.
//!
//! The file is an answer to "what does the service have?", never to "what is on disk?". A row
//! of a file exists only once the service has confirmed it (I1), and the tables refuse any
//! other. Losing the file costs listings and hashing, not data.

mod audits;
mod clock;
mod columns;
mod entries;
mod error;
mod extract;
#[doc(hidden)]
pub mod failpoint;
mod folders;
mod foreign;
mod history;
mod holes;
mod ids;
mod import;
mod intents;
mod lock;
mod lost;
mod mirrors;
mod moments;
mod notes;
mod owners;
mod past;
mod path_versions;
mod place;
mod problems;
mod proofs;
mod rel_path;
mod remote_folders;
mod removals;
mod schema;
mod snapshots;
mod store;
mod totals;
mod tree;
mod uploads;
mod versions;
mod versions_folders;

pub use clock::Clock;
pub use columns::{Metadata, Stamp, Xattrs};
pub use entries::{Content, Entry, Origin, RemoteCopy};
pub use error::{Error, Result};
pub use extract::{SnapshotFacts, difference, digest, examine, extract, facts_of, lay_over};
pub use folders::{Folder, FolderFacts, RemoteSpot};
pub use foreign::ForeignFile;
pub use history::Cycle;
pub use holes::Holes;
pub use ids::{FolderKey, IntentId, MirrorId, SnapshotId, UploadKey, VersionId};
pub use intents::{Intent, Moved};
pub use lost::{GivenUp, MOST_LOST};
pub use mirrors::Mirror;
pub use moments::Moment;
pub use owners::Owner;
pub use past::{PastContent, PastEntry, PastFolder, StoredCopy};
pub use path_versions::PathVersion;
pub use place::Place;
pub use problems::Problem;
pub use proofs::{Proof, ProofKind};
pub use rel_path::{BadPath, RelPath};
pub use snapshots::SnapshotRow;
pub use store::{Records, Store, Writing};
pub use totals::{Counts, Totals};
pub use uploads::{PendingFile, PendingUpload, UploadSlotRow};
pub use versions::{NewVersion, Retired, Version};
pub use versions_folders::VersionsFolder;
