//! How much there is: of a folder for the guard and for people, of a mirror for `status`.

use super::entries::NOT_CONFIRMED;
use rusqlite::params;

use super::tree::below;
use crate::base::{FolderKey, MirrorId, RelPath, Result, columns};
use crate::store::Records;

/// How much there is below a folder. Excluded folders and entries are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files with contents.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Folders, without the one that was asked about.
    pub folders: u64,
    /// Files without contents.
    pub empties: u64,
    /// Symbolic links, which have no copy at the service.
    pub symlinks: u64,
    /// Those of the files whose hashes the service has not told.
    pub not_confirmed: u64,
}

/// How much a mirror has at the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files with contents that are kept equal to the disk.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Files that are excluded now, and stay at the service.
    pub unmanaged_files: u64,
    /// Files that changed while they were sent.
    pub unsettled: u64,
    /// Files in its remote folders that are not ours.
    pub foreign: u64,
}

/// Files whose hashes the service has not told
/// ([`RemoteCopy::is_confirmed`](crate::RemoteCopy::is_confirmed)). Excluded ones are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotConfirmed {
    /// Files up to the size that was asked for.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Larger files.
    pub large_files: u64,
    /// Their sizes together.
    pub large_bytes: u64,
}

impl NotConfirmed {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        self.files + self.large_files == 0
    }
}

impl Records {
    /// Counts everything below a folder; reads every row there.
    pub fn count_below(&self, folder: FolderKey) -> Result<Counts> {
        let mut select = self.db.prepare_cached(concat!(
            below!(),
            "SELECT count(*) FILTER (WHERE kind = 1),
                ifnull(sum(size_bytes) FILTER (WHERE kind = 1), 0),
                (SELECT count(*) FROM folders WHERE id IN below AND id <> ?1 AND unmanaged = 0),
                count(*) FILTER (WHERE kind = 2), count(*) FILTER (WHERE kind = 3),
                count(*) FILTER (WHERE kind = 1 AND confirmed_s = ?2)
            FROM below CROSS JOIN entries ON folder_id = below.id WHERE unmanaged = 0"
        ))?;
        Ok(select.query_row(params![folder, NOT_CONFIRMED], |row| {
            Ok(Counts {
                files: columns::read_size(row, 0)?,
                bytes: columns::read_size(row, 1)?,
                folders: columns::read_size(row, 2)?,
                empties: columns::read_size(row, 3)?,
                symlinks: columns::read_size(row, 4)?,
                not_confirmed: columns::read_size(row, 5)?,
            })
        })?)
    }

    /// Files of a mirror that changed while they were sent, at most `limit` of them: their copies
    /// may be half of one state and half of another.
    pub fn unsettled(&self, mirror: MirrorId, limit: u32) -> Result<Vec<RelPath>> {
        let mut select = self.db.prepare_cached(
            "SELECT folder_id, entries.name FROM entries INDEXED BY unsettled_entries
            CROSS JOIN folders ON folders.id = folder_id
            WHERE unsettled = 1 AND mirror_id = ?1 LIMIT ?2",
        )?;
        let rows = select.query_map(params![mirror, limit], |row| {
            Ok((row.get::<_, FolderKey>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let mut paths = Vec::new();
        for row in rows {
            let (folder, name) = row?;
            paths.push(self.path_of(folder)?.join(&name));
        }
        Ok(paths)
    }

    /// Files of a mirror whose hashes the service has not told yet, and apart those of more than
    /// `up_to` bytes. Reads every row.
    pub fn not_confirmed(&self, mirror: MirrorId, up_to: u64) -> Result<NotConfirmed> {
        let mut select = self.db.prepare_cached(
            "SELECT count(*) FILTER (WHERE size_bytes <= ?3),
                ifnull(sum(size_bytes) FILTER (WHERE size_bytes <= ?3), 0),
                count(*) FILTER (WHERE size_bytes > ?3),
                ifnull(sum(size_bytes) FILTER (WHERE size_bytes > ?3), 0)
            FROM entries CROSS JOIN folders ON folders.id = folder_id
            WHERE confirmed_s = ?1 AND mirror_id = ?2 AND entries.unmanaged = 0",
        )?;
        let wanted = params![NOT_CONFIRMED, mirror, columns::size(up_to)];
        Ok(select.query_row(wanted, |row| {
            Ok(NotConfirmed {
                files: columns::read_size(row, 0)?,
                bytes: columns::read_size(row, 1)?,
                large_files: columns::read_size(row, 2)?,
                large_bytes: columns::read_size(row, 3)?,
            })
        })?)
    }

    /// Calls `each` for the name of every file, empty file and folder of a mirror that is not
    /// unmanaged, with whether it is a folder. Reads every row.
    pub fn each_name(&self, mirror: MirrorId, mut each: impl FnMut(bool, &[u8])) -> Result<()> {
        let mut select = self.db.prepare_cached(
            "SELECT 1, name FROM folders WHERE mirror_id = ?1 AND parent_id IS NOT NULL
            UNION ALL
            SELECT 0, entries.name FROM entries JOIN folders ON folders.id = folder_id
            WHERE mirror_id = ?1 AND kind <> 3 AND entries.unmanaged = 0",
        )?;
        let mut rows = select.query([mirror])?;
        while let Some(row) = rows.next()? {
            let name = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            each(row.get(0)?, name);
        }
        Ok(())
    }

    /// When the oldest of the current files and versions of all mirrors was confirmed; Unix seconds.
    /// `None` if there is none of which that is known. Reads every row.
    pub fn oldest_copy_s(&self) -> Result<Option<i64>> {
        let mut select = self.db.prepare_cached(
            "SELECT min(at_s) FROM (
                SELECT min(confirmed_s) AS at_s FROM entries WHERE confirmed_s > 0
                UNION ALL
                SELECT min(current_from_s) FROM versions WHERE current_from_s > 0)",
        )?;
        Ok(select.query_row([], |row| row.get(0))?)
    }

    /// Counts everything that a mirror has at the service. Reads indexes only, not the rows: a
    /// third of a second for a million files.
    pub fn totals(&self, mirror: MirrorId) -> Result<Totals> {
        let pair = |sql| -> Result<(u64, u64)> {
            let mut select = self.db.prepare_cached(sql)?;
            Ok(select.query_row(params![mirror], |row| {
                Ok((columns::read_size(row, 0)?, columns::read_size(row, 1)?))
            })?)
        };
        let all = pair(
            "SELECT count(*), ifnull(sum(size_bytes), 0)
            FROM entries INDEXED BY entries_by_content
            CROSS JOIN folders ON folders.id = folder_id WHERE kind = 1 AND mirror_id = ?1",
        )?;
        let unmanaged = pair(
            "SELECT count(*), ifnull(sum(size_bytes), 0)
            FROM entries INDEXED BY unmanaged_entries
            CROSS JOIN folders ON folders.id = folder_id
            WHERE entries.unmanaged = 1 AND kind = 1 AND mirror_id = ?1",
        )?;
        let (unsettled, foreign) = pair(
            "SELECT (SELECT count(*) FROM entries INDEXED BY unsettled_entries
                    CROSS JOIN folders ON folders.id = folder_id
                    WHERE unsettled = 1 AND mirror_id = ?1),
                (SELECT count(*) FROM foreign_files
                    CROSS JOIN folders ON folders.id = folder_id WHERE mirror_id = ?1)",
        )?;
        Ok(Totals {
            files: all.0.saturating_sub(unmanaged.0),
            bytes: all.1.saturating_sub(unmanaged.1),
            unmanaged_files: unmanaged.0,
            unsettled,
            foreign,
        })
    }
}
