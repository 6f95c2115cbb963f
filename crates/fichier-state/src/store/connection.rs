//! Connections to SQLite, set up as this crate needs them, and the files that they open.
//!
//! Settings and why (measured on this schema, see `benches/state.rs`):
//!
//! * WAL with `synchronous = FULL`, always: what `write` has returned is on disk, a power cut
//!   included. `NORMAL` loses the last transactions, and one of them may be an intent (I3).
//!   It costs one fsync a transaction, so callers write in batches.
//! * `mmap_size` stays 0: with a map, a failing disk is a SIGBUS and not an error.
//! * `trusted_schema` off, `cell_size_check` on: a damaged or forged file runs no code and is
//!   not read beyond its pages.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::base::{Error, Result};

/// How long a statement waits for another program (`sqlite3`, a backup) to finish writing. After
/// that it is an error ([`Error::Busy`]).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that a connection keeps prepared; past that, the one not used for longest is dropped.
/// The crate has about 140.
const STATEMENTS: usize = 150;

/// KiB of pages that the state's connection keeps. Other pages are in the system's own cache: a
/// walk over a million rows takes as long with twice as much.
const CACHE_KIB: i64 = 4 * 1024;

/// KiB of pages for a connection that only reads, mostly once and from the beginning to the end.
const PASSING_KIB: i64 = 1024;

pub(super) fn make_folder(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| Error::io(dir, source))
}

/// SQLite gives the journal the permissions of the database, so this settles both.
pub(super) fn make_file(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(|source| Error::io(path, source))
}

/// Makes the file at `path`, or empties it; readable by its owner alone.
pub(crate) fn empty_file(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).map(drop).map_err(|source| Error::io(path, source))
}

/// Opens another file for reading, as `name`, over the same connection.
pub(crate) fn attach(db: &Connection, path: &Path, name: &str) -> Result<()> {
    // A URI: a path need not be text, and only a URI can say that nothing is written.
    let bytes = path.as_os_str().as_bytes().iter();
    let path: String = bytes
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' => char::from(*byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    db.execute(&format!("ATTACH ?1 AS {name}"), [format!("file:{path}?mode=ro")])?;
    keep_few_pages(db, name)
}

/// Bounds the pages kept of a database that is read through once, beside that of the service.
pub(crate) fn keep_few_pages(db: &Connection, name: &str) -> Result<()> {
    Ok(db.pragma_update(Some(name), "cache_size", -PASSING_KIB)?)
}

/// Opens the file at `path` with the settings above.
pub(crate) fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    // A connection has one user at a time: SQLite need not lock for itself.
    let db = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise a statement would be compiled again for each other value of a LIMIT, or of a
    // condition of a partial index.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    for (name, value) in [
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("foreign_keys", 1),
        ("temp_store", 1), // in files: memory stays bounded
        ("cache_size", -CACHE_KIB),
    ] {
        db.pragma_update(None, name, value)?;
    }
    Ok(db)
}

pub(super) fn set_up_writer(db: &Connection) -> Result<()> {
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        tracing::warn!("the state folder's file system allows no WAL; the state will be slow");
    }
    db.pragma_update(None, "synchronous", "FULL")?;
    // A long reader lets the WAL grow; this much of it is kept afterwards.
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(())
}

/// Checks the pages, the rows and their CHECKs, and that each row belongs to something.
pub(super) fn check(db: &Connection, pragma: &str) -> Result<()> {
    let verdict: String = db.query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Error::corrupt(verdict));
    }
    let strays = "SELECT count(*) FROM pragma_foreign_key_check";
    match db.query_row(strays, [], |row| row.get::<_, i64>(0))? {
        0 => Ok(()),
        1 => Err(Error::corrupt("1 row belongs to nothing".to_owned())),
        strays => Err(Error::corrupt(format!("{strays} rows belong to nothing"))),
    }
}
