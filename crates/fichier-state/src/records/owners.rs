//! Names of users and groups, as this machine had them: on another one the numbers may differ.

use rusqlite::params;

use crate::base::{MirrorId, Result};
use crate::store::{Records, Writing};

/// A user or a group with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Whether it is a group.
    pub is_group: bool,
    /// Its number on this machine.
    pub id: u32,
    /// Its name on this machine.
    pub name: String,
}

impl Records {
    /// All names on record.
    pub fn owners(&self) -> Result<Vec<Owner>> {
        let mut select = self
            .db
            .prepare_cached("SELECT is_group, id, name FROM owners ORDER BY is_group, id")?;
        let rows = select.query_map([], |row| {
            Ok(Owner { is_group: row.get(0)?, id: row.get(1)?, name: row.get(2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The numbers of users and groups that own something in a mirror. Reads every row.
    pub fn owner_ids(&self, mirror: MirrorId) -> Result<Vec<(bool, u32)>> {
        let mut select = self.db.prepare_cached(
            "SELECT DISTINCT 0, entries.uid FROM entries JOIN folders ON folders.id = folder_id
                WHERE mirror_id = ?1
            UNION SELECT 1, entries.gid FROM entries JOIN folders ON folders.id = folder_id
                WHERE mirror_id = ?1
            UNION SELECT 0, uid FROM folders WHERE mirror_id = ?1
            UNION SELECT 1, gid FROM folders WHERE mirror_id = ?1",
        )?;
        let rows = select.query_map([mirror], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writing<'_> {
    /// Stores names. A number that has no name any more keeps the one on record.
    pub fn put_owners(&mut self, owners: &[Owner]) -> Result<()> {
        let mut upsert = self.db.prepare_cached(
            "INSERT INTO owners (is_group, id, name) VALUES (?1, ?2, ?3)
            ON CONFLICT (is_group, id) DO UPDATE SET name = ?3",
        )?;
        for owner in owners {
            upsert.execute(params![owner.is_group, owner.id, owner.name])?;
        }
        Ok(())
    }
}
