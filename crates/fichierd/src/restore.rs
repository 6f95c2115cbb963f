//! Puts a mirror, as it was at a moment, back on a disk.
//!
//! ```text
//! state ──► Plan: folders, links, contents ──► Restore ──► Report
//!           plan, select                       │   ├─► service: fetch, sink (paced, resumed, compared)
//!                                              │   │   decipher, beginning (if stored enciphered)
//!                                              │   └─► disk: dest, metadata, holes (never outside)
//! ```
//!
//! The state is only read, so that a restore runs beside the service. What is on the disk already
//! with the right content is left alone: that is also how a stopped restore goes on.
//!
//! May be used by `daemon` and `cli`; uses what stands below it. Writes to the state only through
//! [`proof`] and [`recovery`], and to a disk only through `dest`.

pub mod drill;
pub mod proof;
pub mod recovery;
pub mod tree;
pub mod verify;

mod acl;
mod awaited;
mod beginning;
mod compare;
mod decipher;
mod dest;
mod disk;
mod fetch;
mod keyring;
mod metadata;
mod owners;
mod plan;
mod report;
mod run;
mod select;
mod sink;

pub use crate::disk::holes::{holes_of, is_sparse, punch_holes};
pub(crate) use compare::is_content;
pub(crate) use decipher::{Decipher, PlainHash, explained};
pub use dest::{Dest, DestEntry, InTheWay, Obstacle, Part, STAGING_NAME, make_top};
pub use keyring::{Keyring, LOCKED, Locked, Reader, form_of, keyring_of};
pub use metadata::{MetadataSetter, Missed, Subject, Unset};
pub use owners::Owners;
pub use plan::{Content, ContentId, DestPlace, KeptCopy, Plan, Totals};
pub use report::{Problem, Progress, Report};
pub use run::{Options, Outcome, Overwrite, Restore, RestoreError};
pub use select::Selection;

#[cfg(test)]
mod tests;

pub use self::drill::Drill;
pub use self::proof::{Broken, Proved, ProvedBy};
pub use self::recovery::{Order, RecoverError, Recovered, Source, Step, Walked};
pub use self::tree::{Difference, Node, Tree, What};
pub use self::verify::{Share, Verify, VerifyOutcome, Wrong};
