//! Files that are safe: those that the service has confirmed, empty ones, and symbolic links.
//!
//! The service takes no empty files and knows no symbolic links: a restore makes them from their
//! records alone. An empty file that is enciphered has a header, and is stored like others.
//!
//! Invariant (I1): a file's record has link, size, both hashes and the time of confirmation.
//! The type leaves no other choice, and the table's CHECK refuses what bypasses the type.

use std::collections::HashSet;

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::base::{
    BadValue, Cipher, FolderKey, Metadata, MirrorId, Result, Stamp, columns, found, object_bytes,
};
use crate::store::{Records, Writing};

/// One local name and everything that is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The folder that it is in.
    pub folder: FolderKey,
    /// Its local name.
    pub name: Vec<u8>,
    /// Taken when it was read. The size is that of the plain bytes that the service has.
    pub stamp: Stamp,
    /// For a restore.
    pub metadata: Metadata,
    /// What it holds, and where the service has it.
    pub content: Content,
    /// Touched within the clock's grain of being read: hash it again next time.
    pub racy: bool,
    /// It is excluded now: kept at the service, and not looked at any more.
    pub unmanaged: bool,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file that the service has confirmed.
    File(RemoteCopy),
    /// A file without contents, of which the service has nothing.
    Empty,
    /// A symbolic link, with its target as it is stored in it.
    Symlink(Vec<u8>),
}

/// The service's copy of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCopy {
    /// Its link: what identifies it, whatever its name.
    pub url: FileUrl,
    /// Hash of the bytes stored, as the service reported it.
    pub whirlpool: Whirlpool,
    /// BLAKE3 of the plain bytes that were sent, or that were read when the file was adopted.
    pub fingerprint: Fingerprint,
    /// Its remote name, where it is not `RemoteName::encode(name)`.
    pub remote_name: Option<RemoteName>,
    /// When the service confirmed it; Unix seconds. [`NOT_CONFIRMED`] while it has told name and
    /// size, and no hash.
    pub confirmed_s: i64,
    /// How it came to be there.
    pub origin: Origin,
    /// It changed while it was sent, again and again: these bytes were read, but perhaps never
    /// all there at one time.
    pub unsettled: bool,
    /// How it is enciphered; `None` if its plain bytes are stored.
    pub cipher: Option<Cipher>,
}

/// [`RemoteCopy::confirmed_s`] of a file whose hash the service has not told yet: the hash in its
/// record is that of the bytes sent.
pub const NOT_CONFIRMED: i64 = 0;

impl RemoteCopy {
    /// Whether the service has told the hash of this file, or of the one that it was copied from.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed_s != NOT_CONFIRMED
    }
}

/// How a file came to be at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// We sent it.
    Sent,
    /// It was there, and a listing showed the same size and hash. Never removed directly (I2).
    Adopted,
    /// The service copied a file of ours, or told no hash of one that we sent: the hash is the one
    /// that it should have, until a listing confirms it.
    Copied,
}

impl Entry {
    /// The name that a copy of it has at the service: the recorded one, or else its own, encoded.
    pub fn remote_name(&self) -> RemoteName {
        let recorded = self.remote().and_then(|copy| copy.remote_name.clone());
        recorded.unwrap_or_else(|| RemoteName::encode(&self.name))
    }

    /// The length of the file that the service has of it; 0 if it has none.
    pub fn object_bytes(&self) -> u64 {
        let copy = self.remote();
        copy.map_or(0, |copy| object_bytes(self.stamp.size_bytes, copy.cipher.as_ref()))
    }

    /// The copy at the service; an empty file that is stored nowhere, or a link, has none.
    pub fn remote(&self) -> Option<&RemoteCopy> {
        match &self.content {
            Content::File(copy) => Some(copy),
            Content::Empty | Content::Symlink(_) => None,
        }
    }
}

const FILE: i64 = 1;
const EMPTY: i64 = 2;
const SYMLINK: i64 = 3;

/// The columns that [`read`] expects, for statements over `entries`.
macro_rules! entry_columns {
    () => {
        "entries.folder_id, entries.name, entries.kind, entries.size_bytes, entries.mtime_ns,
        entries.ctime_ns, entries.inode, entries.mode, entries.uid, entries.gid,
        entries.meta_mtime_ns, entries.xattrs, entries.racy, entries.unmanaged, entries.link,
        entries.whirlpool, entries.fingerprint, entries.remote_name, entries.confirmed_s,
        entries.origin, entries.unsettled, entries.symlink, entries.links, entries.holes,
        entries.cipher"
    };
}
pub(crate) use entry_columns;

