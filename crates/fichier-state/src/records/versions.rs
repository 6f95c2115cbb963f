//! Files that left their mirror and are kept at the service: what they were, where they are,
//! and from when until when they were current.

use std::collections::HashSet;

use fichier_api::{FileUrl, Fingerprint, FolderId, Whirlpool};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::entries::NOT_CONFIRMED;
use crate::base::{
    BadValue, Cipher, Metadata, MirrorId, RelPath, Result, VersionId, columns, object_bytes,
};
use crate::store::{Records, Writing};

/// A kept file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its key.
    pub id: VersionId,
    /// The local path that it was the copy of.
    pub path: RelPath,
    /// Its link at the service.
    pub url: FileUrl,
    /// Its length in bytes, before it was enciphered.
    pub size_bytes: u64,
    /// Of the bytes stored, as the service reported it.
    pub whirlpool: Option<Whirlpool>,
    /// BLAKE3 of its plain bytes. Not known of files that were never ours.
    pub fingerprint: Option<Fingerprint>,
    /// Not known of files that were never ours.
    pub metadata: Option<Metadata>,
    /// The remote folder that it was moved to, or that its folder was moved to.
    pub folder: FolderId,
    /// Since when it was current; Unix seconds.
    pub current_from_s: i64,
    /// When it stopped being current; Unix seconds.
    pub current_until_s: i64,
    /// Why it left.
    pub reason: Retired,
    /// How it is enciphered; `None` if its plain bytes are stored.
    pub cipher: Option<Cipher>,
}

/// A [`Version`] that has no row yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVersion {
    /// The mirror that it was in.
    pub mirror: MirrorId,
    /// The local path that it was the copy of.
    pub path: RelPath,
    /// Its link at the service.
    pub url: FileUrl,
    /// Its length in bytes, before it was enciphered.
    pub size_bytes: u64,
    /// Of the bytes stored, as the service reported it.
    pub whirlpool: Option<Whirlpool>,
    /// BLAKE3 of its plain bytes.
    pub fingerprint: Option<Fingerprint>,
    /// For a restore.
    pub metadata: Option<Metadata>,
    /// The remote folder that it was moved to.
    pub folder: FolderId,
    /// Since when it was current; Unix seconds.
    pub current_from_s: i64,
    /// When it stopped being current; Unix seconds.
    pub current_until_s: i64,
    /// Why it left.
    pub reason: Retired,
    /// How it is enciphered; `None` if its plain bytes are stored.
    #[serde(default)]
    pub cipher: Option<Cipher>,
}

impl Version {
    /// The length of the file that the service has.
    pub fn object_bytes(&self) -> u64 {
        object_bytes(self.size_bytes, self.cipher.as_ref())
    }
}

impl NewVersion {
    /// The length of the file that the service has.
    pub fn object_bytes(&self) -> u64 {
        object_bytes(self.size_bytes, self.cipher.as_ref())
    }
}

/// Why a file left its mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retired {
    /// A newer one took its place.
    Replaced,
    /// The local file is gone.
    Deleted,
    /// It was not ours, and in the way.
    Foreign,
    /// It was in staging, and nothing claimed it.
    Orphan,
}

pub(super) const SELECT: &str =
    "SELECT id, path, link, size_bytes, whirlpool, fingerprint, mode, uid, gid,
        meta_mtime_ns, xattrs, folder, current_from_s, current_until_s, reason, cipher
    FROM versions";

/// Of mirror `?1`: ended before `?2`, or with `?3` later ones of their path.
const EXPIRED: &str = "mirror_id = ?1 AND reason <> 3
    AND (current_until_s < ?2
        OR id IN (SELECT ranked_id FROM (SELECT id AS ranked_id, row_number() OVER
                (PARTITION BY path ORDER BY current_until_s DESC, id DESC) AS place
            FROM versions WHERE mirror_id = ?1 AND reason IN (1, 2)) WHERE place > ?3))
    AND link NOT IN (SELECT link FROM entries WHERE link = versions.link)";

