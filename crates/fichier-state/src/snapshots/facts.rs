//! The facts that a copy holds about itself, and the check that they are true.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::file::open;
use super::tables::{TABLES, columns};
use crate::base::{Error, Result};
use crate::schema;
use crate::store::Moment;

/// Number of the form of the tables that only a copy has. A copy with a higher one is refused.
const FORMAT: i64 = 1;

const TABLES_OF_COPY: &str = "
    -- The one row says what this file is.
    CREATE TABLE main.snapshot (
        format       INTEGER NOT NULL,
        name         TEXT    NOT NULL,    -- under which it is kept at the service
        base         TEXT,                -- the whole one that it is laid over; NULL: it is whole
        mirror       TEXT    NOT NULL,
        source       BLOB    NOT NULL,
        target       TEXT    NOT NULL,
        installation TEXT,
        made_s       INTEGER NOT NULL,
        moment       INTEGER NOT NULL,
        config       TEXT,                -- the configuration file; it never holds the key
        program      TEXT    NOT NULL     -- which version made it
    ) STRICT;
    -- One row per table: rows in this file, and in the whole.
    CREATE TABLE main.snapshot_rows (
        name         TEXT    NOT NULL PRIMARY KEY,
        here         INTEGER NOT NULL,
        whole        INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- The last id that a table has given out: none is ever used again.
    CREATE TABLE main.snapshot_ids (
        name         TEXT    NOT NULL PRIMARY KEY,
        last         INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// The facts that a copy of a mirror's records holds about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFacts {
    /// The name under which it is kept at the service.
    pub name: String,
    /// Name of the whole copy that it has to be laid over; `None` if it is a whole one itself.
    pub base: Option<String>,
    /// The mirror's name.
    pub mirror: String,
    /// The local folder.
    pub source: PathBuf,
    /// The remote folder.
    pub target: String,
    /// The installation that made it.
    pub installation: Option<String>,
    /// When it was made; Unix seconds.
    pub made_s: i64,
    /// The newest moment that it knows.
    pub moment: Moment,
    /// The text of the configuration file.
    pub config: Option<String>,
    /// The version of the program that made it.
    pub program: String,
}

/// Makes the tables that only a copy has, for rows that are there already.
pub(super) fn write(db: &Connection, facts: &SnapshotFacts) -> Result<()> {
    make_tables(db)?;
    for table in TABLES {
        if !columns(db, table.name, "main")?.all.is_empty() {
            note_rows(db, table.name, None)?;
        }
    }
    insert(db, facts)
}

pub(super) fn make_tables(db: &Connection) -> Result<()> {
    Ok(db.execute_batch(TABLES_OF_COPY)?)
}

pub(super) fn insert(db: &Connection, facts: &SnapshotFacts) -> Result<()> {
    db.execute(
        "INSERT INTO main.snapshot (format, name, base, mirror, source, target, installation,
            made_s, moment, config, program) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            FORMAT,
            facts.name,
            facts.base,
            facts.mirror,
            facts.source.as_os_str().as_bytes(),
            facts.target,
            facts.installation,
            facts.made_s,
            facts.moment.0,
            facts.config,
            facts.program,
        ],
    )?;
    Ok(())
}

/// How a copy says that the files of its mirror are stored ([`Mirror::form`](crate::Mirror)).
///
/// # Errors
///
/// Those of reading; a copy of an older form than the fourth does not say it.
pub fn form_in(path: &Path) -> Result<Option<String>> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(db.query_row("SELECT form FROM mirrors", [], |row| row.get(0))?)
}

/// Reads the facts of a copy, without a look at whether it is sound.
///
/// # Errors
///
/// As [`examine`], as far as the first page tells.
pub fn facts_of(path: &Path) -> Result<SnapshotFacts> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    schema::version(&db, path)?;
    read_facts(&db, "main")
}

