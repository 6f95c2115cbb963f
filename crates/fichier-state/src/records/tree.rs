//! A folder with everything below it: walked, excluded, forgotten, retired.
//!
//! Each change is a few statements, however many rows are below. The walk holds one row in memory
//! and one name for each level, so that a million files need no more than one.

use std::ops::ControlFlow;

use fichier_api::FolderId;
use rusqlite::{OptionalExtension as _, params};

use super::entries;
use super::entries::Entry;
use super::folders::MAX_DEPTH;
use super::versions::Retired;
use crate::base::{Error, FolderKey, RelPath, Result, columns};
use crate::store::{Records, Writing};

/// All folders at and below `?1`. `UNION` without `ALL`: it ends even if a damaged file has a
/// folder inside itself.
macro_rules! below {
    () => {
        "WITH RECURSIVE below (id) AS (VALUES (?1) UNION
            SELECT folders.id FROM below JOIN folders ON folders.parent_id = below.id) "
    };
}
pub(crate) use below;

/// Comes after every name: names have at most 255 bytes (`NAME_MAX`).
const AFTER_ALL_NAMES: &[u8] = &[u8::MAX; 256];

impl Records {
    /// Shows every entry at and below a folder, with its path in the source, in the order of
    /// [`RelPath`], until `show` breaks.
    ///
    /// # Errors
    ///
    /// Those of reading; [`Error::Missing`] if there is no folder of that key.
    pub fn entries_below(
        &self,
        folder: FolderKey,
        mut show: impl FnMut(RelPath, Entry) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut next_folder = self.db.prepare_cached(
            "SELECT id, name FROM folders WHERE parent_id = ?1 AND name > ?2 ORDER BY name LIMIT 1",
        )?;
        let mut between = self.db.prepare_cached(concat!(
            "SELECT ",
            entries::entry_columns!(),
            " FROM entries WHERE folder_id = ?1 AND name > ?2 AND name <= ?3 ORDER BY name"
        ))?;
        // The folders from `folder` down to the one being walked, each with the name of the
        // sub-folder that was entered last: everything up to it has been shown.
        let mut open = vec![(folder, self.path_of(folder)?, Vec::new())];
        while let Some((key, path, shown)) = open.last_mut() {
            let next: Option<(FolderKey, Vec<u8>)> = next_folder
                .query_row(params![*key, *shown], |row| {
                    Ok((row.get(0)?, columns::read_local_name(row, 1)?))
                })
                .optional()?;
            let end = next.as_ref().map_or(AFTER_ALL_NAMES, |(_, name)| name);
            let mut rows = between.query(params![*key, *shown, end])?;
            while let Some(row) = rows.next()? {
                let entry = entries::read(row)?;
                if show(path.join(&entry.name), entry).is_break() {
                    return Ok(());
                }
            }
            drop(rows);
            match next {
                Some((inside, name)) => {
                    let inside = (inside, path.join(&name), Vec::new());
                    *shown = name;
                    open.push(inside);
                }
                None => drop(open.pop()),
            }
            if open.len() > MAX_DEPTH {
                return Err(Error::corrupt("a folder is inside itself"));
            }
        }
        Ok(())
    }
}

impl Writing<'_> {
    /// Marks a folder and all below it as excluded, or no longer.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no folder of that key.
    pub fn set_folder_unmanaged(&mut self, folder: FolderKey, unmanaged: bool) -> Result<()> {
        self.path_of(folder)?;
        self.mark_moment()?;
        for change in [
            concat!(below!(), "UPDATE folders SET unmanaged = ?2 WHERE id IN below"),
            concat!(below!(), "UPDATE entries SET unmanaged = ?2 WHERE folder_id IN below"),
        ] {
            self.db.prepare_cached(change)?.execute(params![folder, unmanaged])?;
        }
        Ok(())
    }

    /// Forgets the remote copy of a folder, which is gone: the remote ids at and below it, the
    /// files that were in it, and the foreign files there. Empty files and links need no copy and
    /// stay.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no folder of that key.
    pub fn forget_remote_below(&mut self, folder: FolderKey) -> Result<()> {
        self.path_of(folder)?;
        self.run_below(
            folder,
            &[
                concat!(below!(), "DELETE FROM entries WHERE kind = 1 AND folder_id IN below"),
                concat!(below!(), "DELETE FROM foreign_files WHERE folder_id IN below"),
                concat!(
                    below!(),
                    "UPDATE folders SET remote_id = NULL, made_by_us = NULL, listed = NULL,
                        remote_name = NULL WHERE id IN below"
                ),
            ],
        )
    }

    /// Forgets a folder and all below it.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no such folder, or if it is the root of a mirror.
    pub fn remove_folder(&mut self, folder: FolderKey) -> Result<()> {
        if self.path_of(folder)?.is_root() {
            return Err(Error::Missing("folder below a source"));
        }
        self.run_below(
            folder,
            &[
                concat!(below!(), "DELETE FROM entries WHERE folder_id IN below"),
                concat!(below!(), "DELETE FROM foreign_files WHERE folder_id IN below"),
                concat!(below!(), "DELETE FROM folders WHERE id IN below"),
            ],
        )
    }

    /// Records that a folder went to the versions whole, into the remote folder `into`: every file
    /// below it becomes a version, under the path that it had, and the folder is forgotten.
    ///
    /// # Errors
    ///
    /// As [`Writing::remove_folder`].
    pub fn retire_tree(
        &mut self,
        folder: FolderKey,
        into: FolderId,
        until_s: i64,
        reason: Retired,
    ) -> Result<()> {
        let path = self.path_of(folder)?;
        let until_s = until_s.max(self.moment_s()?);
        // `||` makes text of blobs without looking at the bytes; the cast takes them back.
        let mut insert = self.db.prepare_cached(
            "WITH RECURSIVE below (id, mirror_id, path) AS (
                SELECT id, mirror_id, ?2 FROM folders WHERE id = ?1
                UNION ALL
                SELECT folders.id, folders.mirror_id,
                    CAST(below.path || x'2F' || folders.name AS BLOB)
                FROM below JOIN folders ON folders.parent_id = below.id)
            INSERT INTO versions (mirror_id, path, link, size_bytes, whirlpool, fingerprint, mode,
                uid, gid, meta_mtime_ns, xattrs, folder, current_from_s, current_until_s, reason,
                cipher)
            SELECT mirror_id, CAST(path || x'2F' || name AS BLOB), link, size_bytes, whirlpool,
                fingerprint, mode, uid, gid, ifnull(meta_mtime_ns, mtime_ns), xattrs,
                ?3, confirmed_s, ?4, ?5, cipher
            FROM below CROSS JOIN entries ON folder_id = below.id WHERE kind = 1",
        )?;
        insert.execute(params![folder, path.as_bytes(), into.0, until_s, reason])?;
        drop(insert);
        self.remove_folder(folder)
    }

    fn run_below(&mut self, folder: FolderKey, changes: &[&str]) -> Result<()> {
        self.mark_moment()?;
        for change in changes {
            self.db.prepare_cached(change)?.execute([folder])?;
        }
        Ok(())
    }
}
