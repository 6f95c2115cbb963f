//! The difference between two copies of a mirror's records, and a whole copy made from it again.
//!
//! Tables are compared row by row by their primary keys, so that the result depends on the two
//! copies alone: changed and new rows as they are, and the keys of those that are gone.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::facts::{self, SnapshotFacts, check_counts, note_rows, read_facts};
use super::file::{create, length, open};
use super::tables::{self, Columns, TABLES, columns};
use crate::base::{Error, Result};
use crate::schema;
use crate::store::{attach, empty_file};

/// Writes to `out` the changes from the whole copy `base` to the whole copy `whole`, as a copy
/// called `name`. Returns its length in bytes; `None` if the two copies have not the same form, and
/// cannot be compared.
///
/// # Errors
///
/// Those of reading and writing.
pub fn difference(base: &Path, whole: &Path, out: &Path, name: &str) -> Result<Option<u64>> {
    let db = create(out)?;
    attach(&db, base, "base")?;
    attach(&db, whole, "whole")?;
    if schema::form(&db, "base")? != schema::form(&db, "whole")? {
        return Ok(None);
    }
    db.execute_batch("BEGIN")?;
    schema::mark(&db, schema::form(&db, "whole")?)?;
    facts::make_tables(&db)?;
    for table in TABLES {
        let of = columns(&db, table.name, "whole")?;
        if of.all.is_empty() {
            continue;
        }
        tables::create(&db, table.name, "whole")?;
        compare(&db, table.name, &of)?;
        let in_whole = db.query_row(
            "SELECT whole FROM whole.snapshot_rows WHERE name = ?1",
            [table.name],
            |row| row.get(0),
        )?;
        note_rows(&db, table.name, Some(in_whole))?;
    }
    let facts = SnapshotFacts {
        name: name.to_owned(),
        base: Some(read_facts(&db, "base")?.name),
        ..read_facts(&db, "whole")?
    };
    facts::insert(&db, &facts)?;
    db.execute_batch(
        "INSERT INTO main.snapshot_ids SELECT * FROM whole.snapshot_ids;
        COMMIT; DETACH base; DETACH whole",
    )?;
    drop(db);
    Ok(Some(length(out)?))
}

fn compare(db: &Connection, name: &str, of: &Columns) -> Result<()> {
    let key = of.key.join(", ");
    let same_key = joined(&of.key, "n.{} = o.{}", " AND ");
    let first = of.key.first().ok_or_else(|| Error::corrupt("a table without a key"))?;
    let differs = joined(&of.all, "n.{} IS NOT o.{}", " OR ");
    db.execute(
        &format!(
            "INSERT INTO main.{name} SELECT n.* FROM whole.{name} AS n
            LEFT JOIN base.{name} AS o ON {same_key} WHERE o.{first} IS NULL OR {differs}"
        ),
        [],
    )?;
    let gone_key = joined(&of.key, "o.{}", ", ");
    db.execute_batch(&format!("CREATE TABLE main.gone_{name} ({key})"))?;
    db.execute(
        &format!(
            "INSERT INTO main.gone_{name} SELECT {gone_key} FROM base.{name} AS o
            LEFT JOIN whole.{name} AS n ON {same_key} WHERE n.{first} IS NULL"
        ),
        [],
    )?;
    Ok(())
}

/// Lays the difference `part` over the whole copy `base`, into the file `out`.
///
/// # Errors
///
/// [`Error::Corrupt`] if the two do not belong together, or the result has not the rows that it
/// should have.
pub fn lay_over(base: &Path, part: &Path, out: &Path) -> Result<SnapshotFacts> {
    empty_file(out)?;
    std::fs::copy(base, out).map_err(|source| Error::io(out, source))?;
    let db = open(out, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    attach(&db, part, "part")?;
    let (below, above) = (read_facts(&db, "main")?, read_facts(&db, "part")?);
    if above.base.as_ref() != Some(&below.name) || below.base.is_some() {
        return Err(Error::corrupt(format!("it does not belong to {}", below.name)));
    }
    if schema::form(&db, "main")? != schema::form(&db, "part")? {
        return Err(Error::corrupt(format!("{} has another form", below.name)));
    }
    db.execute_batch("BEGIN")?;
    for table in TABLES {
        let of = columns(&db, table.name, "part")?;
        if !of.all.is_empty() {
            replace_rows(&db, table.name, &of)?;
        }
    }
    db.execute_batch(
        "DELETE FROM main.snapshot; INSERT INTO main.snapshot SELECT * FROM part.snapshot;
        UPDATE main.snapshot SET base = NULL;
        DELETE FROM main.snapshot_ids; INSERT INTO main.snapshot_ids SELECT * FROM part.snapshot_ids;
        DELETE FROM main.snapshot_rows;
        INSERT INTO main.snapshot_rows SELECT name, whole, whole FROM part.snapshot_rows;
        COMMIT; DETACH part",
    )?;
    check_counts(&db)?;
    Ok(SnapshotFacts { base: None, ..above })
}

/// Deletes all rows that changed before it adds any, so that no row meets a name that another one
/// still has.
fn replace_rows(db: &Connection, name: &str, of: &Columns) -> Result<()> {
    let key = of.key.join(", ");
    for from in [format!("part.gone_{name}"), format!("part.{name}")] {
        db.execute(
            &format!("DELETE FROM main.{name} WHERE ({key}) IN (SELECT {key} FROM {from})"),
            [],
        )?;
    }
    db.execute(&format!("INSERT INTO main.{name} SELECT * FROM part.{name}"), [])?;
    Ok(())
}

/// `pattern` for each name, put in place of `{}`.
fn joined(names: &[String], pattern: &str, between: &str) -> String {
    let parts: Vec<String> = names.iter().map(|name| pattern.replace("{}", name)).collect();
    parts.join(between)
}
