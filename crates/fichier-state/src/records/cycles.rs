//! The cycles that ended: how much each looked at and did.

use rusqlite::{Row, params};

use crate::base::{MirrorId, Result, columns};
use crate::store::{Records, Writing};

/// Cycles of a mirror that are kept; an older one is removed when the next is added.
const KEPT: i64 = 1000;

/// One run of the pipeline for one mirror. All but the times are counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The mirror that it was for.
    pub mirror: MirrorId,
    /// When it began; Unix seconds.
    pub started_s: i64,
    /// When it ended; Unix seconds.
    pub ended_s: i64,
    /// How it ended, for people.
    pub outcome: String,
    /// Local files and folders that were looked at.
    pub looked_at: u64,
    /// Files that were sent and confirmed.
    pub uploaded_files: u64,
    /// Their sizes together.
    pub uploaded_bytes: u64,
    /// Files that were moved or renamed at the service.
    pub relocated: u64,
    /// Files that the service copied.
    pub copied: u64,
    /// Files that went to the versions.
    pub retired: u64,
    /// Paths that could not be mirrored.
    pub problems: u64,
    /// Calls to the service.
    pub calls: u64,
}

impl Records {
    /// The last cycles of a mirror, or of all, newest first, at most `limit`.
    pub fn cycles(&self, mirror: Option<MirrorId>, limit: usize) -> Result<Vec<Cycle>> {
        let mut select = self.db.prepare_cached(
            "SELECT mirror_id, started_s, ended_s, outcome, looked_at, uploaded_files,
                uploaded_bytes, relocated, copied, retired, problems, calls
            FROM cycles WHERE ?1 IS NULL OR mirror_id = ?1 ORDER BY id DESC LIMIT ?2",
        )?;
        let rows = select.query_map(params![mirror, columns::limit(limit)], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writing<'_> {
    /// Puts a cycle on record, and drops those before the last 1,000 of its mirror.
    pub fn add_cycle(&mut self, cycle: &Cycle) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO cycles (mirror_id, started_s, ended_s, outcome, looked_at, uploaded_files,
                uploaded_bytes, relocated, copied, retired, problems, calls)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        insert.execute(params![
            cycle.mirror,
            cycle.started_s,
            cycle.ended_s,
            cycle.outcome,
            columns::size(cycle.looked_at),
            columns::size(cycle.uploaded_files),
            columns::size(cycle.uploaded_bytes),
            columns::size(cycle.relocated),
            columns::size(cycle.copied),
            columns::size(cycle.retired),
            columns::size(cycle.problems),
            columns::size(cycle.calls),
        ])?;
        self.db
            .prepare_cached(
                "DELETE FROM cycles WHERE mirror_id = ?1 AND id <= (SELECT id FROM cycles
                    WHERE mirror_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![cycle.mirror, KEPT])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Cycle> {
    Ok(Cycle {
        mirror: row.get(0)?,
        started_s: row.get(1)?,
        ended_s: row.get(2)?,
        outcome: row.get(3)?,
        looked_at: columns::read_size(row, 4)?,
        uploaded_files: columns::read_size(row, 5)?,
        uploaded_bytes: columns::read_size(row, 6)?,
        relocated: columns::read_size(row, 7)?,
        copied: columns::read_size(row, 8)?,
        retired: columns::read_size(row, 9)?,
        problems: columns::read_size(row, 10)?,
        calls: columns::read_size(row, 11)?,
    })
}