impl Records {
    /// The versions of a path and of all below it, or of the whole mirror; those that stopped
    /// being current last come first; at most `limit`.
    pub fn versions(
        &self,
        mirror: MirrorId,
        path: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        let limit = columns::limit(limit);
        let order = "ORDER BY current_until_s DESC, id DESC";
        let versions = match path.filter(|path| !path.is_root()) {
            None => {
                let sql = format!("{SELECT} WHERE mirror_id = ?1 {order} LIMIT ?2");
                let mut select = self.db.prepare_cached(&sql)?;
                let rows = select.query_map(params![mirror, limit], read)?;
                rows.collect::<rusqlite::Result<_>>()?
            }
            Some(path) => {
                let sql = format!(
                    "{SELECT} WHERE mirror_id = ?1 AND (path = ?2 OR path >= ?3 AND path < ?4)
                    {order} LIMIT ?5"
                );
                let (first, end) = range_below(path);
                let mut select = self.db.prepare_cached(&sql)?;
                let range = params![mirror, path.as_bytes(), first, end, limit];
                let rows = select.query_map(range, read)?;
                rows.collect::<rusqlite::Result<_>>()?
            }
        };
        Ok(versions)
    }

    /// Versions that have expired: they stopped being current before `before_s` (Unix seconds), or
    /// their path has `per_path` later ones; oldest first, at most `limit`. Foreign files are never
    /// among them (I2), nor are files that are current again.
    pub fn expired_versions(
        &self,
        mirror: MirrorId,
        before_s: i64,
        per_path: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        let sql = format!("{SELECT} WHERE {EXPIRED} ORDER BY current_until_s, id LIMIT ?4");
        let mut select = self.db.prepare_cached(&sql)?;
        let per_path = per_path.map_or(i64::MAX, i64::from);
        let wanted = params![mirror, before_s, per_path, columns::limit(limit)];
        let rows = select.query_map(wanted, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many there are of [`Records::expired_versions`].
    pub fn count_expired(
        &self,
        mirror: MirrorId,
        before_s: i64,
        per_path: Option<u32>,
    ) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM versions WHERE {EXPIRED}");
        let mut select = self.db.prepare_cached(&sql)?;
        let per_path = per_path.map_or(i64::MAX, i64::from);
        let wanted = params![mirror, before_s, per_path];
        Ok(select.query_row(wanted, |row| columns::read_size(row, 0))?)
    }

    /// How many versions a mirror has, and their sizes together.
    pub fn version_totals(&self, mirror: MirrorId) -> Result<(u64, u64)> {
        let mut select = self.db.prepare_cached(
            "SELECT count(*), ifnull(sum(size_bytes), 0) FROM versions WHERE mirror_id = ?1",
        )?;
        Ok(select.query_row([mirror], |row| {
            Ok((columns::read_size(row, 0)?, columns::read_size(row, 1)?))
        })?)
    }

    /// How many files got other contents since `since_s` (Unix seconds), as far as their earlier
    /// contents are kept. A file counts as often as it was replaced.
    pub fn replaced_since(&self, mirror: MirrorId, since_s: i64) -> Result<u64> {
        let mut select = self.db.prepare_cached(
            "SELECT count(*) FROM versions INDEXED BY versions_by_end
            WHERE mirror_id = ?1 AND current_until_s >= ?2 AND reason = 1",
        )?;
        Ok(select.query_row(params![mirror, since_s], |row| columns::read_size(row, 0))?)
    }
}

impl Records {
    /// Of these sizes, those that some version of the mirror has: a file of another size need not
    /// be hashed to know that it is no version. One index look-up each.
    pub fn has_version_of_size(&self, mirror: MirrorId, sizes: &[u64]) -> Result<HashSet<u64>> {
        let mut select = self.db.prepare_cached(
            "SELECT 1 FROM versions INDEXED BY versions_by_content
            WHERE fingerprint IS NOT NULL AND size_bytes = ?2 AND mirror_id = ?1 LIMIT 1",
        )?;
        let mut known = HashSet::new();
        for &size_bytes in &sizes.iter().copied().collect::<HashSet<_>>() {
            if select.exists(params![mirror, columns::size(size_bytes)])? {
                known.insert(size_bytes);
            }
        }
        Ok(known)
    }