/// Checks that the file at `path` is a sound copy, and returns its facts.
///
/// # Errors
///
/// [`Error::NotOurs`] · [`Error::FromTheFuture`] · [`Error::Corrupt`] if a page is damaged or a
/// row is missing.
pub fn examine(path: &Path) -> Result<SnapshotFacts> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if schema::version(&db, path)? == 0 {
        return Err(Error::corrupt("it is empty"));
    }
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Error::corrupt(verdict));
    }
    let facts = read_facts(&db, "main")?;
    check_counts(&db)?;
    check_names(&db)?;
    Ok(facts)
}

/// Refuses bytes that are no name: each later look at their folder would fail.
fn check_names(db: &Connection) -> Result<()> {
    for table in ["entries", "folders", "past_entries", "past_folders"] {
        let columns = columns(db, table, "main")?.all;
        // An older copy may lack a table. The source itself has no parent and no name.
        let is_named = match columns.iter().any(|column| column == "parent_id") {
            true => "parent_id IS NOT NULL",
            false if columns.is_empty() => continue,
            false => "true",
        };
        let sql = format!(
            "SELECT count(*) FROM main.{table} WHERE {is_named} AND (length(name) = 0
                OR name IN (x'2E', x'2E2E') OR instr(name, x'2F') > 0 OR instr(name, x'00') > 0)"
        );
        let bad: i64 = db.query_row(&sql, [], |row| row.get(0))?;
        if bad > 0 {
            return Err(Error::corrupt(format!("{bad} names in {table} lead elsewhere")));
        }
    }
    Ok(())
}

pub(super) fn check_counts(db: &Connection) -> Result<()> {
    let mut select = db.prepare("SELECT name, here FROM main.snapshot_rows")?;
    let mut rows = select.query([])?;
    let mut known = 0;
    while let Some(row) = rows.next()? {
        let (name, here): (String, i64) = (row.get(0)?, row.get(1)?);
        // Only names that we know are put into a statement.
        let Some(table) = TABLES.iter().find(|table| table.name == name) else { continue };
        known += 1;
        let found = count(db, table.name)?;
        if found != here {
            let what = format!("{found} rows of {name} instead of {here}");
            return Err(Error::corrupt(what));
        }
    }
    if known == 0 { Err(Error::corrupt("it holds no table")) } else { Ok(()) }
}

/// Counts the rows of a table.
pub(crate) fn count(db: &Connection, table: &str) -> Result<i64> {
    Ok(db.query_row(&format!("SELECT count(*) FROM main.{table}"), [], |row| row.get(0))?)
}

/// Notes how many rows of a table are in this file, and how many belong to the whole.
pub(crate) fn note_rows(db: &Connection, table: &str, whole: Option<i64>) -> Result<()> {
    let here = count(db, table)?;
    db.execute(
        "INSERT INTO main.snapshot_rows (name, here, whole) VALUES (?1, ?2, ?3)",
        params![table, here, whole.unwrap_or(here)],
    )?;
    Ok(())
}

/// The facts of the copy that is attached as `of`.
pub(crate) fn read_facts(db: &Connection, of: &str) -> Result<SnapshotFacts> {
    let sql = format!(
        "SELECT format, name, base, mirror, source, target, installation, made_s, moment, config,
            program FROM {of}.snapshot"
    );
    let (format, facts) = db.query_row(&sql, [], |row| {
        let facts = SnapshotFacts {
            name: row.get(1)?,
            base: row.get(2)?,
            mirror: row.get(3)?,
            source: PathBuf::from(OsString::from_vec(row.get(4)?)),
            target: row.get(5)?,
            installation: row.get(6)?,
            made_s: row.get(7)?,
            moment: Moment(row.get(8)?),
            config: row.get(9)?,
            program: row.get(10)?,
        };
        Ok((row.get::<_, i64>(0)?, facts))
    })?;
    if format > FORMAT {
        return Err(Error::FromTheFuture { found: format, newest: FORMAT });
    }
    Ok(facts)
}
