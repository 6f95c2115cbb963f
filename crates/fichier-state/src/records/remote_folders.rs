//! Which remote folders of a mirror to list: to compare them, or because their contents are
//! unknown.

use rusqlite::{OptionalExtension as _, params};

use crate::base::{FolderKey, MirrorId, Result, columns};
use crate::store::Records;

/// Files of a folder that one listing can show for sure: the service shows 5,000 rows. A folder
/// with more files is passed over.
const MOST_FILES: i64 = 4_000;

impl Records {
    /// The folder with the most files that one listing can show, and how many they are.
    pub fn fullest_folder(&self, mirror: MirrorId) -> Result<Option<(FolderKey, u64)>> {
        let mut select = self.db.prepare_cached(
            "SELECT folder_id, count(*) AS files FROM entries
                CROSS JOIN folders ON folders.id = folder_id
            WHERE kind = 1 AND mirror_id = ?1 AND remote_id IS NOT NULL
            GROUP BY folder_id HAVING files <= ?2 ORDER BY files DESC, folder_id LIMIT 1",
        )?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, columns::read_size(row, 1)?));
        Ok(select.query_row(params![mirror, MOST_FILES], read).optional()?)
    }

    /// The remote folders whose contents are not known, oldest first, at most `limit`.
    pub fn unlisted_folders(&self, mirror: MirrorId, limit: usize) -> Result<Vec<FolderKey>> {
        let mut select = self.db.prepare_cached(
            "SELECT id FROM folders WHERE mirror_id = ?1 AND listed = 0 ORDER BY id LIMIT ?2",
        )?;
        let rows = select.query_map(params![mirror, columns::limit(limit)], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many remote folders a mirror has, and of how many of them the contents are not known.
    pub fn count_unlisted(&self, mirror: MirrorId) -> Result<(u64, u64)> {
        let mut select = self.db.prepare_cached(
            "SELECT count(*), count(*) FILTER (WHERE listed = 0) FROM folders
            WHERE mirror_id = ?1 AND remote_id IS NOT NULL",
        )?;
        Ok(select.query_row([mirror], |row| {
            Ok((columns::read_size(row, 0)?, columns::read_size(row, 1)?))
        })?)
    }
}
