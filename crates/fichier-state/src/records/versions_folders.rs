//! The remote folders that take versions, and how full they are.
//!
//! The service shows at most 5,000 rows of a folder (docs/api-notes.md, B.2), so a day gets
//! another folder once one holds 4,000. Equal names are legal for files there; a folder that
//! is moved there whole needs one that no other folder has.

use fichier_api::FolderId;
use rusqlite::{Row, params};

use crate::base::{MirrorId, Result, columns, found};
use crate::store::{Records, Writing};

/// One remote folder of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionsFolder {
    /// Its remote id.
    pub id: FolderId,
    /// The UTC day, as `2026-11-23`.
    pub day: String,
    /// Its number among those of that day, from 0.
    pub seq: u32,
    /// How many files and folders were moved there.
    pub items: u32,
}

impl Records {
    /// The folders for a day, by number.
    pub fn retired_room(&self, mirror: MirrorId, day: &str) -> Result<Vec<VersionsFolder>> {
        let mut select = self.db.prepare_cached(
            "SELECT remote_id, day, seq, items FROM versions_folders
            WHERE mirror_id = ?1 AND day = ?2 ORDER BY seq",
        )?;
        let rows = select.query_map(params![mirror, day], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The folders of the days before `day` that have no version on record any more, oldest
    /// first, at most `limit`.
    pub fn emptied_versions_folders(
        &self,
        mirror: MirrorId,
        day: &str,
        limit: usize,
    ) -> Result<Vec<VersionsFolder>> {
        let mut select = self.db.prepare_cached(
            "SELECT remote_id, day, seq, items FROM versions_folders
            WHERE mirror_id = ?1 AND day < ?2
                AND remote_id NOT IN (SELECT folder FROM versions WHERE mirror_id = ?1)
            ORDER BY day, seq LIMIT ?3",
        )?;
        let rows = select.query_map(params![mirror, day, columns::limit(limit)], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether a folder of that name was moved there whole.
    pub fn retired_name_taken(&self, folder: FolderId, name: &str) -> Result<bool> {
        let mut select = self
            .db
            .prepare_cached("SELECT 1 FROM retired_names WHERE remote_id = ?1 AND name = ?2")?;
        Ok(select.exists(params![folder.0, name])?)
    }
}

impl Writing<'_> {
    /// Forgets a versions folder: it is no longer at the service.
    pub fn forget_versions_folder(&mut self, id: FolderId) -> Result<()> {
        for delete in [
            "DELETE FROM retired_names WHERE remote_id = ?1",
            "DELETE FROM versions_folders WHERE remote_id = ?1",
        ] {
            self.db.prepare_cached(delete)?.execute([id.0])?;
        }
        Ok(())
    }

    /// Puts a versions folder on record; one that is there keeps its count.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) if another folder has that day and number.
    pub fn add_versions_folder(
        &mut self,
        mirror: MirrorId,
        day: &str,
        seq: u32,
        id: FolderId,
    ) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO versions_folders (remote_id, mirror_id, day, seq)
                VALUES (?4, ?1, ?2, ?3)
                ON CONFLICT (remote_id) DO UPDATE SET mirror_id = ?1, day = ?2, seq = ?3",
            )?
            .execute(params![mirror, day, seq, id.0])?;
        Ok(())
    }

    /// Counts `count` more items that were moved there; `name` is that of a folder moved whole.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`](crate::Error::Missing) if there is no such versions folder.
    pub fn count_retired(&mut self, id: FolderId, count: u32, name: Option<&str>) -> Result<()> {
        let rows = self
            .db
            .prepare_cached("UPDATE versions_folders SET items = items + ?2 WHERE remote_id = ?1")?
            .execute(params![id.0, count])?;
        found(rows, "versions folder")?;
        if let Some(name) = name {
            self.db
                .prepare_cached(
                    "INSERT INTO retired_names (remote_id, name) VALUES (?1, ?2)
                    ON CONFLICT DO NOTHING",
                )?
                .execute(params![id.0, name])?;
        }
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<VersionsFolder> {
    Ok(VersionsFolder {
        id: FolderId(row.get(0)?),
        day: row.get(1)?,
        seq: row.get(2)?,
        items: row.get(3)?,
    })
}
