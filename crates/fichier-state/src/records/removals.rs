//! The memory of the guard (I6): how much was removed lately, and how much more was approved.

use rusqlite::params;

use crate::base::{MirrorId, Result, columns, found};
use crate::store::{Records, Writing};

/// Seconds that a removal is remembered: twice the guard's 24 hours, so that a clock that jumped a
/// day loses nothing. Older rows are removed when the next is logged.
const KEPT_S: i64 = 48 * 3600;

impl Records {
    /// How many removals were logged at `since_s` (Unix seconds) or later.
    pub fn removals_since(&self, mirror: MirrorId, since_s: i64) -> Result<u64> {
        let mut select = self.db.prepare_cached(
            "SELECT ifnull(sum(count), 0) FROM removals WHERE mirror_id = ?1 AND at_s >= ?2",
        )?;
        Ok(select.query_row(params![mirror, since_s], |row| columns::read_size(row, 0))?)
    }

    /// How many removals beyond the usual measure were approved and not used yet.
    pub fn allowance(&self, mirror: MirrorId) -> Result<u64> {
        let mut select = self.db.prepare_cached("SELECT allowance FROM mirrors WHERE id = ?1")?;
        Ok(select.query_row([mirror], |row| columns::read_size(row, 0))?)
    }
}

impl Writing<'_> {
    /// Logs `count` removals at `at_s` (Unix seconds), and drops those that are more than 48 hours
    /// older.
    pub fn log_removals(&mut self, mirror: MirrorId, at_s: i64, count: u64) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM removals WHERE mirror_id = ?1 AND at_s < ?2")?
            .execute(params![mirror, at_s.saturating_sub(KEPT_S)])?;
        self.db
            .prepare_cached("INSERT INTO removals (mirror_id, at_s, count) VALUES (?1, ?2, ?3)")?
            .execute(params![mirror, at_s, clamped(count)])?;
        Ok(())
    }

    /// Approves `count` removals, in place of the number that was approved before.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`](crate::Error::Missing) if there is no such mirror.
    pub fn set_allowance(&mut self, mirror: MirrorId, count: u64) -> Result<()> {
        let rows = self
            .db
            .prepare_cached("UPDATE mirrors SET allowance = ?2 WHERE id = ?1")?
            .execute(params![mirror, clamped(count)])?;
        found(rows, "mirror")
    }

    /// Uses up `count` approved removals, or as many as are left.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`](crate::Error::Missing) if there is no such mirror.
    pub fn spend_allowance(&mut self, mirror: MirrorId, count: u64) -> Result<()> {
        let rows = self
            .db
            .prepare_cached("UPDATE mirrors SET allowance = max(allowance - ?2, 0) WHERE id = ?1")?
            .execute(params![mirror, clamped(count)])?;
        found(rows, "mirror")
    }
}

/// Far more files than there can be, and few enough that sums do not overflow.
fn clamped(count: u64) -> i64 {
    i64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
