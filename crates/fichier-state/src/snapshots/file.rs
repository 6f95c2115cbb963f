//! The file that a copy is kept in.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::base::{Error, Result};
use crate::store::{connect, empty_file, keep_few_pages};

/// Makes an empty database at `path`, in place of a file that is there. Nothing depends on it until
/// it is whole, so it needs no journal and does not wait for the disk.
pub(crate) fn create(path: &Path) -> Result<Connection> {
    empty_file(path)?;
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

pub(crate) fn open(path: &Path, access: OpenFlags) -> Result<Connection> {
    let db = connect(path, access | OpenFlags::SQLITE_OPEN_URI)?;
    keep_few_pages(&db, "main")?;
    // A row comes before what it belongs to, or without it: a difference holds changed rows only.
    db.pragma_update(None, "foreign_keys", 0)?;
    if access.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        db.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
        db.pragma_update(None, "synchronous", 0)?;
    }
    Ok(db)
}

/// The length of a file in bytes.
pub(crate) fn length(path: &Path) -> Result<u64> {
    std::fs::metadata(path).map(|found| found.len()).map_err(|source| Error::io(path, source))
}
