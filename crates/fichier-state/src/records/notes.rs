//! Small facts about the whole installation, by name: its id, the account, a pause.

use rusqlite::{OptionalExtension as _, params};

use crate::base::Result;
use crate::store::{Records, Writing};

impl Records {
    /// The fact of that name.
    pub fn note(&self, key: &str) -> Result<Option<String>> {
        let mut select = self.db.prepare_cached("SELECT value FROM notes WHERE key = ?1")?;
        Ok(select.query_row([key], |row| row.get(0)).optional()?)
    }

    /// The id of this installation (note `installation`): whose staging folder is whose.
    pub fn installation(&self) -> Result<Option<String>> {
        self.note("installation")
    }

    /// Whether someone paused the service (note `paused`, whatever it says).
    pub fn paused(&self) -> Result<bool> {
        Ok(self.note("paused")?.is_some())
    }
}

impl Writing<'_> {
    /// Keeps the id of this installation.
    pub fn set_installation(&mut self, id: &str) -> Result<()> {
        self.set_note("installation", Some(id))
    }

    /// Remembers that the service is paused, or not any more.
    pub fn set_paused(&mut self, paused: bool) -> Result<()> {
        self.set_note("paused", paused.then_some("yes"))
    }

    /// Stores a fact, or forgets it.
    pub fn set_note(&mut self, key: &str, value: Option<&str>) -> Result<()> {
        match value {
            Some(value) => self
                .db
                .prepare_cached(
                    "INSERT INTO notes (key, value) VALUES (?1, ?2)
                    ON CONFLICT (key) DO UPDATE SET value = ?2",
                )?
                .execute(params![key, value])?,
            None => self.db.prepare_cached("DELETE FROM notes WHERE key = ?1")?.execute([key])?,
        };
        Ok(())
    }
}
