//! The tables of today: a file for each, with its rows, its look-ups and its changes.
//!
//! | what | files |
//! |---|---|
//! | the mirrors, and the installation that they are in | `mirrors`, `notes`, `owners` |
//! | the tree of a mirror, and where the service has it | `folders`, `entries`, `tree`, `totals` |
//! | the remote side of it | `remote_folders`, `foreign` |
//! | work at the service that was begun (I3) | `intents`, `uploads` |
//! | files that are no longer current and are kept | `versions`, `versions_folders`, `former` |
//! | what the guard and the audit remember | `removals`, `audits`, `proofs`, `lost` |
//! | what people are told | `problems`, `cycles` |
//!
//! A change of an entry or a folder marks the moment first; triggers keep the row as it was.
//!
//! `snapshots` may use this. It uses `base` and `store`.

mod audits;
mod cycles;
mod entries;
mod folders;
mod foreign;
mod former;
mod intents;
mod lost;
mod mirrors;
mod notes;
mod owners;
mod problems;
mod proofs;
mod remote_folders;
mod removals;
mod totals;
mod tree;
mod uploads;
mod versions;
mod versions_folders;

pub use cycles::Cycle;
pub use entries::{Content, Entry, NOT_CONFIRMED, Origin, RemoteCopy};
pub use folders::{Folder, FolderFacts, RemoteSpot};
pub use foreign::ForeignFile;
pub use former::{FormerFiles, FormerVersions};
pub use intents::{Intent, Moved};
pub use lost::{GivenUp, MOST_LOST};
pub use mirrors::Mirror;
pub use owners::Owner;
pub use problems::{NewProblem, Problem};
pub use proofs::{Proof, ProofKind};
pub use totals::{Counts, NotConfirmed, Totals};
pub use uploads::{PendingFile, PendingUpload, UploadSlotRow};
pub use versions::{NewVersion, Retired, Version};
pub use versions_folders::VersionsFolder;
