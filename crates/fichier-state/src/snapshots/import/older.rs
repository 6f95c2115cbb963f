//! Brings a copy that an older program made into the form that this one knows.
//!
//! Its rows are laid into a state of the form that they have, and the migrations do the rest: rows
//! are brought up to date in one way only.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::base::{Error, Result};
use crate::schema::{self, MIGRATIONS};
use crate::snapshots::file::{create, open};
use crate::snapshots::tables::{TABLES, columns};
use crate::store::attach;

/// The path where the copy at `path` can be read in the newest form: its own, or that of a file
/// beside it.
pub(super) fn up_to_date(path: &Path) -> Result<PathBuf> {
    let version = schema::version(&open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?, path)?;
    if version == MIGRATIONS.len() {
        return Ok(path.to_owned());
    }
    let newer = path.with_extension("migrated");
    let mut db = create(&newer)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    let then = MIGRATIONS.get(..version).ok_or_else(|| Error::corrupt("its form is unknown"))?;
    schema::migrate(&mut db, dir, 0, then)?;
    attach(&db, path, "copy")?;
    for table in TABLES {
        copy_rows(&db, table.name)?;
    }
    for table in ["snapshot", "snapshot_rows", "snapshot_ids"] {
        db.execute_batch(&format!("CREATE TABLE main.{table} AS SELECT * FROM copy.{table}"))?;
    }
    db.execute_batch("DETACH copy")?;
    schema::migrate(&mut db, dir, version, MIGRATIONS)?;
    Ok(newer)
}

fn copy_rows(db: &Connection, table: &str) -> Result<()> {
    let there = columns(db, table, "copy")?;
    if there.all.is_empty() {
        return Ok(());
    }
    let names = there.all.join(", ");
    db.execute_batch(&format!(
        "DELETE FROM main.{table}; INSERT INTO main.{table} ({names}) SELECT {names} FROM copy.{table}"
    ))?;
    Ok(())
}
