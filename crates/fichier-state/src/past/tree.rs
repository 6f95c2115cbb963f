//! The tree of a mirror as it was at a moment, which a restore puts back.
//!
//! It consists of the current rows that have not changed since then and of the past rows that were
//! good then. The folder rows tell where in the tree a folder was at that moment, even if its path
//! is another one now. Excluded entries do not belong to the tree.

use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, params};

use crate::base::{BadValue, Cipher, FolderKey, Metadata, MirrorId, RelPath, Result, columns};
use crate::store::{Moment, Records};

/// A folder at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastFolder {
    /// Its key; the same at all moments.
    pub key: FolderKey,
    /// Its name; empty for the root.
    pub name: Vec<u8>,
    /// The file system that it was on.
    pub device: u64,
    /// For a restore. A mode of 0 means that nothing of it is known.
    pub metadata: Metadata,
}

/// A file or a link at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEntry {
    /// Its name in its folder.
    pub name: Vec<u8>,
    /// What it held.
    pub content: PastContent,
    /// Its inode. Where `metadata.links` is more than 1, entries with the same one are hard links
    /// of one file.
    pub inode: u64,
    /// For a restore.
    pub metadata: Metadata,
    /// The first moment at which it was so.
    pub since: Moment,
}

/// What a name stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastContent {
    /// A file with contents.
    File {
        /// Its length in bytes.
        size_bytes: u64,
        /// BLAKE3 of its bytes.
        fingerprint: Fingerprint,
    },
    /// A file without contents.
    Empty,
    /// A symbolic link, with its target.
    Symlink(Vec<u8>),
}

/// Where the service has some content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCopy {
    /// Link of the file at the service.
    pub url: FileUrl,
    /// Of the bytes stored, as the service reported it.
    pub whirlpool: Whirlpool,
    /// How they are enciphered; `None` if they are the plain bytes.
    pub cipher: Option<Cipher>,
}

impl Records {
    /// The source itself, as it was at `moment`.
    pub fn root_at(&self, mirror: MirrorId, moment: Moment) -> Result<Option<PastFolder>> {
        let mut select = self.db.prepare_cached(
            "SELECT id, name, device, mode, uid, gid, meta_mtime_ns, xattrs FROM folders
                WHERE mirror_id = ?1 AND parent_id IS NULL AND since <= ?2
            UNION ALL
            SELECT id, name, device, mode, uid, gid, mtime_ns, xattrs FROM past_folders
                WHERE mirror_id = ?1 AND parent_id IS NULL AND first <= ?2 AND last > ?2",
        )?;
        Ok(select.query_row(params![mirror, moment.0], read_root).optional()?)
    }

    /// The folders that were directly in a folder, by name.
    pub fn folders_at(&self, parent: FolderKey, moment: Moment) -> Result<Vec<PastFolder>> {
        let mut select = self.db.prepare_cached(
            "SELECT id, name, device, mode, uid, gid, meta_mtime_ns, xattrs FROM folders
                WHERE parent_id = ?1 AND since <= ?2 AND unmanaged = 0
            UNION ALL
            SELECT id, name, device, mode, uid, gid, mtime_ns, xattrs FROM past_folders
                WHERE parent_id = ?1 AND first <= ?2 AND last > ?2
            ORDER BY name",
        )?;
        let rows = select.query_map(params![parent, moment.0], read_folder)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The files and links that were directly in a folder, by name.
    pub fn entries_at(&self, folder: FolderKey, moment: Moment) -> Result<Vec<PastEntry>> {
        let mut select = self.db.prepare_cached(
            "SELECT name, kind, size_bytes, fingerprint, symlink, inode, mode, uid, gid,
                    ifnull(meta_mtime_ns, mtime_ns), xattrs, links, holes, since FROM entries
                WHERE folder_id = ?1 AND since <= ?2 AND unmanaged = 0
            UNION ALL
            SELECT name, kind, size_bytes, fingerprint, symlink, inode, mode, uid, gid,
                    mtime_ns, xattrs, links, holes, first FROM past_entries
                WHERE folder_id = ?1 AND first <= ?2 AND last > ?2
            ORDER BY name",
        )?;
        let rows = select.query_map(params![folder, moment.0], read_entry)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The folder that was at a path; one look-up for each name in it.
    pub fn folder_then(
        &self,
        mirror: MirrorId,
        path: &RelPath,
        moment: Moment,
    ) -> Result<Option<PastFolder>> {
        let mut at = self.root_at(mirror, moment)?;
        for name in path.components() {
            let Some(folder) = at else { break };
            let inside = self.folders_at(folder.key, moment)?;
            at = inside.into_iter().find(|inside| inside.name == name);
        }
        Ok(at)
    }

    /// Where the service has some content: current files first, then versions; at most `limit`.
    /// More than one is good to have when one turns out to be damaged.
    pub fn copies_of(
        &self,
        size_bytes: u64,
        fingerprint: &Fingerprint,
        limit: usize,
    ) -> Result<Vec<StoredCopy>> {
        let mut select = self.db.prepare_cached(
            "SELECT link, whirlpool, cipher FROM entries INDEXED BY entries_by_content
                WHERE kind = 1 AND size_bytes = ?1
                    AND substr(fingerprint, 1, 4) = substr(?2, 1, 4) AND fingerprint = ?2
            UNION ALL
            SELECT link, whirlpool, cipher FROM versions INDEXED BY versions_by_content
                WHERE fingerprint IS NOT NULL AND size_bytes = ?1
                    AND substr(fingerprint, 1, 4) = substr(?2, 1, 4) AND fingerprint = ?2
                    AND whirlpool IS NOT NULL
            LIMIT ?3",
        )?;
        let wanted =
            params![columns::size(size_bytes), fingerprint.as_bytes(), columns::limit(limit)];
        let rows = select.query_map(wanted, |row| {
            let url = columns::read_link(row, 0)?;
            let whirlpool = Whirlpool::from_bytes(row.get(1)?);
            Ok(StoredCopy { url, whirlpool, cipher: Cipher::read(row, 2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn read_root(row: &Row<'_>) -> rusqlite::Result<PastFolder> {
    read_named(row, Vec::new())
}

fn read_folder(row: &Row<'_>) -> rusqlite::Result<PastFolder> {
    read_named(row, columns::read_local_name(row, 1)?)
}

fn read_named(row: &Row<'_>, name: Vec<u8>) -> rusqlite::Result<PastFolder> {
    Ok(PastFolder {
        key: row.get(0)?,
        name,
        device: row.get::<_, i64>(2)?.cast_unsigned(),
        metadata: Metadata::read(row, 3, 0)?,
    })
}

pub(crate) fn read_entry(row: &Row<'_>) -> rusqlite::Result<PastEntry> {
    let content = match row.get::<_, i64>(1)? {
        1 => PastContent::File {
            size_bytes: columns::read_size(row, 2)?,
            fingerprint: Fingerprint::from_bytes(row.get(3)?),
        },
        2 => PastContent::Empty,
        3 => PastContent::Symlink(row.get(4)?),
        _ => return Err(BadValue("a kind of entry").at(1, Type::Integer)),
    };
    let metadata = Metadata {
        links: row.get(11)?,
        holes: columns::read_holes(row, 12)?,
        ..Metadata::read(row, 6, 0)?
    };
    Ok(PastEntry {
        name: columns::read_local_name(row, 0)?,
        content,
        inode: row.get::<_, i64>(5)?.cast_unsigned(),
        metadata,
        since: Moment(row.get(13)?),
    })
}
