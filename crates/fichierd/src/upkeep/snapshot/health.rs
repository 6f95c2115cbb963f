//! Tells whether the records are safe too: how old the newest snapshot is, and whether it should be
//! newer by now.

use fichier_state::{Error, Mirror, Records};

use super::due::AT_LEAST_EVERY_S;
use crate::remote::{Ledger, looked};

/// How long a snapshot may be due and not sent; after that it is a degraded state.
const PATIENCE_S: i64 = 24 * 3600;

/// The state of a mirror's snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// When the newest one at the service was made; Unix seconds.
    pub newest_s: Option<i64>,
    /// Since when there are changes that no snapshot at the service contains; Unix seconds.
    pub changed_since_s: Option<i64>,
    /// Since when a snapshot is overdue: it was due for a day and could not be sent, which is a
    /// degraded state; Unix seconds.
    pub overdue_since_s: Option<i64>,
}

/// Reads the health of the snapshots from the records; makes no call.
///
/// # Errors
///
/// The state file's.
pub fn health(records: &Records, mirror: &Mirror, now_s: i64) -> Result<Health, Error> {
    let last = records.newest_snapshot(mirror.id)?;
    let newest_s = last.as_ref().map(|last| last.made_s);
    let looked_at = Ledger::read(records, mirror.id)?.looked_at;
    let told =
        last.as_ref().map(|last| looked_at.map_or(last.moment, |(at, _)| at.max(last.moment)));
    let changed_since_s = match told {
        // Before its first cycle has ended there is nothing to record in a snapshot.
        None => looked::has_looked(records, mirror)?.then_some(mirror.created_s),
        Some(told) => records.time_of(fichier_state::Moment(told.0 + 1))?,
    };
    let due_s = changed_since_s
        .map(|changed_s| newest_s.map_or(changed_s, |s| changed_s.max(s + AT_LEAST_EVERY_S)));
    let overdue_since_s = due_s.map(|due_s| due_s + PATIENCE_S).filter(|at_s| *at_s <= now_s);
    Ok(Health { newest_s, changed_since_s, overdue_since_s })
}
