//! Paths that could not be mirrored, and when they are tried again.
//!
//! A path has at most one problem. It stays, and counts its tries, until the path is mirrored
//! or gone; a new cause takes the place of the old one.

use rusqlite::{OptionalExtension, Row, params};

use crate::base::{MirrorId, RelPath, Result, columns};
use crate::store::{Records, Writing};

/// One path that could not be mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The mirror that it is in.
    pub mirror: MirrorId,
    /// The file or folder.
    pub path: RelPath,
    /// The problem, as a sentence for people.
    pub what: String,
    /// Advice on it, as a sentence for people.
    pub hint: String,
    /// When it is due the whole mirror is looked at, and not the path alone.
    pub is_wide: bool,
    /// How often it was tried; at least 1.
    pub tries: u32,
    /// Since when; Unix seconds.
    pub since_s: i64,
    /// When it is tried again; Unix seconds.
    pub next_try_s: i64,
}

/// A problem to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewProblem<'a> {
    /// The file or folder.
    pub path: &'a RelPath,
    /// The problem, as a sentence for people.
    pub what: &'a str,
    /// Advice on it, as a sentence for people.
    pub hint: &'a str,
    /// As in [`Problem::is_wide`].
    pub is_wide: bool,
    /// When it is tried again; Unix seconds.
    pub next_try_s: i64,
}

impl Records {
    /// The problems of a mirror, or of all, by mirror and path.
    pub fn problems(&self, mirror: Option<MirrorId>) -> Result<Vec<Problem>> {
        let mut select = self.db.prepare_cached(
            "SELECT mirror_id, path, what, hint, is_wide, tries, since_s, next_try_s FROM problems
            WHERE ?1 IS NULL OR mirror_id = ?1",
        )?;
        let rows = select.query_map([mirror], read)?;
        let mut problems: Vec<Problem> = rows.collect::<rusqlite::Result<_>>()?;
        problems.sort_by(|a, b| (a.mirror, &a.path).cmp(&(b.mirror, &b.path)));
        Ok(problems)
    }

    /// The paths whose next try is not after `now_s`, longest due first.
    pub fn problems_due(&self, mirror: MirrorId, now_s: i64) -> Result<Vec<RelPath>> {
        let mut select = self.db.prepare_cached(
            "SELECT path FROM problems WHERE mirror_id = ?1 AND next_try_s <= ?2
            ORDER BY next_try_s, path",
        )?;
        let rows = select.query_map(params![mirror, now_s], |row| columns::read_path(row, 0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// When the next problem of a mirror is due; Unix seconds. `None` without problems.
    pub fn next_problem_due(&self, mirror: MirrorId) -> Result<Option<i64>> {
        let mut select =
            self.db.prepare_cached("SELECT min(next_try_s) FROM problems WHERE mirror_id = ?1")?;
        Ok(select.query_row([mirror], |row| row.get(0))?)
    }

    /// How often a path was tried without success; 0 if it has no problem.
    pub fn tries(&self, mirror: MirrorId, path: &RelPath) -> Result<u32> {
        let mut select = self
            .db
            .prepare_cached("SELECT tries FROM problems WHERE mirror_id = ?1 AND path = ?2")?;
        let tries = select.query_row(params![mirror, path.as_bytes()], |row| row.get(0));
        Ok(tries.optional()?.unwrap_or(0))
    }
}

impl Writing<'_> {
    /// Stores that a path could not be mirrored, at `now_s` (Unix seconds). A problem that is on
    /// record keeps its `since_s` and counts one try more.
    pub fn put_problem(
        &mut self,
        mirror: MirrorId,
        problem: &NewProblem<'_>,
        now_s: i64,
    ) -> Result<()> {
        let NewProblem { path, what, hint, is_wide, next_try_s } = *problem;
        let mut upsert = self.db.prepare_cached(
            "INSERT INTO problems
                (mirror_id, path, what, hint, is_wide, tries, since_s, next_try_s)
            VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7)
            ON CONFLICT (mirror_id, path) DO UPDATE SET what = ?3, hint = ?4, is_wide = ?5,
                tries = tries + 1, next_try_s = ?7",
        )?;
        let path = path.as_bytes();
        upsert.execute(params![mirror, path, what, hint, is_wide, now_s, next_try_s])?;
        Ok(())
    }

    /// Removes the problem of a path that is mirrored, or gone.
    pub fn clear_problem(&mut self, mirror: MirrorId, path: &RelPath) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM problems WHERE mirror_id = ?1 AND path = ?2")?
            .execute(params![mirror, path.as_bytes()])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Problem> {
    Ok(Problem {
        mirror: row.get(0)?,
        path: columns::read_path(row, 1)?,
        what: row.get(2)?,
        hint: row.get(3)?,
        is_wide: row.get(4)?,
        tries: row.get(5)?,
        since_s: row.get(6)?,
        next_try_s: row.get(7)?,
    })
}
