//! Files of ours that somebody else removed from the service, and how often (X07).
//!
//! A file that the host removes again and again is not to be sent for ever: once it was lost
//! [`MOST_LOST`] times, its path is given up until its file changes here.

use rusqlite::params;

use crate::base::{MirrorId, RelPath, Result, Stamp, columns};
use crate::store::{Records, Writing};

/// Losses of the same content at one path. At the last of them the path is given up, and is not
/// sent again until its file changes.
pub const MOST_LOST: u32 = 3;

/// Seconds that a loss counts, 60 days. A loss after more than that starts the count of its path
/// again at 1.
const KEPT_S: i64 = 60 * 24 * 3600;

/// A path that was given up: it is not sent any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Where the file is in the source.
    pub path: RelPath,
    /// Its length in bytes when it was last lost.
    pub size_bytes: u64,
    /// When its contents had changed, as of then; nanoseconds since 1970.
    pub mtime_ns: i64,
    /// How often it was lost.
    pub times: u32,
}

impl Records {
    /// The paths of a mirror that are given up, at most `limit`.
    pub fn given_up(&self, mirror: MirrorId, limit: usize) -> Result<Vec<GivenUp>> {
        let mut select = self.db.prepare_cached(
            "SELECT path, size_bytes, mtime_ns, times FROM lost_files
            WHERE mirror_id = ?1 AND times >= ?2 LIMIT ?3",
        )?;
        let rows = select.query_map(params![mirror, MOST_LOST, columns::limit(limit)], |row| {
            Ok(GivenUp {
                path: columns::read_path(row, 0)?,
                size_bytes: columns::read_size(row, 1)?,
                mtime_ns: row.get(2)?,
                times: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Records {
    /// The paths of a mirror whose copies were lost at `since_s` (Unix seconds) or later, at most
    /// `limit`, the newest first.
    pub fn lost_since(&self, mirror: MirrorId, since_s: i64, limit: usize) -> Result<Vec<RelPath>> {
        let mut select = self.db.prepare_cached(
            "SELECT path FROM lost_files WHERE mirror_id = ?1 AND last_s >= ?2
            ORDER BY last_s DESC, path LIMIT ?3",
        )?;
        let rows = select.query_map(params![mirror, since_s, columns::limit(limit)], |row| {
            columns::read_path(row, 0)
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writing<'_> {
    /// Counts that the copy of a path is gone from the service; from 1 again if the file has
    /// changed since. Returns the count.
    pub fn count_lost(&mut self, mirror: MirrorId, path: &RelPath, stamp: &Stamp) -> Result<u32> {
        let now_s = self.now_s();
        self.db
            .prepare_cached(
                "DELETE FROM lost_files WHERE mirror_id = ?1 AND path = ?2
                AND (size_bytes <> ?3 OR mtime_ns <> ?4 OR last_s NOT BETWEEN ?5 - ?6 AND ?5)",
            )?
            .execute(params![
                mirror,
                path.as_bytes(),
                columns::size(stamp.size_bytes),
                stamp.mtime_ns,
                now_s,
                KEPT_S
            ])?;
        let mut upsert = self.db.prepare_cached(
            "INSERT INTO lost_files (mirror_id, path, size_bytes, mtime_ns, times, last_s)
            VALUES (?1, ?2, ?3, ?4, 1, ?5)
            ON CONFLICT (mirror_id, path) DO UPDATE SET times = times + 1, last_s = ?5
            RETURNING times",
        )?;
        Ok(upsert.query_row(
            params![
                mirror,
                path.as_bytes(),
                columns::size(stamp.size_bytes),
                stamp.mtime_ns,
                now_s
            ],
            |row| row.get(0),
        )?)
    }

    /// Forgets the losses of a path, so that it is sent again.
    pub fn forget_lost(&mut self, mirror: MirrorId, path: &RelPath) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM lost_files WHERE mirror_id = ?1 AND path = ?2")?
            .execute(params![mirror, path.as_bytes()])?;
        Ok(())
    }

    /// Drops the losses of paths that were not given up, once they are 60 days old.
    pub fn drop_old_losses(&mut self, mirror: MirrorId) -> Result<()> {
        let before_s = self.now_s().saturating_sub(KEPT_S);
        self.db
            .prepare_cached(
                "DELETE FROM lost_files WHERE mirror_id = ?1 AND times < ?2 AND last_s < ?3",
            )?
            .execute(params![mirror, MOST_LOST, before_s])?;
        Ok(())
    }
}
