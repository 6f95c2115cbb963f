//! How an older file becomes the newest one, with a copy of it kept beside it.
//!
//! `PRAGMA user_version` counts the migrations that have run.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection, TransactionBehavior};

use crate::base::{Error, Result, failpoint};

/// The migrations in their order; the first makes an empty file a state file.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_first.sql"),
    include_str!("../../migrations/0002_history.sql"),
    include_str!("../../migrations/0003_values.sql"),
    include_str!("../../migrations/0004_cipher.sql"),
];

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

/// The number of the form that an attached file has.
pub(crate) fn form(db: &Connection, of: &str) -> Result<i64> {
    Ok(db.pragma_query_value(Some(of), "user_version", |row| row.get(0))?)
}

/// Marks a file as one of ours, with the number of the form that its tables have.
pub(crate) fn mark(db: &Connection, form: i64) -> Result<()> {
    db.pragma_update(Some("main"), "application_id", APPLICATION_ID)?;
    db.pragma_update(Some("main"), "user_version", form)?;
    Ok(())
}

/// Runs those of `migrations` that `db` lacks, each in a transaction of its own; those of a new file
/// in one, so that nobody sees it in an older form. A file with records is copied first, to
/// `state.v<version>.db` beside it; the copy is kept.
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
    let mut form = newest(&migrations[..done]);
    for group in pending.chunks(if done == 0 { pending.len().max(1) } else { 1 }) {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for sql in group {
            run_statements(&transaction, sql)?;
        }
        form += newest(group);
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", form)?;
        failpoint::reached("migration:before-commit");
        transaction.commit()?;
        failpoint::reached("migration:committed");
    }
    Ok(())
}

/// Runs the statements one at a time, so that a test can end the process between any two (K17).
fn run_statements(db: &Connection, sql: &str) -> Result<()> {
    let mut statements = Batch::new(db, sql);
    while let Some(mut statement) = statements.next()? {
        failpoint::reached("migration:statement");
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// The number of the newest form.
pub(crate) fn newest(migrations: &[&str]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

/// Writes a copy of the whole database to `path`, readable by its owner alone.
pub(crate) fn keep_copy(db: &Connection, path: &Path) -> Result<()> {
    // SQLite takes an empty file for a new one. A copy that was cut short is made again: its
    // source has not been touched yet.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
        .map_err(|source| Error::Io { path: path.to_owned(), source })?;
    // A path need not be text; the cast leaves its bytes as they are.
    failpoint::reached("copy:begun");
    db.execute("VACUUM INTO CAST(?1 AS TEXT)", [path.as_os_str().as_bytes()])?;
    failpoint::reached("copy:made");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;

    use super::*;

    const NEXT: &str = "CREATE TABLE added (a INTEGER) STRICT";

    fn version_of(path: &Path) -> i64 {
        let db = Connection::open(path).unwrap();
        db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_file_is_copied_before_it_is_changed() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join(OsStr::from_bytes(b"caf\xE9"));
        fs::create_dir(&dir).unwrap();
        let path = dir.join("state.db");
        let mut db = Connection::open(&path).unwrap();
        migrate(&mut db, &dir, 0, MIGRATIONS).unwrap();
        let copy = dir.join(format!("state.v{}.db", MIGRATIONS.len()));
        assert!(!copy.exists(), "a new file has nothing worth a copy");

        // What an attempt that was cut short left behind.
        fs::write(&copy, "half a copy").unwrap();
        let migrations = [MIGRATIONS, &[NEXT]].concat();
        migrate(&mut db, &dir, MIGRATIONS.len(), &migrations).unwrap();
        assert_eq!(version_of(&path), newest(&migrations));
        assert_eq!(version_of(&copy), newest(MIGRATIONS));
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o077, 0);
        assert!(db.table_exists(None, "added").unwrap());
    }

    /// A status that is asked for at the very first start saw a state "written by an older fichierd".
    #[test]
    fn a_new_file_is_never_seen_in_an_older_form() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut db = Connection::open(&path).unwrap();
        let broken = [MIGRATIONS, &["CREATE TABLE mirrors (again INTEGER)"]].concat();
        migrate(&mut db, dir.path(), 0, &broken).unwrap_err();
        assert_eq!(version(&db, &path).unwrap(), 0);
        migrate(&mut db, dir.path(), 0, MIGRATIONS).unwrap();
        assert_eq!(version(&db, &path).unwrap(), MIGRATIONS.len());
    }

    #[test]
    fn a_migration_that_fails_leaves_the_form_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut db = Connection::open(&path).unwrap();
        migrate(&mut db, dir.path(), 0, MIGRATIONS).unwrap();
        let broken = format!("{NEXT}; CREATE TABLE mirrors (again INTEGER)");
        let migrations = [MIGRATIONS, &[&broken]].concat();
        let failed = migrate(&mut db, dir.path(), MIGRATIONS.len(), &migrations);
        assert!(matches!(failed, Err(Error::Corrupt { .. })), "{failed:?}");
        assert_eq!(version_of(&path), newest(MIGRATIONS));
        assert!(!db.table_exists(None, "added").unwrap());
        migrate(&mut db, dir.path(), MIGRATIONS.len(), &[MIGRATIONS, &[NEXT]].concat()).unwrap();
        assert!(db.table_exists(None, "added").unwrap());
    }
}
