//! How far back the trees of a mirror are known, and removing older ones.

use rusqlite::params;

use crate::base::{MirrorId, Result};
use crate::store::{Moment, Records, Writing};

impl Records {
    /// The first moment whose tree is known: nothing before it can be restored.
    pub fn history_from(&self, mirror: MirrorId) -> Result<Moment> {
        let mut select =
            self.db.prepare_cached("SELECT history_from FROM mirrors WHERE id = ?1")?;
        Ok(select.query_row([mirror], |row| row.get(0).map(Moment))?)
    }

    /// Whether rows are kept that belong only to moments before a time (Unix seconds):
    /// [`Writing::forget_past`] would remove them.
    pub fn has_past_before(&self, mirror: MirrorId, at_s: i64) -> Result<bool> {
        let Some(horizon) = self.moment_at(at_s)? else { return Ok(false) };
        let mut select = self.db.prepare_cached(
            "SELECT 1 FROM past_entries WHERE mirror_id = ?1 AND last <= ?2
            UNION ALL SELECT 1 FROM past_folders WHERE mirror_id = ?1 AND last <= ?2",
        )?;
        Ok(select.exists(params![mirror, horizon.0])?)
    }
}

impl Writing<'_> {
    /// Forgets the trees of a mirror before the time `at_s` (Unix seconds): rows that ended
    /// earlier can belong to no later moment. Returns how many rows were removed.
    pub fn forget_past(&mut self, mirror: MirrorId, at_s: i64) -> Result<usize> {
        let Some(horizon) = self.moment_at(at_s)? else { return Ok(0) };
        let mut gone = 0;
        for delete in [
            "DELETE FROM past_entries WHERE mirror_id = ?1 AND last <= ?2",
            "DELETE FROM past_folders WHERE mirror_id = ?1 AND last <= ?2",
        ] {
            gone += self.db.prepare_cached(delete)?.execute(params![mirror, horizon.0])?;
        }
        self.db
            .prepare_cached(
                "UPDATE mirrors SET history_from = max(history_from, ?2) WHERE id = ?1",
            )?
            .execute(params![mirror, horizon.0])?;
        Ok(gone)
    }
}
