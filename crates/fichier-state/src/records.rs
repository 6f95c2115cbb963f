//! What is on record now, a file for each table.

mod audits;
mod cycles;
mod entries;
mod folders;
mod foreign;
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
pub use entries::{Content, Entry, Origin, RemoteCopy};
pub use folders::{Folder, FolderFacts, RemoteSpot};
pub use foreign::ForeignFile;
pub use intents::{Intent, Moved};
pub use lost::{GivenUp, MOST_LOST};
pub use mirrors::Mirror;
pub use owners::Owner;
pub use problems::Problem;
pub use proofs::{Proof, ProofKind};
pub use totals::{Counts, Totals};
pub use uploads::{PendingFile, PendingUpload, UploadSlotRow};
pub use versions::{NewVersion, Retired, Version};
pub use versions_folders::VersionsFolder;