    /// The versions with this content that may become current again, those of `path` first, then
    /// the latest; at most `limit`. They were ours, the service had confirmed their hash, and none
    /// of them is current.
    pub fn versions_with_content(
        &self,
        mirror: MirrorId,
        size_bytes: u64,
        fingerprint: &Fingerprint,
        path: &RelPath,
        limit: usize,
    ) -> Result<Vec<Version>> {
        let sql = format!(
            "{SELECT} INDEXED BY versions_by_content
            WHERE fingerprint IS NOT NULL AND size_bytes = ?2
                AND substr(fingerprint, 1, 4) = substr(?3, 1, 4) AND fingerprint = ?3
                AND mirror_id = ?1 AND whirlpool IS NOT NULL AND reason IN (1, 2)
                AND current_from_s <> ?6
                AND link NOT IN (SELECT link FROM entries WHERE link = versions.link)
            ORDER BY path = ?4 DESC, current_until_s DESC, id DESC LIMIT ?5"
        );
        let mut select = self.db.prepare_cached(&sql)?;
        let (size, limit) = (columns::size(size_bytes), columns::limit(limit));
        let wanted =
            params![mirror, size, fingerprint.as_bytes(), path.as_bytes(), limit, NOT_CONFIRMED];
        let rows = select.query_map(wanted, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The version whose file has this link.
    pub fn version_of_url(&self, url: &FileUrl) -> Result<Option<Version>> {
        let sql = format!("{SELECT} WHERE link = ?1 ORDER BY id DESC LIMIT 1");
        let mut select = self.db.prepare_cached(&sql)?;
        Ok(select.query_row([columns::link(url)], read).optional()?)
    }

    /// How many files have lost since `since_s` (Unix seconds) the contents that they had then:
    /// they were replaced, emptied, or go by their name with something added to it. A file counts
    /// once; one whose contents some file still has, such as one that was sent again in another
    /// form, does not.
    pub fn spoiled_since(&self, mirror: MirrorId, since_s: i64) -> Result<u64> {
        let since = self.moment_at(since_s)?.map_or(0, |moment| moment.0);
        // What was on record for less than a second has no past, but a version. Of the names in a
        // folder, those that begin with a name follow it directly.
        let mut select = self.db.prepare_cached(
            "WITH was AS (
                SELECT folder_id, name, fingerprint, min(last)
                FROM past_entries INDEXED BY past_entries_by_last
                WHERE mirror_id = ?1 AND last > ?2 AND kind = 1 GROUP BY folder_id, name
            )
            SELECT max(count(*), (
                SELECT count(DISTINCT path) FROM versions INDEXED BY versions_by_end
                WHERE mirror_id = ?1 AND current_until_s >= ?3 AND reason = 1
                    AND NOT EXISTS (SELECT 1 FROM entries INDEXED BY entries_by_content
                        WHERE kind = 1 AND entries.size_bytes = versions.size_bytes
                            AND substr(entries.fingerprint, 1, 4)
                                = substr(versions.fingerprint, 1, 4)
                            AND entries.fingerprint = versions.fingerprint)
            )) FROM was
            LEFT JOIN entries AS now ON now.folder_id = was.folder_id AND now.name = was.name
            WHERE CASE
                WHEN now.kind = 1 THEN now.fingerprint <> was.fingerprint
                WHEN now.kind IS NOT NULL THEN now.kind = 2
                ELSE EXISTS (
                    SELECT 1 FROM (
                        SELECT name, since FROM entries
                        WHERE folder_id = was.folder_id AND name > was.name
                        ORDER BY name LIMIT 1
                    ) AS next
                    WHERE next.since > ?2 AND substr(next.name, 1, length(was.name)) = was.name
                )
            END",
        )?;
        let spoiled = params![mirror, since, since_s];
        Ok(select.query_row(spoiled, |row| columns::read_size(row, 0))?)
    }
}

impl Writing<'_> {
    /// Puts a version on record, whose file is in the versions folder.
    pub fn add_version(&mut self, version: &NewVersion) -> Result<VersionId> {
        let metadata = version.metadata.as_ref();
        // Never before something that ended earlier, whatever the clock says: it would be
        // removed too soon once the clock is right again.
        let until_s = version.current_until_s.max(self.moment_s()?);
        let mut insert = self.db.prepare_cached(
            "INSERT INTO versions (mirror_id, path, link, size_bytes, whirlpool, fingerprint, mode,
                uid, gid, meta_mtime_ns, xattrs, folder, current_from_s, current_until_s, reason,
                cipher)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?;
        insert.execute(params![
            version.mirror,
            version.path.as_bytes(),
            columns::link(&version.url),
            columns::size(version.size_bytes),
            version.whirlpool.as_ref().map(Whirlpool::as_bytes),
            version.fingerprint.as_ref().map(Fingerprint::as_bytes),
            metadata.map(|metadata| metadata.mode),
            metadata.map(|metadata| metadata.uid),
            metadata.map(|metadata| metadata.gid),
            metadata.map(|metadata| metadata.mtime_ns),
            metadata.and_then(|metadata| columns::xattrs(&metadata.xattrs)),
            version.folder.0,
            version.current_from_s,
            until_s,
            version.reason,
            version.cipher.map(Cipher::to_bytes),
        ])?;
        Ok(VersionId(self.db.last_insert_rowid()))
    }

