//! What a mirror does between its cycles, so that it stays a backup.
//!
//! A chore looks into the state whether it is due, which costs no call; only then does it run,
//! and does a bounded part of its work, so that changes on disk get their turn in between. What
//! is left is due again at once. Chores run only after a cycle that left nothing undone.

use std::time::Duration;

use crate::remote::Remote;
use crate::remote::error::RemoteError;
use crate::upkeep::Situation;
use crate::upkeep::audit;
use crate::upkeep::canary;
use crate::upkeep::expiry;
use crate::upkeep::old_claims;
use crate::upkeep::quota;
use crate::upkeep::snapshot;

/// The longest that nobody looks whether something is due.
pub const LOOK_AGAIN: Duration = Duration::from_secs(15 * 60);

/// The chores, in the order in which they are done.
pub(crate) const CHORES: [Chore; 6] =
    [Chore::Snapshot, Chore::Expiry, Chore::Audit, Chore::Account, Chore::Canary, Chore::Claims];

/// One kind of work between cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    /// A copy of the records for the service: first, since it is what a restore begins with.
    Snapshot,
    /// Versions, and trees of the past, whose time is over.
    Expiry,
    /// Listings are compared with the records.
    Audit,
    /// The account is read.
    Account,
    /// A tiny file is downloaded.
    Canary,
    /// What earlier starts have left at the service is tidied away.
    Claims,
}

impl Chore {
    /// How long until it is due; zero for now, `None` for never as things are.
    pub(crate) fn due_in(self, at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
        match self {
            Chore::Snapshot => snapshot::due_in(at),
            Chore::Expiry => expiry::due_in(at),
            Chore::Audit => audit::due_in(at),
            Chore::Account => quota::due_in(at),
            Chore::Canary => canary::due_in(at),
            Chore::Claims => old_claims::due_in(at),
        }
    }

    /// Does a part of the work that is due.
    pub(crate) async fn run(self, remote: &Remote, at: Situation<'_>) -> Result<(), RemoteError> {
        match self {
            Chore::Snapshot => remote.snapshot(at).await,
            Chore::Expiry => remote.expire(at).await,
            Chore::Audit => remote.audit(at).await,
            Chore::Account => remote.read_account().await,
            Chore::Canary => remote.ask_canary(at).await,
            Chore::Claims => remote.tidy_claims().await,
        }
    }
}
