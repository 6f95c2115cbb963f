//! Moments: the seconds in which the records changed, by which "as it was then" is told.
//!
//! Rows of the history name moments by number. A moment is made by the first change in a
//! second; all changes of one second count as made at once. Times never decrease with the
//! numbers: while the clock is behind an earlier time of its own, moments get the latest time that
//! was seen, and [`Writing::believe_clock`] corrects them once the clock is known to be right.

use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};

use super::transaction::{Records, Writing};
use crate::base::Result;

/// A point in the history of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Records {
    /// The newest moment: the records as they are.
    pub fn newest_moment(&self) -> Result<Moment> {
        let mut select = self.db.prepare_cached("SELECT max(id) FROM moments")?;
        Ok(select.query_row([], |row| row.get(0).map(Moment))?)
    }

    /// The moment that was the newest at a time (Unix seconds); `None` before all of them.
    pub fn moment_at(&self, at_s: i64) -> Result<Option<Moment>> {
        // Times never decrease: the last one by time is the last one by number.
        let mut select = self.db.prepare_cached(
            "SELECT id FROM moments WHERE at_s <= ?1 ORDER BY at_s DESC, id DESC LIMIT 1",
        )?;
        Ok(select.query_row([at_s], |row| row.get(0).map(Moment)).optional()?)
    }

    /// The time of a moment (Unix seconds); `None` if there is no such moment.
    pub fn time_of(&self, moment: Moment) -> Result<Option<i64>> {
        let mut select = self.db.prepare_cached("SELECT at_s FROM moments WHERE id = ?1")?;
        Ok(select.query_row([moment.0], |row| row.get(0)).optional()?)
    }
}

impl Writing<'_> {
    /// Makes the moment that changes of this transaction belong to, unless it is there.
    pub(crate) fn mark_moment(&mut self) -> Result<()> {
        if self.has_moment {
            return Ok(());
        }
        self.db
            .prepare_cached(
                "INSERT INTO moments (at_s, clock_s)
                SELECT max(at_s, ?1), ?1 FROM
                    (SELECT at_s, clock_s FROM moments ORDER BY id DESC LIMIT 1)
                WHERE clock_s <> ?1",
            )?
            .execute([self.now_s()])?;
        self.has_moment = true;
        Ok(())
    }

    /// The time of the newest moment (Unix seconds), at which a row that ends now ends: never
    /// before one that ended earlier.
    pub(crate) fn moment_s(&mut self) -> Result<i64> {
        self.mark_moment()?;
        let newest = self.newest_moment()?;
        Ok(self.time_of(newest)?.unwrap_or_default())
    }

    /// Believes the clock: moments with a later time were written while it was wrong, and get the
    /// time of now. Returns how many they were.
    pub fn believe_clock(&mut self) -> Result<usize> {
        let now_s = self.now_s();
        let corrected = self
            .db
            .prepare_cached("UPDATE moments SET at_s = ?1 WHERE at_s > ?1")?
            .execute([now_s])?;
        if corrected > 0 {
            self.db
                .prepare_cached(
                    "UPDATE versions SET current_until_s = ?1 WHERE current_until_s > ?1",
                )?
                .execute([now_s])?;
        }
        Ok(corrected)
    }
}
