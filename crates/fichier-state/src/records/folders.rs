//! The local folders on record, and where the service has them.
//!
//! A folder has a row as soon as it is known, with or without a remote folder. Its path is
//! that of its parents: renaming a folder of a million files changes one row.

use fichier_api::FolderId;
use fichier_api::names::RemoteName;
use rusqlite::{OptionalExtension as _, Row, params};

use crate::base::{Error, FolderKey, Metadata, MirrorId, RelPath, Result, columns, found};
use crate::store::{Records, Writing};

/// Names in a path, at most: `PATH_MAX` is 4,096 bytes, and each name takes two with its slash.
/// More mean that a damaged file has folders inside themselves, which is an error.
pub(crate) const MAX_DEPTH: usize = 4096;

/// A remote folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteSpot {
    /// Its id at the service.
    pub id: FolderId,
    /// We made it: only then may it be moved or removed as a whole (I2).
    pub made_by_us: bool,
    /// Its contents are known: made by us, or listed once.
    pub listed: bool,
}

/// One local folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its key; stays when the folder is renamed or moved.
    pub key: FolderKey,
    /// The mirror that it belongs to.
    pub mirror: MirrorId,
    /// `None` for the root of a mirror.
    pub parent: Option<FolderKey>,
    /// Its local name; empty for the root.
    pub name: Vec<u8>,
    /// Where the service has it.
    pub remote: Option<RemoteSpot>,
    /// Its remote name, where it is not `RemoteName::encode(name)`.
    pub remote_name: Option<RemoteName>,
    /// Number of the file system that it is on; a reboot may change it.
    pub device: u64,
    /// Inode: how a renamed folder is recognised.
    pub inode: u64,
    /// When the inode changed, ns since 1970: extended attributes are read again then.
    pub ctime_ns: i64,
    /// For a restore.
    pub metadata: Metadata,
    /// It is excluded now: kept at the service, and not looked at any more.
    pub unmanaged: bool,
}

impl Folder {
    /// The name that it has at the service: the recorded one, or else its own, encoded.
    pub fn remote_name(&self) -> RemoteName {
        self.remote_name.clone().unwrap_or_else(|| RemoteName::encode(&self.name))
    }
}

/// Everything that the disk says about a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFacts {
    /// Number of the file system that it is on.
    pub device: u64,
    /// Number of its inode.
    pub inode: u64,
    /// When the inode changed, ns since 1970.
    pub ctime_ns: i64,
    /// For a restore.
    pub metadata: Metadata,
}

const SELECT: &str = "SELECT id, mirror_id, parent_id, name, remote_id, made_by_us, listed,
    remote_name, device, inode, mode, uid, gid, meta_mtime_ns, xattrs, unmanaged, ctime_ns
    FROM folders";

impl Records {
    /// The folder of that key.
    pub fn folder(&self, key: FolderKey) -> Result<Option<Folder>> {
        let mut select = self.db.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
        Ok(select.query_row([key], read).optional()?)
    }

    /// The folder at a path of a mirror; one look-up for each name in it.
    pub fn folder_at(&self, mirror: MirrorId, path: &RelPath) -> Result<Option<Folder>> {
        let sql = format!("{SELECT} WHERE mirror_id = ?1 AND parent_id IS NULL");
        let mut at = self.db.prepare_cached(&sql)?.query_row([mirror], read).optional()?;
        let mut select =
            self.db.prepare_cached(&format!("{SELECT} WHERE parent_id = ?1 AND name = ?2"))?;
        for name in path.components() {
            let Some(folder) = at else { break };
            at = select.query_row(params![folder.key, name], read).optional()?;
        }
        Ok(at)
    }

    /// Where a folder is in its source; one look-up for each name in the path.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no folder of that key.
    pub fn path_of(&self, key: FolderKey) -> Result<RelPath> {
        let mut names = Vec::new();
        let mut select =
            self.db.prepare_cached("SELECT parent_id, name FROM folders WHERE id = ?1")?;
        let mut at = Some(key);
        while let Some(key) = at {
            let found = select.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let (parent, name): (Option<FolderKey>, Vec<u8>) =
                found.ok_or(Error::Missing("folder"))?;
            if parent.is_some() {
                names.push(name);
            }
            if names.len() > MAX_DEPTH {
                return Err(Error::corrupt("a folder is inside itself"));
            }
            at = parent;
        }
        names.reverse();
        RelPath::parse(&names.join(&b'/')).map_err(|bad| Error::corrupt(bad.to_string()))
    }

    /// The folders directly in a folder, by the bytes of their names.
    pub fn subfolders(&self, key: FolderKey) -> Result<Vec<Folder>> {
        let sql = format!("{SELECT} WHERE parent_id = ?1 ORDER BY name");
        let mut select = self.db.prepare_cached(&sql)?;
        let rows = select.query_map([key], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether a folder of the mirror has this remote folder.
    pub fn has_remote_folder(&self, mirror: MirrorId, remote: FolderId) -> Result<bool> {
        let mut select = self.db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM folders WHERE mirror_id = ?1 AND remote_id = ?2)",
        )?;
        Ok(select.query_row(params![mirror, remote.0], |row| row.get(0))?)
    }
}

