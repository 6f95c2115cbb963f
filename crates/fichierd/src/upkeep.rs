//! The work between cycles, so that copies stay a backup.
//!
//! May be used by `mirror` and what stands above it; uses `remote` and what stands below it. Each
//! chore is bounded, costs no call while nothing is due, and never touches the watched folders.

pub mod audit;
pub mod burst;
pub mod canary;
pub mod chores;
mod expiry;
pub mod former;
pub(crate) mod old_claims;
pub mod quota;
pub mod snapshot;
pub(crate) mod unproved;

pub(crate) use self::snapshot::FoundSnapshot;

use fichier_state::Mirror;

use crate::base::State;
use crate::config::MirrorConfig;

/// What a cycle is about to do, as far as the chores after it depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// Whether records change.
    pub(crate) changes: bool,
    /// Bytes of files that are sent.
    pub(crate) sent_bytes: u64,
    /// Whether it makes calls.
    pub(crate) has_calls: bool,
    /// Whether this is the first run of the mirror.
    pub(crate) is_first: bool,
}

/// The inputs from which a chore tells when it is due.
#[derive(Clone, Copy)]
pub(crate) struct Situation<'a> {
    /// The state file, and the clock.
    pub(crate) state: &'a State,
    /// The mirror's row.
    pub(crate) mirror: &'a Mirror,
    /// The mirror's configuration.
    pub(crate) config: &'a MirrorConfig,
}
