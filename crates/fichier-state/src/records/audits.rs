//! The memory of the audit: when each remote folder was last compared with its listing, and
//! which files one listing did not show as they are on record. A folder that was itself not found
//! is missed under an empty name.

use rusqlite::{OptionalExtension as _, params};

use crate::base::{FolderKey, MirrorId, Result, columns};
use crate::store::{Records, Writing};

impl Records {
    /// The folders whose listing was last compared before `before_s` (Unix seconds), or never;
    /// longest ago first, at most `limit`. Excluded folders are left alone.
    pub fn audits_due(
        &self,
        mirror: MirrorId,
        before_s: i64,
        limit: usize,
    ) -> Result<Vec<FolderKey>> {
        let mut select = self.db.prepare_cached(
            "SELECT id FROM folders WHERE mirror_id = ?1 AND remote_id IS NOT NULL
                AND unmanaged = 0 AND ifnull(audited_s, 0) < ?2
            ORDER BY ifnull(audited_s, 0), id LIMIT ?3",
        )?;
        let rows =
            select.query_map(params![mirror, before_s, columns::limit(limit)], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// When the folder that has waited longest was compared (Unix seconds; 0 for never), and how
    /// many folders there are; `None` without any.
    pub fn oldest_audit(&self, mirror: MirrorId) -> Result<Option<(i64, u64)>> {
        let mut select = self.db.prepare_cached(
            "SELECT min(ifnull(audited_s, 0)), count(*) FROM folders
            WHERE mirror_id = ?1 AND remote_id IS NOT NULL AND unmanaged = 0",
        )?;
        let (oldest, folders): (Option<i64>, u64) =
            select.query_row([mirror], |row| Ok((row.get(0)?, columns::read_size(row, 1)?)))?;
        Ok(oldest.map(|oldest| (oldest, folders)))
    }

    /// When a folder was last compared (Unix seconds); `None` for never.
    pub fn audited_at(&self, folder: FolderKey) -> Result<Option<i64>> {
        let mut select = self.db.prepare_cached("SELECT audited_s FROM folders WHERE id = ?1")?;
        Ok(select.query_row([folder], |row| row.get(0)).optional()?.flatten())
    }

    /// How many folders were compared at `since_s` (Unix seconds) or later.
    pub fn audited_since(&self, mirror: MirrorId, since_s: i64) -> Result<u64> {
        let mut select = self.db.prepare_cached(
            "SELECT count(*) FROM folders WHERE mirror_id = ?1 AND remote_id IS NOT NULL
                AND unmanaged = 0 AND audited_s >= ?2",
        )?;
        Ok(select.query_row(params![mirror, since_s], |row| columns::read_size(row, 0))?)
    }

    /// When a listing first did not show a file of ours (Unix seconds); `None` if none is missed
    /// under that name.
    pub fn missed_since(&self, folder: FolderKey, name: &[u8]) -> Result<Option<i64>> {
        let mut select =
            self.db.prepare_cached("SELECT at_s FROM missed WHERE folder_id = ?1 AND name = ?2")?;
        Ok(select.query_row(params![folder, name], |row| row.get(0)).optional()?)
    }

    /// The folders with files that a listing before `before_s` did not show, and that are to be
    /// looked at again.
    pub fn missed_before(&self, mirror: MirrorId, before_s: i64) -> Result<Vec<FolderKey>> {
        let mut select = self.db.prepare_cached(
            "SELECT DISTINCT folder_id FROM missed JOIN folders ON folders.id = folder_id
            WHERE mirror_id = ?1 AND at_s < ?2 ORDER BY folder_id",
        )?;
        let rows = select.query_map(params![mirror, before_s], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The earliest time (Unix seconds) at which a file was missed that has not been found since.
    pub fn first_missed(&self, mirror: MirrorId) -> Result<Option<i64>> {
        let mut select = self.db.prepare_cached(
            "SELECT min(at_s) FROM missed JOIN folders ON folders.id = folder_id
            WHERE mirror_id = ?1",
        )?;
        Ok(select.query_row([mirror], |row| row.get(0))?)
    }

    /// How many files, and folders, were missed and have not been found since.
    pub fn missed(&self, mirror: MirrorId) -> Result<u64> {
        let mut select = self.db.prepare_cached(
            "SELECT count(*) FROM missed JOIN folders ON folders.id = folder_id
            WHERE mirror_id = ?1",
        )?;
        Ok(select.query_row([mirror], |row| columns::read_size(row, 0))?)
    }
}

impl Writing<'_> {
    /// Stores that a folder's listing was compared at `at_s` (Unix seconds).
    pub fn set_audited(&mut self, folder: FolderKey, at_s: i64) -> Result<()> {
        self.db
            .prepare_cached("UPDATE folders SET audited_s = ?2 WHERE id = ?1")?
            .execute(params![folder, at_s])?;
        Ok(())
    }

    /// Stores that a listing did not show a file of ours. One that is missed already keeps its
    /// time.
    pub fn note_missed(&mut self, folder: FolderKey, name: &[u8], at_s: i64) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO missed (folder_id, name, at_s) VALUES (?1, ?2, ?3)
                ON CONFLICT DO NOTHING",
            )?
            .execute(params![folder, name, at_s])?;
        Ok(())
    }

    /// Gives files that were missed while the clock was ahead the time of now.
    pub fn correct_missed_times(&mut self) -> Result<()> {
        let now_s = self.now_s();
        self.db.prepare_cached("UPDATE missed SET at_s = ?1 WHERE at_s > ?1")?.execute([now_s])?;
        Ok(())
    }

    /// Forgets the files missed in a folder: they are there, or were dealt with.
    pub fn clear_missed(&mut self, folder: FolderKey) -> Result<()> {
        self.db.prepare_cached("DELETE FROM missed WHERE folder_id = ?1")?.execute([folder])?;
        Ok(())
    }
}
