//! The mirrors: each a local folder and the remote one that follows it, and how far it got.
//!
//! A mirror is known by its name and its target together. Where one of them was changed in the
//! configuration, [`Records::mirror_of`] finds the records that are meant.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use fichier_api::FolderId;
use rusqlite::{OptionalExtension as _, Row, params};

use crate::base::{FolderKey, MirrorId, Result, found};
use crate::store::{Records, Writing};

/// One local folder and the remote folder that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Its key.
    pub id: MirrorId,
    /// Its name, as configured.
    pub name: String,
    /// The local folder, as configured.
    pub source: PathBuf,
    /// The remote path, as configured.
    pub target: String,
    /// The record of the source itself, which every mirror has.
    pub root: FolderKey,
    /// The proof that the source is mounted (I6), as JSON that this crate does not read.
    pub identity: Option<String>,
    /// Our staging folder at the service.
    pub incoming: Option<FolderId>,
    /// The remote folder that the versions are in.
    pub versions: Option<FolderId>,
    /// When this record was made; Unix seconds.
    pub created_s: i64,
    /// When a cycle last left nothing undone; Unix seconds.
    pub last_success_s: Option<i64>,
    /// Why its removals wait for a decision, as a sentence for people.
    pub held: Option<String>,
    /// How its files are stored, as JSON that this crate does not read; `None`: as they are on disk.
    pub form: Option<String>,
}

const SELECT: &str = "SELECT mirrors.id, mirrors.name, source, target, folders.id, identity,
        incoming, versions, created_s, last_success_s, held, form
    FROM mirrors JOIN folders ON mirror_id = mirrors.id AND parent_id IS NULL";

impl Records {
    /// All mirrors ever set up, oldest first.
    ///
    /// # Errors
    ///
    /// Those of reading: [`Error::Corrupt`](crate::Error::Corrupt),
    /// [`Error::Storage`](crate::Error::Storage). The same for every look-up of this crate.
    pub fn mirrors(&self) -> Result<Vec<Mirror>> {
        let mut select = self.db.prepare_cached(&format!("{SELECT} ORDER BY mirrors.id"))?;
        let rows = select.query_map([], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The mirror of that name and target.
    pub fn mirror(&self, name: &str, target: &str) -> Result<Option<Mirror>> {
        let sql = format!("{SELECT} WHERE mirrors.name = ?1 AND target = ?2");
        let mut select = self.db.prepare_cached(&sql)?;
        Ok(select.query_row([name, target], read).optional()?)
    }
}

impl Records {
    /// The mirror that is meant by these three: that of the name and target; else one of the name
    /// and source, whose target was changed; else one of the target, whose name was changed. Names
    /// and targets are unique in a configuration, so the mirror is then no longer configured as it
    /// is on record.
    pub fn mirror_of(&self, name: &str, source: &Path, target: &str) -> Result<Option<Mirror>> {
        if let Some(same) = self.mirror(name, target)? {
            return Ok(Some(same));
        }
        let all = self.mirrors()?;
        let retargeted = all.iter().rfind(|row| row.name == name && row.source == source);
        let renamed = || all.iter().rfind(|row| row.target == target);
        Ok(retargeted.or_else(renamed).cloned())
    }
}

impl Writing<'_> {
    /// Makes a mirror and the record of its root, which has no facts and no remote folder yet.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) if there is one of that name and target; and
    /// those of writing, as every change here:
    /// [`Error::Storage`](crate::Error::Storage), [`Error::Corrupt`](crate::Error::Corrupt).
    pub fn add_mirror(&mut self, name: &str, source: &Path, target: &str) -> Result<Mirror> {
        let source = source.as_os_str().as_bytes();
        self.db
            .prepare_cached("INSERT INTO mirrors (name, source, target) VALUES (?1, ?2, ?3)")?
            .execute(params![name, source, target])?;
        let id = MirrorId(self.db.last_insert_rowid());
        self.add_root(id)?;
        let sql = format!("{SELECT} WHERE mirrors.id = ?1");
        Ok(self.db.prepare_cached(&sql)?.query_row([id], read)?)
    }

    /// Stores every field of `mirror` but its root and when it was made. A new name or target
    /// renames the mirror, with all its records.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`](crate::Error::Missing) if there is no mirror of that id.
    pub fn update_mirror(&mut self, mirror: &Mirror) -> Result<()> {
        let mut update = self.db.prepare_cached(
            "UPDATE mirrors SET name = ?2, source = ?3, target = ?4, identity = ?5, incoming = ?6,
                versions = ?7, last_success_s = ?8, held = ?9, form = ?10
                WHERE id = ?1",
        )?;
        let rows = update.execute(params![
            mirror.id,
            mirror.name,
            mirror.source.as_os_str().as_bytes(),
            mirror.target,
            mirror.identity,
            mirror.incoming.map(|id| id.0),
            mirror.versions.map(|id| id.0),
            mirror.last_success_s,
            mirror.held,
            mirror.form,
        ])?;
        found(rows, "mirror")
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Mirror> {
    Ok(Mirror {
        id: row.get(0)?,
        name: row.get(1)?,
        source: PathBuf::from(OsString::from_vec(row.get(2)?)),
        target: row.get(3)?,
        root: row.get(4)?,
        identity: row.get(5)?,
        incoming: row.get::<_, Option<i64>>(6)?.map(FolderId),
        versions: row.get::<_, Option<i64>>(7)?.map(FolderId),
        created_s: row.get(8)?,
        last_success_s: row.get(9)?,
        held: row.get(10)?,
        form: row.get(11)?,
    })
}
