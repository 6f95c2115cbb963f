//! The work of a mirror between its cycles, so that it stays a backup.
//!
//! A chore reads from the state whether it is due, which costs no call; only then does it run, and
//! it does a bounded part of its work, so that changes on disk get their turn in between. The
//! remaining work is due again at once. Chores run only after a cycle that left nothing undone.

use std::time::Duration;

use crate::remote::{Remote, RemoteError};
use crate::upkeep::{
    Ahead, Situation, audit, canary, expiry, old_claims, quota, snapshot, unproved,
};

/// The longest time between two looks at whether a chore is due.
pub const LOOK_AGAIN: Duration = Duration::from_secs(15 * 60);

/// The chores, in the order in which they are done.
pub(crate) const CHORES: [Chore; 7] = [
    Chore::Snapshot,
    Chore::Expiry,
    Chore::Audit,
    Chore::Unproved,
    Chore::Account,
    Chore::Canary,
    Chore::Claims,
];

/// One kind of work between cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Sends a copy of the records to the service: first, since a restore begins with it.
    Snapshot,
    /// Removes expired versions and forgets expired trees of the past.
    Expiry,
    /// Compares listings with the records.
    Audit,
    /// Proves files by a download whose hashes are not told.
    Unproved,
    /// Reads the account.
    Account,
    /// Downloads a tiny file, to learn whether downloads work.
    Canary,
    /// Tidies away the claims of earlier starts.
    Claims,
}

/// The calls that a `sync` makes for its chores, after a cycle that does what lies `ahead`; those
/// for old claims come on top ([`old_claims::calls_expected`]).
pub(crate) fn calls_expected(at: Situation<'_>, ahead: Ahead) -> Result<u64, RemoteError> {
    let sends_snapshot = snapshot::calls_expected(at, ahead)?;
    let is_due = |chore: Chore| Ok::<_, RemoteError>(chore.due_in(at)? == Some(Duration::ZERO));
    let account = u64::from(is_due(Chore::Account)?);
    let proofs = audit::calls_expected(at)? + unproved::calls_expected(at)?;
    let others = sends_snapshot + proofs + account;
    let is_idle = !ahead.has_calls && others == 0;
    if ahead.is_first || is_idle && canary::can_wait(at)? {
        return Ok(others);
    }
    Ok(others + canary::calls_expected(at, sends_snapshot > 0)?)
}

impl Chore {
    /// How long until the chore is due; zero for now, `None` if the state as it is will not make it
    /// due.
    pub(crate) fn due_in(self, at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
        match self {
            Chore::Snapshot => snapshot::due_in(at),
            Chore::Expiry => expiry::due_in(at),
            Chore::Audit => audit::due_in(at),
            Chore::Unproved => unproved::due_in(at),
            Chore::Account => quota::due_in(at),
            Chore::Canary => canary::due_in(at),
            Chore::Claims => old_claims::due_in(at),
        }
    }

    /// Whether the work that is due makes a call.
    pub(crate) fn needs_service(self, at: Situation<'_>) -> Result<bool, RemoteError> {
        match self {
            Chore::Expiry => expiry::is_anything_over(at),
            Chore::Snapshot
            | Chore::Audit
            | Chore::Unproved
            | Chore::Account
            | Chore::Canary
            | Chore::Claims => Ok(true),
        }
    }

    /// Does a bounded part of the work that is due.
    pub(crate) async fn run(self, remote: &Remote, at: Situation<'_>) -> Result<(), RemoteError> {
        match self {
            Chore::Snapshot => remote.snapshot(at).await,
            Chore::Expiry => remote.expire(at).await,
            Chore::Audit => remote.audit(at).await,
            Chore::Unproved => remote.prove_unconfirmed().await,
            Chore::Account => remote.read_account().await,
            Chore::Canary => remote.ask_canary(at).await,
            Chore::Claims => remote.tidy_claims().await,
        }
    }
}
