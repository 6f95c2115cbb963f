//! Lays a copy of a mirror's records (see [`crate::extract()`]) into a state, for a recovery.
//!
//! One transaction does all of it. Ids of the copy are moved behind those that the state has given
//! out, so that several mirrors fit into one state; the moments of both become one line of time.
//!
//! The copy is believed about the service and about the past, and not about the disk: the identity
//! of the source is forgotten, and so is which folders were listed. The next cycle compares by
//! content, and lists before it sends.

mod older;
mod timeline;

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::facts::{SnapshotFacts, examine, read_facts};
use super::tables::{Columns, TABLES, columns};
use crate::base::{Error, Result};
use crate::records::Mirror;
use crate::store::{Store, Writing, attach};

/// The SQL that takes over one column: ids are moved, and moments get their new numbers.
fn taken_over(table: &str, column: &str) -> String {
    let table_of_id = match (table, column) {
        (_, "mirror_id") | ("mirrors", "id") => "mirrors",
        (_, "folder_id" | "parent_id") | ("folders" | "past_folders", "id") => "folders",
        ("versions", "id") => "versions",
        (_, "base_id") | ("snapshots", "id") => "snapshots",
        ("cycles", "id") => "cycles",
        ("removals", "id") => return "NULL".to_owned(),
        ("mirrors", "identity" | "held") => return "NULL".to_owned(),
        ("mirrors", "allowance") => return "0".to_owned(),
        // Every remote folder is listed again before anything goes there.
        ("folders", "listed") => return "CASE WHEN remote_id IS NOT NULL THEN 0 END".to_owned(),
        (_, "since" | "first" | "last" | "moment" | "history_from") => {
            return format!("(SELECT new FROM temp.moment_map WHERE here = 0 AND old = {column})");
        }
        _ => return column.to_owned(),
    };
    format!("{column} + (SELECT by FROM temp.id_map WHERE name = '{table_of_id}')")
}

impl Store {
    /// Lays the whole copy at `path` into this state, and runs `then` in the same transaction. A
    /// copy of an older form is brought up to date first, in files beside it.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyHere`] · those of [`examine`] · those of writing; nothing was changed.
    pub fn import<R>(
        &mut self,
        path: &Path,
        then: impl FnOnce(&mut Writing<'_>, &Mirror) -> Result<R>,
    ) -> Result<R> {
        let facts = examine(path)?;
        let path = older::up_to_date(path)?;
        attach(&self.db, &path, "copy")?;
        let done = self.import_attached(&facts, then);
        self.db.execute_batch("DETACH copy")?;
        done
    }

    fn import_attached<R>(
        &self,
        facts: &SnapshotFacts,
        then: impl FnOnce(&mut Writing<'_>, &Mirror) -> Result<R>,
    ) -> Result<R> {
        if self.mirror(&facts.mirror, &facts.target)?.is_some() {
            let (mirror, target) = (facts.mirror.clone(), facts.target.clone());
            return Err(Error::AlreadyHere { mirror, target });
        }
        let db = &self.db;
        let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
        // A folder may come before the one that it is in.
        db.pragma_update(None, "defer_foreign_keys", 1)?;
        timeline::merge(db)?;
        map_ids(db)?;
        for table in TABLES {
            take_over(db, table.name)?;
        }
        keep_ids(db)?;
        db.execute_batch("DROP TABLE temp.moment_map; DROP TABLE temp.id_map")?;
        let read = read_facts(db, "copy")?;
        let mirror = self.mirror(&read.mirror, &read.target)?;
        let mirror = mirror.ok_or_else(|| Error::corrupt("the copy has no mirror of its name"))?;
        let done = then(&mut self.writing(), &mirror)?;
        transaction.commit()?;
        Ok(done)
    }
}

/// Makes `temp.id_map`: by how much the ids of each table are moved, to be behind all that this
/// state has ever given out.
fn map_ids(db: &Connection) -> Result<()> {
    db.execute_batch(
        "CREATE TEMP TABLE id_map (name TEXT PRIMARY KEY, by INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO temp.id_map SELECT tables.column1,
                ifnull((SELECT seq FROM main.sqlite_sequence WHERE name = tables.column1), 0)
            FROM (VALUES ('mirrors'), ('folders'), ('versions'), ('snapshots'), ('cycles'))
                AS tables",
    )?;
    Ok(())
}

fn take_over(db: &Connection, table: &str) -> Result<()> {
    let (here, there) = (columns(db, table, "main")?, columns(db, table, "copy")?);
    if table == "moments" || there.all.is_empty() {
        return Ok(());
    }
    let Columns { all: names, .. } = here;
    let values: Vec<String> = names.iter().map(|name| taken_over(table, name)).collect();
    let on_conflict = if table == "owners" { "OR IGNORE" } else { "" };
    let sql = format!(
        "INSERT {on_conflict} INTO main.{table} ({}) SELECT {} FROM copy.{table}",
        names.join(", "),
        values.join(", ")
    );
    db.execute(&sql, [])?;
    Ok(())
}

/// Keeps ids that the copy had given out from being given out again: rows of the past still have
/// them.
fn keep_ids(db: &Connection) -> Result<()> {
    let mut select = db.prepare(
        "SELECT name, by + ifnull((SELECT last FROM copy.snapshot_ids AS ids
            WHERE ids.name = id_map.name), 0) FROM temp.id_map",
    )?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let last: Vec<(String, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    for (name, last) in last {
        let update = "UPDATE main.sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
        if db.execute(update, params![name, last])? == 0 && last > 0 {
            let insert = "INSERT INTO main.sqlite_sequence (name, seq) VALUES (?1, ?2)";
            db.execute(insert, params![name, last])?;
        }
    }
    Ok(())
}
