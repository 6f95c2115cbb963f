//! How the work of a mirror ended: a cycle, a round of chores, and what keeps a mirror from being
//! opened.

use std::time::Duration;

use crate::config::passphrase::SecretError;
use crate::disk::FilterError;
use crate::mirror::cycle::CycleOutcome;
use crate::mirror::trouble::Trouble;
use crate::remote::CycleReport;
use crate::status::Completeness;

/// How a cycle ended.
#[derive(Debug)]
pub struct CycleEnd {
    /// The counts of what was done.
    pub report: CycleReport,
    /// What is held, put off and left out.
    pub outcome: CycleOutcome,
    /// Why the cycle stopped early; `None` if it did not.
    pub trouble: Option<Trouble>,
    /// Whether the whole mirror was looked at, not single paths.
    pub everything: bool,
    /// Whether additions were left out, so that the next cycle has to follow at once.
    pub more: bool,
    /// Whether the mirror is complete now.
    pub completeness: Completeness,
    /// How long the cycle took.
    pub took: Duration,
}

/// How a round of chores ended.
#[derive(Debug)]
pub struct ChoresEnd {
    /// Why the round stopped early; `None` if it did not.
    pub trouble: Option<Trouble>,
    /// How long it is until a chore is due again.
    pub next: Duration,
}

impl CycleEnd {
    /// Whether some files were left out, or sent without certainty, because they are being written.
    pub fn has_restless(&self) -> bool {
        !self.outcome.unsettled.is_empty() || !self.report.restless.is_empty()
    }
}

/// Why a mirror could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An exclude pattern cannot be read.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The state file cannot be read or written.
    #[error("cannot use the state file")]
    State(#[from] fichier_state::Error),
    /// The password of an encrypted mirror cannot be read.
    #[error("the password of `{mirror}` cannot be read")]
    Password {
        /// The name of the mirror.
        mirror: String,
        /// Why not.
        #[source]
        source: SecretError,
    },
    /// The system gives no random numbers, which encryption needs.
    #[error("the system gives no random numbers: {0}")]
    NoRandom(getrandom::Error),
}
