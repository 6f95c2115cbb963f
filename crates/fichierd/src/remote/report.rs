//! Counts of what one cycle did, for the journal, `sync`, `status` and the history.

use std::collections::BTreeSet;

use fichier_state::{MirrorId, RelPath, Stamp};

/// A recorded name of a changed file that has several (hard links).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The mirror that has the name.
    pub mirror: MirrorId,
    /// The name.
    pub path: RelPath,
    /// The file as it is now, whatever its name.
    pub stamp: Stamp,
}

/// Counts of one cycle of one mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Entries compared with their records.
    pub looked_at: u64,
    /// Files sent, verified and published.
    pub uploaded_files: u64,
    /// Bytes of these files.
    pub uploaded_bytes: u64,
    /// Files that were on the service before us, and were taken on record.
    pub adopted: u64,
    /// Files that got a new path without sending a byte.
    pub relocated: u64,
    /// Folders that got a new path.
    pub moved_folders: u64,
    /// Files copied on the service.
    pub copied: u64,
    /// Replaced and deleted files that were moved to the versions (or removed, with `keep = "0"`).
    pub retired: u64,
    /// Removals that wait for `approve`.
    pub held_removals: u64,
    /// Paths that could not be mirrored this time.
    pub problems: u64,
    /// Files that are left for the next cycle, because something small was due or the service
    /// stops.
    pub left_for_later: u64,
    /// Uploads whose outcome is not known yet; the next cycle asks again.
    pub uploads_pending: u64,
    /// The error for which uploads were given up, when no single file can be at fault.
    pub uploads_refused: Option<String>,
    /// Files that changed while they were read.
    pub restless: BTreeSet<RelPath>,
    /// Names in other mirrors of files that have changed under a name of this one.
    pub linked: Vec<Linked>,
    /// Requests sent to the service by this process meanwhile.
    pub calls: u64,
}

impl CycleReport {
    /// Whether the service was changed.
    pub fn changed_something(&self) -> bool {
        self.uploaded_files
            + self.adopted
            + self.relocated
            + self.moved_folders
            + self.copied
            + self.retired
            > 0
    }
}