    /// Stores that the file of a version lies in another folder, perhaps under another link.
    pub fn move_version(&mut self, id: VersionId, url: &FileUrl, folder: FolderId) -> Result<()> {
        self.db
            .prepare_cached("UPDATE versions SET link = ?2, folder = ?3 WHERE id = ?1")?
            .execute(params![id, columns::link(url), folder.0])?;
        Ok(())
    }

    /// Forgets versions: their files are current again, or no longer at the service.
    pub fn forget_versions(&mut self, ids: &[VersionId]) -> Result<()> {
        let mut delete = self.db.prepare_cached("DELETE FROM versions WHERE id = ?1")?;
        for id in ids {
            delete.execute([id])?;
        }
        Ok(())
    }

    /// Forgets those of `urls` that are versions.
    pub fn forget_versions_at(&mut self, urls: &[FileUrl]) -> Result<()> {
        let mut delete = self.db.prepare_cached("DELETE FROM versions WHERE link = ?1")?;
        for url in urls {
            delete.execute([columns::link(url)])?;
        }
        Ok(())
    }
}

/// The range of the paths below `path`, which is not the root: the first bytes in it, and the first
/// ones after it.
fn range_below(path: &RelPath) -> (Vec<u8>, Vec<u8>) {
    // `0` is the byte after the slash.
    ([path.as_bytes(), b"/"].concat(), [path.as_bytes(), b"0"].concat())
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Version> {
    let has_metadata = row.get::<_, Option<u32>>(6)?.is_some();
    Ok(Version {
        id: row.get(0)?,
        path: columns::read_path(row, 1)?,
        url: columns::read_link(row, 2)?,
        size_bytes: columns::read_size(row, 3)?,
        whirlpool: columns::read_whirlpool(row, 4)?,
        fingerprint: columns::read_fingerprint(row, 5)?,
        metadata: if has_metadata { Some(Metadata::read(row, 6, 0)?) } else { None },
        folder: FolderId(row.get(11)?),
        current_from_s: row.get(12)?,
        current_until_s: row.get(13)?,
        reason: row.get(14)?,
        cipher: Cipher::read(row, 15)?,
    })
}

impl ToSql for Retired {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Retired::Replaced => 1,
            Retired::Deleted => 2,
            Retired::Foreign => 3,
            Retired::Orphan => 4,
        }
        .into())
    }
}

impl FromSql for Retired {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Retired> {
        match value.as_i64()? {
            1 => Ok(Retired::Replaced),
            2 => Ok(Retired::Deleted),
            3 => Ok(Retired::Foreign),
            4 => Ok(Retired::Orphan),
            _ => Err(FromSqlError::other(BadValue("a reason"))),
        }
    }
}
