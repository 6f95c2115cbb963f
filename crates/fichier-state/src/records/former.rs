//! What of a mirror is stored in a former form: plain, or enciphered with other keys than it has
//! now.

use rusqlite::params;

use super::versions::{SELECT, Version, read};
use crate::base::{KeysId, MirrorId, Result, columns};
use crate::store::Records;

/// The versions that are stored in a former form, and may be removed: they were ours, and are not
/// current.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormerVersions {
    /// How many there are.
    pub files: u64,
    /// Their lengths together, before they were enciphered.
    pub bytes: u64,
    /// When the last of them stopped being current; Unix seconds, 0 if there are none.
    pub until_s: i64,
}

/// The files of the tree that are stored in a former form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormerFiles {
    /// Those that the mirror has to send again.
    pub current: u64,
    /// Those that a pattern excludes, or that a person rejected: they stay as they are.
    pub unmanaged: u64,
}

/// Of mirror `?1`, whose keys are `?2` now; none, if its files are plain. The last eight bytes of a
/// cipher are its keys.
const FORMER: &str = "mirror_id = ?1 AND reason <> 3 AND substr(cipher, 25, 8) IS NOT ?2
    AND link NOT IN (SELECT link FROM entries WHERE link = versions.link)";

impl Records {
    /// The versions that have another form than files of these keys, or than plain ones.
    pub fn former_totals(&self, mirror: MirrorId, keys: Option<KeysId>) -> Result<FormerVersions> {
        let mut select = self.db.prepare_cached(&format!(
            "SELECT count(*), ifnull(sum(size_bytes), 0), ifnull(max(current_until_s), 0)
            FROM versions WHERE {FORMER}"
        ))?;
        Ok(select.query_row(params![mirror, keys.map(|keys| keys.0)], |row| {
            let (files, bytes) = (columns::read_size(row, 0)?, columns::read_size(row, 1)?);
            Ok(FormerVersions { files, bytes, until_s: row.get(2)? })
        })?)
    }

    /// The same versions, oldest first; at most `limit`.
    pub fn former_versions(
        &self,
        mirror: MirrorId,
        keys: Option<KeysId>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        let sql = format!("{SELECT} WHERE {FORMER} ORDER BY current_until_s, id LIMIT ?3");
        let mut select = self.db.prepare_cached(&sql)?;
        let wanted = params![mirror, keys.map(|keys| keys.0), columns::limit(limit)];
        Ok(select.query_map(wanted, read)?.collect::<rusqlite::Result<_>>()?)
    }

    /// The files of the tree that have another form than files of these keys, or than plain ones.
    /// Reads every row.
    pub fn former_files(&self, mirror: MirrorId, keys: Option<KeysId>) -> Result<FormerFiles> {
        let mut select = self.db.prepare_cached(
            "SELECT count(*) FILTER (WHERE NOT entries.unmanaged),
                count(*) FILTER (WHERE entries.unmanaged)
            FROM entries JOIN folders ON folders.id = folder_id
            WHERE mirror_id = ?1 AND kind = 1 AND link IS NOT NULL
                AND substr(cipher, 25, 8) IS NOT ?2",
        )?;
        Ok(select.query_row(params![mirror, keys.map(|keys| keys.0)], |row| {
            let (current, unmanaged) = (columns::read_size(row, 0)?, columns::read_size(row, 1)?);
            Ok(FormerFiles { current, unmanaged })
        })?)
    }
}