impl Writing<'_> {
    /// Puts a folder on record; the service does not have it yet.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if `mirror` has no folder `parent`; [`Error::Refused`] if that has a
    /// folder of this name.
    pub fn add_folder(
        &mut self,
        mirror: MirrorId,
        parent: FolderKey,
        name: &[u8],
        facts: &FolderFacts,
    ) -> Result<FolderKey> {
        let metadata = &facts.metadata;
        self.mark_moment()?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO folders (mirror_id, parent_id, name, device, inode,
                mode, uid, gid, meta_mtime_ns, xattrs, ctime_ns, since)
            SELECT mirror_id, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
                (SELECT max(id) FROM moments)
            FROM folders WHERE id = ?2 AND mirror_id = ?1",
        )?;
        let rows = insert.execute(params![
            mirror,
            parent,
            name,
            facts.device.cast_signed(),
            facts.inode.cast_signed(),
            metadata.mode,
            metadata.uid,
            metadata.gid,
            metadata.mtime_ns,
            columns::xattrs(&metadata.xattrs),
            facts.ctime_ns,
        ])?;
        found(rows, "parent folder")?;
        Ok(FolderKey(self.db.last_insert_rowid()))
    }

    /// Adds the root of a new mirror, about which nothing is known yet.
    pub(crate) fn add_root(&mut self, mirror: MirrorId) -> Result<()> {
        self.mark_moment()?;
        self.db.execute(
            "INSERT INTO folders (mirror_id, name, device, inode, mode, uid, gid, meta_mtime_ns,
                since)
            VALUES (?1, x'', 0, 0, 0, 0, 0, 0, (SELECT max(id) FROM moments))",
            [mirror],
        )?;
        Ok(())
    }

    /// Stores what the disk says about a folder.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no folder of that key.
    pub fn set_folder_facts(&mut self, key: FolderKey, facts: &FolderFacts) -> Result<()> {
        let metadata = &facts.metadata;
        self.mark_moment()?;
        let mut update = self.db.prepare_cached(
            "UPDATE folders SET device = ?2, inode = ?3, mode = ?4, uid = ?5, gid = ?6,
                meta_mtime_ns = ?7, xattrs = ?8, ctime_ns = ?9 WHERE id = ?1",
        )?;
        let rows = update.execute(params![
            key,
            facts.device.cast_signed(),
            facts.inode.cast_signed(),
            metadata.mode,
            metadata.uid,
            metadata.gid,
            metadata.mtime_ns,
            columns::xattrs(&metadata.xattrs),
            facts.ctime_ns,
        ])?;
        found(rows, "folder")
    }

    /// Stores where the service has a folder, and under which name if not the usual one.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if another folder of the mirror has that remote folder;
    /// [`Error::Missing`] if there is no folder of that key.
    pub fn set_folder_remote(
        &mut self,
        key: FolderKey,
        remote: Option<RemoteSpot>,
        remote_name: Option<&RemoteName>,
    ) -> Result<()> {
        let mut update = self.db.prepare_cached(
            "UPDATE folders SET remote_id = ?2, made_by_us = ?3, listed = ?4, remote_name = ?5
            WHERE id = ?1",
        )?;
        let rows = update.execute(params![
            key,
            remote.map(|spot| spot.id.0),
            remote.map(|spot| spot.made_by_us),
            remote.map(|spot| spot.listed),
            remote_name.map(RemoteName::as_str),
        ])?;
        found(rows, "folder")
    }

    /// Marks the contents of the mirror's remote folders as unknown: each is to be listed again
    /// before something goes there.
    pub fn doubt_listings(&mut self, mirror: MirrorId) -> Result<()> {
        self.db
            .prepare_cached(
                "UPDATE folders SET listed = 0 WHERE mirror_id = ?1 AND remote_id IS NOT NULL",
            )?
            .execute([mirror])?;
        Ok(())
    }

    /// Moves a folder with everything in it to another parent, another name, or both. Its
    /// remote name is as before: see [`Writing::set_folder_remote`].
    ///
    /// # Errors
    ///
    /// [`Error::Cycle`] · [`Error::Refused`] if the name is taken · [`Error::Missing`] if there is
    /// no such folder or parent
    pub fn move_folder(
        &mut self,
        key: FolderKey,
        new_parent: FolderKey,
        new_name: &[u8],
    ) -> Result<()> {
        self.mark_moment()?;
        let mut at = Some(new_parent);
        for _ in 0..=MAX_DEPTH {
            let Some(above) = at else { break };
            if above == key {
                return Err(Error::Cycle);
            }
            at = self.folder(above)?.ok_or(Error::Missing("parent folder"))?.parent;
        }
        let mut update = self.db.prepare_cached(
            "UPDATE folders SET parent_id = ?2, name = ?3
            WHERE id = ?1 AND mirror_id = (SELECT mirror_id FROM folders WHERE id = ?2)",
        )?;
        found(update.execute(params![key, new_parent, new_name])?, "folder")
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Folder> {
    let remote = match row.get::<_, Option<i64>>(4)? {
        None => None,
        Some(id) => {
            Some(RemoteSpot { id: FolderId(id), made_by_us: row.get(5)?, listed: row.get(6)? })
        }
    };
    let parent: Option<FolderKey> = row.get(2)?;
    // The source itself has no name.
    let name = parent.map(|_| columns::read_local_name(row, 3)).transpose()?.unwrap_or_default();
    Ok(Folder {
        key: row.get(0)?,
        mirror: row.get(1)?,
        parent,
        name,
        remote,
        remote_name: columns::read_optional_name(row, 7)?,
        device: row.get::<_, i64>(8)?.cast_unsigned(),
        inode: row.get::<_, i64>(9)?.cast_unsigned(),
        ctime_ns: row.get(16)?,
        metadata: Metadata::read(row, 10, 0)?,
        unmanaged: row.get(15)?,
    })
}