const UPSERT: &str = "INSERT INTO entries (folder_id, name, kind, size_bytes, mtime_ns, ctime_ns,
        inode, mode, uid, gid, meta_mtime_ns, xattrs, racy, unmanaged, link, whirlpool,
        fingerprint, remote_name, confirmed_s, origin, unsettled, symlink, links, holes, cipher,
        since)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
        ?20, ?21, ?22, ?23, ?24, ?25, (SELECT max(id) FROM moments))
    ON CONFLICT (folder_id, name) DO UPDATE SET kind = ?3, size_bytes = ?4, mtime_ns = ?5,
        ctime_ns = ?6, inode = ?7, mode = ?8, uid = ?9, gid = ?10, meta_mtime_ns = ?11,
        xattrs = ?12, racy = ?13, unmanaged = ?14, link = ?15, whirlpool = ?16,
        fingerprint = ?17, remote_name = ?18, confirmed_s = ?19, origin = ?20, unsettled = ?21,
        symlink = ?22, links = ?23, holes = ?24, cipher = ?25";

impl Records {
    /// The entries directly in a folder, by the bytes of their names.
    pub fn entries(&self, folder: FolderKey) -> Result<Vec<Entry>> {
        let mut select = self.db.prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries WHERE folder_id = ?1 ORDER BY name"
        ))?;
        let rows = select.query_map([folder], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// One entry, by its place.
    pub fn entry(&self, folder: FolderKey, name: &[u8]) -> Result<Option<Entry>> {
        let mut select = self.db.prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries WHERE folder_id = ?1 AND name = ?2"
        ))?;
        Ok(select.query_row(params![folder, name], read).optional()?)
    }

    /// Files of a mirror with this content, at most `limit`.
    pub fn with_content(
        &self,
        mirror: MirrorId,
        size_bytes: u64,
        fingerprint: &Fingerprint,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let mut select = self.db.prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries INDEXED BY entries_by_content
            CROSS JOIN folders ON folders.id = entries.folder_id
            WHERE kind = 1 AND size_bytes = ?2 AND substr(fingerprint, 1, 4) = substr(?3, 1, 4)
                AND fingerprint = ?3 AND mirror_id = ?1 LIMIT ?4"
        ))?;
        let limit = columns::limit(limit);
        let wanted = params![mirror, columns::size(size_bytes), fingerprint.as_bytes(), limit];
        let rows = select.query_map(wanted, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Files of a mirror whose hashes the service has not told, of at most `up_to` bytes, at most
    /// `limit` of them. Reads every row.
    pub fn not_confirmed_files(
        &self,
        mirror: MirrorId,
        up_to: u64,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let mut select = self.db.prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries CROSS JOIN folders ON folders.id = entries.folder_id
            WHERE confirmed_s = ?2 AND size_bytes <= ?3 AND entries.unmanaged = 0
                AND mirror_id = ?1 LIMIT ?4"
        ))?;
        let wanted = params![mirror, NOT_CONFIRMED, columns::size(up_to), columns::limit(limit)];
        let rows = select.query_map(wanted, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The places of all entries with one of these inodes, which comes first, of whatever mirror. An inode is
    /// another file on another file system, so some may have nothing to do with each other. Reads
    /// all rows once.
    pub fn places_of_inodes(
        &self,
        inodes: &HashSet<u64>,
    ) -> Result<Vec<(u64, FolderKey, Vec<u8>)>> {
        let mut places = Vec::new();
        if inodes.is_empty() {
            return Ok(places);
        }
        let mut select = self.db.prepare_cached("SELECT inode, folder_id, name FROM entries")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let inode = row.get::<_, i64>(0)?.cast_unsigned();
            if inodes.contains(&inode) {
                places.push((inode, row.get(1)?, columns::read_local_name(row, 2)?));
            }
        }
        Ok(places)
    }

    /// The entry whose copy at the service has this link.
    pub fn entry_of_url(&self, url: &FileUrl) -> Result<Option<Entry>> {
        let mut select = self.db.prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries WHERE link = ?1"
        ))?;
        Ok(select.query_row([columns::link(url)], read).optional()?)
    }

    /// Which of `urls` are on record already: current copies, versions, snapshots, and files that
    /// have arrived and are not in place yet.
    pub fn known_urls<'a>(
        &self,
        urls: impl Iterator<Item = &'a FileUrl>,
    ) -> Result<HashSet<FileUrl>> {
        let mut select = self.db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM entries WHERE link = ?1)
                OR EXISTS (SELECT 1 FROM versions WHERE link = ?1)
                OR EXISTS (SELECT 1 FROM pending_files WHERE link = ?1)
                OR EXISTS (SELECT 1 FROM snapshots WHERE link = ?1)",
        )?;
        let mut known = HashSet::new();
        for url in urls {
            if select.query_row([columns::link(url)], |row| row.get(0))? {
                known.insert(url.clone());
            }
        }
        Ok(known)
    }

    /// Which of `sizes` some file of the mirror has; a file of another size need not be hashed
    /// to know that it is new. One index look-up each.
    pub fn has_size(&self, mirror: MirrorId, sizes: &[u64]) -> Result<HashSet<u64>> {
        let mut select = self.db.prepare_cached(
            "SELECT 1 FROM entries INDEXED BY entries_by_content
            CROSS JOIN folders ON folders.id = entries.folder_id
            WHERE kind = 1 AND size_bytes = ?2 AND mirror_id = ?1 LIMIT 1",
        )?;
        let mut known = HashSet::new();
        for &size_bytes in &sizes.iter().copied().collect::<HashSet<_>>() {
            if select.exists(params![mirror, columns::size(size_bytes)])? {
                known.insert(size_bytes);
            }
        }
        Ok(known)
    }
}

