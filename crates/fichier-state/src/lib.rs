//! What fichierd remembers between runs: one SQLite file, `state.db`, in the state folder.
//!
//! * [`Store`] opens, checks and closes the file; one process at a time may write.
//! * [`Records`] are the look-ups. A [`Store`] has them all, and so has a [`Writing`], which
//!   sees what it has written so far.
//! * [`Writing`] is one transaction: [`Store::write`] runs a closure and keeps all of what it
//!   did, on disk, or nothing. A caller that is about to change something at the service writes
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
//!
//! # Where things are
//!
//! Six folders. Each uses only those before it, and names them by their folder
//! (`crate::base::RelPath`), never through this root; `tests/tidy/floors.rs` holds that.
//!
//! | folder | what it is for | what uses it |
//! |---|---|---|
//! | `base` | values without a table: paths, keys, stamps, holes, the clock, the errors, and how values are kept in columns | all below |
//! | `schema` | the form of the file, and how an older one becomes the newest | `store` opens a file with it, `snapshots` a copy |
//! | `store` | the file: locked, opened, checked, written in transactions, closed; the moments that a transaction belongs to | all below |
//! | `records` | the tables of today: mirrors, folders, entries, versions, and work that was begun | `snapshots`, for the mirror that it lays into a state |
//! | `past` | the tree of a mirror as it was: at a moment, and of one path over time | nothing in this crate |
//! | `snapshots` | copies of one mirror's records: made, compared, examined, laid into another state | nothing in this crate |
//!
//! Other crates take everything from this root. A new table is a migration in `migrations/`, a file
//! in `records`, and a row in `snapshots/tables.rs` if a copy needs it.

// A type that is not re-exported here could be used and not named.
#![warn(unnameable_types)]

mod base;
mod past;
mod records;
mod schema;
mod snapshots;
mod store;

#[doc(hidden)]
pub use base::failpoint;
pub use base::{
    BadHoles, BadPath, Cipher, Clock, Error, FolderKey, Holes, IntentId, KeysId, Metadata,
    MirrorId, RelPath, Result, SnapshotId, Stamp, UploadKey, VersionId, Xattrs, object_bytes,
};
pub use past::{PastContent, PastEntry, PastFolder, PathVersion, StoredCopy};
pub use records::{
    Content, Counts, Cycle, Entry, Folder, FolderFacts, ForeignFile, FormerFiles, FormerVersions,
    GivenUp, Intent, MOST_LOST, Mirror, Moved, NOT_CONFIRMED, NewProblem, NewVersion, NotConfirmed,
    Origin, Owner, PendingFile, PendingUpload, Problem, Proof, ProofKind, RemoteCopy, RemoteSpot,
    Retired, Totals, UploadSlotRow, Version, VersionsFolder,
};
pub use snapshots::{
    SnapshotFacts, SnapshotRow, difference, digest, examine, extract, facts_of, form_in, lay_over,
};
pub use store::{Moment, Place, Records, Store, Writing};
