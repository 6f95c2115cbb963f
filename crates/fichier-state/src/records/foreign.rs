//! Files in our remote folders that are not ours: shown by a listing, never touched (I2).
//!
//! They are kept because their names are in use: publishing a file of that name must first
//! decide what happens to them.

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, RemoteFile, Whirlpool};
use rusqlite::params;

use crate::base::{FolderKey, Result, columns};
use crate::store::{Records, Writing};

/// A remote file that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignFile {
    /// Its link at the service.
    pub url: FileUrl,
    /// Its remote name; several files may share one.
    pub name: RemoteName,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its hash, if the service had one.
    pub whirlpool: Option<Whirlpool>,
}

impl From<&RemoteFile> for ForeignFile {
    /// What a listing shows of a file, without the time when it was sent.
    fn from(file: &RemoteFile) -> ForeignFile {
        ForeignFile {
            url: file.url.clone(),
            name: file.name.clone(),
            size_bytes: file.size_bytes,
            whirlpool: file.whirlpool,
        }
    }
}

impl Records {
    /// The foreign files in the remote copy of a folder, by name.
    pub fn foreign(&self, folder: FolderKey) -> Result<Vec<ForeignFile>> {
        let mut select = self.db.prepare_cached(
            "SELECT link, name, size_bytes, whirlpool FROM foreign_files
            WHERE folder_id = ?1 ORDER BY name, link",
        )?;
        let rows = select.query_map([folder], |row| {
            Ok(ForeignFile {
                url: columns::read_link(row, 0)?,
                name: columns::read_name(row, 1)?,
                size_bytes: columns::read_size(row, 2)?,
                whirlpool: columns::read_whirlpool(row, 3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writing<'_> {
    /// Stores the foreign files that a complete listing of a folder showed, in place of those that
    /// were known there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) if the folder is not on record.
    pub fn set_foreign(&mut self, folder: FolderKey, files: &[ForeignFile]) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM foreign_files WHERE folder_id = ?1")?
            .execute([folder])?;
        files.iter().try_for_each(|file| self.insert_foreign(folder, file))
    }

    /// Adds one foreign file to those of a folder.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) if the folder is not on record.
    pub fn add_foreign(&mut self, folder: FolderKey, file: &ForeignFile) -> Result<()> {
        self.remove_foreign(folder, &file.url)?;
        self.insert_foreign(folder, file)
    }

    fn insert_foreign(&mut self, folder: FolderKey, file: &ForeignFile) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO foreign_files (folder_id, link, name, size_bytes, whirlpool)
                VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                folder,
                columns::link(&file.url),
                file.name.as_str(),
                columns::size(file.size_bytes),
                file.whirlpool.as_ref().map(Whirlpool::as_bytes),
            ])?;
        Ok(())
    }

    /// Forgets one foreign file: it is gone, or was moved out of the way.
    pub fn remove_foreign(&mut self, folder: FolderKey, url: &FileUrl) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM foreign_files WHERE folder_id = ?1 AND link = ?2")?
            .execute(params![folder, columns::link(url)])?;
        Ok(())
    }
}