impl Writing<'_> {
    /// Stores an entry, in place of the one that was on record under its name.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) if the folder is not on record, if another entry
    /// has the same link, or if the size does not fit the content.
    pub fn put_entry(&mut self, entry: &Entry) -> Result<()> {
        let (kind, copy, symlink) = match &entry.content {
            Content::File(copy) => (FILE, Some(copy), None),
            Content::Empty => (EMPTY, None, None),
            Content::Symlink(target) => (SYMLINK, None, Some(target)),
        };
        let Entry { stamp, metadata, .. } = entry;
        self.mark_moment()?;
        // Nearly always the same: NULL takes eight bytes less in each row.
        let other_mtime = (metadata.mtime_ns != stamp.mtime_ns).then_some(metadata.mtime_ns);
        self.db.prepare_cached(UPSERT)?.execute(params![
            entry.folder,
            entry.name,
            kind,
            columns::size(stamp.size_bytes),
            stamp.mtime_ns,
            stamp.ctime_ns,
            stamp.inode.cast_signed(),
            metadata.mode,
            metadata.uid,
            metadata.gid,
            other_mtime,
            columns::xattrs(&metadata.xattrs),
            entry.racy,
            entry.unmanaged,
            copy.map(|copy| columns::link(&copy.url)),
            copy.map(|copy| copy.whirlpool.as_bytes()),
            copy.map(|copy| copy.fingerprint.as_bytes()),
            copy.and_then(|copy| copy.remote_name.as_ref()).map(RemoteName::as_str),
            copy.map(|copy| copy.confirmed_s),
            copy.map(|copy| copy.origin),
            copy.map(|copy| copy.unsettled),
            symlink,
            metadata.links,
            columns::holes(&metadata.holes),
            copy.and_then(|copy| copy.cipher).map(Cipher::to_bytes),
        ])?;
        Ok(())
    }

    /// Forgets an entry and returns it; `None` if there was none.
    pub fn remove_entry(&mut self, folder: FolderKey, name: &[u8]) -> Result<Option<Entry>> {
        let entry = self.entry(folder, name)?;
        self.mark_moment()?;
        self.db
            .prepare_cached("DELETE FROM entries WHERE folder_id = ?1 AND name = ?2")?
            .execute(params![folder, name])?;
        Ok(entry)
    }

    /// Marks one entry as excluded, or no longer.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`](crate::Error::Missing) if there is no such entry.
    pub fn set_unmanaged(&mut self, folder: FolderKey, name: &[u8], unmanaged: bool) -> Result<()> {
        self.mark_moment()?;
        let rows = self
            .db
            .prepare_cached("UPDATE entries SET unmanaged = ?3 WHERE folder_id = ?1 AND name = ?2")?
            .execute(params![folder, name, unmanaged])?;
        found(rows, "entry")
    }
}

/// Reads a row of [`entry_columns!`].
pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let stamp = Stamp::read(row, 3)?;
    let content = match row.get(2)? {
        FILE => Content::File(RemoteCopy {
            url: columns::read_link(row, 14)?,
            whirlpool: Whirlpool::from_bytes(row.get(15)?),
            fingerprint: Fingerprint::from_bytes(row.get(16)?),
            remote_name: columns::read_optional_name(row, 17)?,
            confirmed_s: row.get(18)?,
            origin: row.get(19)?,
            unsettled: row.get(20)?,
            cipher: Cipher::read(row, 24)?,
        }),
        EMPTY => Content::Empty,
        SYMLINK => Content::Symlink(row.get(21)?),
        _ => return Err(BadValue("a kind of entry").at(2, Type::Integer)),
    };
    Ok(Entry {
        folder: row.get(0)?,
        name: columns::read_local_name(row, 1)?,
        stamp,
        metadata: Metadata {
            links: row.get(22)?,
            holes: columns::read_holes(row, 23)?,
            ..Metadata::read(row, 7, stamp.mtime_ns)?
        },
        content,
        racy: row.get(12)?,
        unmanaged: row.get(13)?,
    })
}

impl ToSql for Origin {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Origin::Sent => 1,
            Origin::Adopted => 2,
            Origin::Copied => 3,
        }
        .into())
    }
}

impl FromSql for Origin {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Origin> {
        match value.as_i64()? {
            1 => Ok(Origin::Sent),
            2 => Ok(Origin::Adopted),
            3 => Ok(Origin::Copied),
            _ => Err(FromSqlError::other(BadValue("an origin"))),
        }
    }
}
