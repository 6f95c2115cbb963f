//! What the running service has counted since its start: only its metrics show it.
//!
//! The counts only grow. They are no part of `status --json`, where a number that begins anew with
//! each start would be taken for one of the mirror.

use std::collections::BTreeMap;

use fichier_api::Counts;

/// The counts of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Its requests to 1fichier, and its waits.
    pub requests: Counts,
    /// Those of each mirror; a mirror that is not in it has done nothing yet.
    pub mirrors: BTreeMap<String, MirrorCounters>,
}

/// The counts of one mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MirrorCounters {
    /// Bytes of files that were handed to the network; those of a second attempt count again.
    pub sent_bytes: u64,
    /// Files sent and confirmed.
    pub sent: u64,
    /// Files that were found to be on 1fichier already, and recorded.
    pub adopted: u64,
    /// Files moved or renamed on 1fichier.
    pub moved: u64,
    /// Files copied on 1fichier.
    pub copied: u64,
    /// Replaced and deleted files that went to the versions, or were removed.
    pub retired: u64,
}
