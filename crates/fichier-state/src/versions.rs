//! Files that left their mirror and are kept at the service: what they were, where they are,
//! and from when until when they were current.

use fichier_api::{FileUrl, Fingerprint, FolderId, Whirlpool};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use crate::columns::BadValue;
use crate::{Metadata, MirrorId, Records, RelPath, Result, VersionId, Writing, columns};

/// A kept file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its key.
    pub id: VersionId,
    /// The local path that it was the copy of.
    pub path: RelPath,
    /// Its link.
    pub url: FileUrl,
    /// Its length.
    pub size_bytes: u64,
    /// As the service reported it.
    pub whirlpool: Option<Whirlpool>,
    /// Not known of files that were never ours.
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
}

/// A [`Version`] that has no row yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVersion {
    /// The mirror that it was in.
    pub mirror: MirrorId,
    /// The local path that it was the copy of.
    pub path: RelPath,
    /// Its link.
    pub url: FileUrl,
    /// Its length.
    pub size_bytes: u64,
    /// As the service reported it.
    pub whirlpool: Option<Whirlpool>,
    /// Of its bytes.
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
    /// It lay in staging, and nothing claimed it.
    Orphan,
}

const SELECT: &str = "SELECT id, path, link, size_bytes, whirlpool, fingerprint, mode, uid, gid,
        meta_mtime_ns, xattrs, folder, current_from_s, current_until_s, reason FROM versions";

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
                let (first, end) = columns::range_below(path);
                let mut select = self.db.prepare_cached(&sql)?;
                let range = params![mirror, path.as_bytes(), first, end, limit];
                let rows = select.query_map(range, read)?;
                rows.collect::<rusqlite::Result<_>>()?
            }
        };
        Ok(versions)
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
}

impl Writing<'_> {
    /// Puts a version on record: its file is in the versions folder.
    pub fn add_version(&mut self, version: &NewVersion) -> Result<VersionId> {
        let metadata = version.metadata.as_ref();
        let mut insert = self.db.prepare_cached(
            "INSERT INTO versions (mirror_id, path, link, size_bytes, whirlpool, fingerprint, mode,
                uid, gid, meta_mtime_ns, xattrs, folder, current_from_s, current_until_s, reason)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
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
            version.current_until_s,
            version.reason,
        ])?;
        Ok(VersionId(self.db.last_insert_rowid()))
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Version> {
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
