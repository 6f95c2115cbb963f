//! Copies one mirror's records out of the state file: the content of a snapshot.
//!
//! The copy is a database of its own with the tables of the state, but only the rows of one
//! mirror, no secondary indexes and no triggers; the table `snapshot` says what it is, and
//! `snapshot_rows` how many rows belong to it. It is made over a connection of its own that only
//! reads the state, in one transaction: everything in it was true at one moment, and the
//! service's own connection is never locked out. Rows go from file to file, a few pages at a time.
//!
//! Work that was begun at the service (intents, pending uploads) is not copied: on another day
//! nothing of it is true. Neither are notes and problems.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

use super::facts::{self, SnapshotFacts};
use super::file::create;
use super::tables::{self, TABLES};
use crate::base::{Error, MirrorId, Result};
use crate::schema;
use crate::store::{Moment, attach};

/// Instructions of SQLite's machine between two looks at the clock, a few milliseconds apart. Past
/// the deadline the copy ends there with an error.
const LOOK_AT_CLOCK: i32 = 50_000;

/// Copies the records of `mirror` from the state in `state_dir` to the file `out`, which is
/// replaced. The newest moment and the installation of `facts` are filled in from the state. Blocks
/// for about a second for 100,000 files.
///
/// # Errors
///
/// Those of reading and writing; [`Error::TimeUp`] past the deadline, with half a file at `out`.
pub fn extract(
    state_dir: &Path,
    mirror: MirrorId,
    facts: &SnapshotFacts,
    out: &Path,
    deadline: Option<Instant>,
) -> Result<SnapshotFacts> {
    let mut db = create(out)?;
    if let Some(deadline) = deadline {
        db.progress_handler(LOOK_AT_CLOCK, Some(move || Instant::now() >= deadline))?;
    }
    copy_rows(&db, state_dir, mirror, facts).map_err(|error| match deadline {
        Some(deadline) if Instant::now() >= deadline => Error::TimeUp,
        _ => error,
    })
}

fn copy_rows(
    db: &Connection,
    state_dir: &Path,
    mirror: MirrorId,
    facts: &SnapshotFacts,
) -> Result<SnapshotFacts> {
    attach(db, &state_dir.join("state.db"), "source")?;
    // The first look at the state begins the one transaction in which all of it is read.
    db.execute_batch("BEGIN")?;
    schema::mark(db, schema::form(db, "source")?)?;
    let facts = SnapshotFacts {
        moment: db
            .query_row("SELECT max(id) FROM source.moments", [], |row| row.get(0).map(Moment))?,
        installation: installation(db)?,
        ..facts.clone()
    };
    for table in TABLES {
        if tables::create(db, table.name, "source")? {
            let sql = format!("INSERT INTO main.{} SELECT t.* FROM {}", table.name, table.rows);
            let mut insert = db.prepare(&sql)?;
            match insert.parameter_count() {
                0 => insert.execute([])?,
                _ => insert.execute([mirror])?,
            };
        }
    }
    facts::write(db, &facts)?;
    db.execute(
        "INSERT INTO main.snapshot_ids (name, last)
            SELECT name, seq FROM source.sqlite_sequence
            WHERE name IN (SELECT name FROM main.snapshot_rows)",
        [],
    )?;
    db.execute_batch("COMMIT; DETACH source")?;
    Ok(facts)
}

fn installation(db: &Connection) -> Result<Option<String>> {
    let mut select = db.prepare("SELECT value FROM source.notes WHERE key = 'installation'")?;
    let mut rows = select.query([])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}
