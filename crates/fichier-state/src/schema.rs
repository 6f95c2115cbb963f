//! The database's form, and how an older file becomes the newest one.
//!
//! A migration is one SQL file and is never edited once released. `PRAGMA user_version`
//! counts how many have run. `tests/databases/` keeps one file of every released version,
//! and a test opens each of them.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::{Error, Result};

/// In order; the first makes an empty file a state file.
pub(crate) const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_first.sql")];

/// `PRAGMA application_id`: "fchr". Tells our file from other SQLite files.
const APPLICATION_ID: i64 = 0x6663_6872;

/// How many migrations have run on `db`; 0 for a file without any table.
///
/// # Errors
///
/// [`Error::NotOurs`], and [`Error::FromTheFuture`] if a newer version of this program has
/// been here: going on could lose what that version wrote.
pub(crate) fn version(db: &Connection, path: &Path) -> Result<usize> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, found) = (number("application_id")?, number("user_version")?);
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && found == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(Error::NotOurs { path: path.to_owned(), found: application });
    }
    let newest = newest(MIGRATIONS);
    match usize::try_from(found) {
        Ok(version @ 1..) if found <= newest => Ok(version),
        Ok(1..) => Err(Error::FromTheFuture { found, newest }),
        _ => Err(Error::corrupt(format!("its form is number {found}"))),
    }
}

/// Runs those of `migrations` that `db` lacks, each in a transaction of its own. A file with
/// records is copied first, to `state.v<version>.db` beside it; the copy is kept.
pub(crate) fn migrate(
    db: &mut Connection,
    dir: &Path,
    done: usize,
    migrations: &[&str],
) -> Result<()> {
    let pending = migrations.get(done..).unwrap_or_default();
    if done > 0 && !pending.is_empty() {
        keep_copy(db, &dir.join(format!("state.v{done}.db")))?;
    }
    for (sql, before) in pending.iter().zip(done..) {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", newest(&migrations[..=before]))?;
        transaction.commit()?;
    }
    Ok(())
}

/// The number of the newest form.
pub(crate) fn newest(migrations: &[&str]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

fn keep_copy(db: &Connection, path: &Path) -> Result<()> {
    // SQLite takes an empty file for a new one, and this one nobody else may read. A copy
    // that was cut short is made again: its source has not been touched yet.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    db.execute("VACUUM INTO ?1", [path.as_os_str().as_encoded_bytes()])?;
    Ok(())
}
