//! What can go wrong with the state file, sorted by what the caller can do.
//!
//! `Display` says what happened at this level and never repeats the cause; code that prints an
//! error prints the whole chain. No message holds a link: the values of a row are never
//! printed.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the state could not be opened, read or written.
///
/// Deliberately exhaustive: a new kind must break each `match` until someone has decided
/// what it means there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has this state open; wait for it or stop it (exit code 75).
    #[error("the state in {} is in use by another fichierd", dir.display())]
    Locked {
        /// The state folder.
        dir: PathBuf,
    },
    /// There is no state file yet: the service has never run.
    #[error("there is no state at {}", path.display())]
    Absent {
        /// Where it was expected.
        path: PathBuf,
    },
    /// A newer version of this program wrote the file, which was left as it is (exit code 78).
    #[error(
        "the state was written by a newer fichierd (form {found}; this one knows up to {newest})"
    )]
    FromTheFuture {
        /// `user_version` of the file.
        found: i64,
        /// The newest form that this program knows.
        newest: i64,
    },
    /// An older version wrote the file, and it was opened for reading only: start the service
    /// once, which brings it up to date.
    #[error("the state was written by an older fichierd (form {found}; this one reads {newest})")]
    FromThePast {
        /// `user_version` of the file.
        found: i64,
        /// The form that this program reads.
        newest: i64,
    },
    /// A database, but of another program; it was left as it is.
    #[error("{} is not a state file of fichierd (application id {found:#010x})", path.display())]
    NotOurs {
        /// Path of the file.
        path: PathBuf,
        /// `application_id` of the file.
        found: i64,
    },
    /// The file is damaged. Nothing in it may be acted on; it must be put aside.
    #[error("the state file is damaged: {detail}")]
    Corrupt {
        /// The first contradiction that was found, for people.
        detail: String,
    },
    /// No room, no permission, or a failing disk. Nothing was changed; no mutation of the
    /// service may follow. Works again once the cause is gone.
    #[error("the state could not be stored")]
    Storage(#[source] rusqlite::Error),
    /// The file was deleted or replaced while it was in use. Nothing may be changed any more:
    /// everything written now is lost when the process ends. Start the service again.
    #[error(
        "the state file {} was deleted, or another one was put in its place, while it was in use",
        path.display()
    )]
    Displaced {
        /// The path that it had.
        path: PathBuf,
    },
    /// Someone else wrote for longer than five seconds; nothing was changed, try again.
    #[error("the state is being written by another program")]
    Busy(#[source] rusqlite::Error),
    /// The form of the tables refused the row: a bug in the caller, or damage that no check saw
    /// ([`Store::check`](crate::Store::check) tells). Nothing was changed.
    #[error("the state refused a row that contradicts it")]
    Refused(#[source] rusqlite::Error),
    /// A change of something that is not on record: a bug in the caller.
    #[error("there is no such {0} on record")]
    Missing(&'static str),
    /// A folder was to be moved below itself.
    #[error("a folder cannot be moved below itself")]
    Cycle,
    /// A copy was not finished by its deadline; nothing else was touched.
    #[error("there was no time to copy the records")]
    TimeUp,
    /// This state has records of that mirror already, and they were left as they are (exit code 4).
    #[error("the mirror `{mirror}` to {target} is on record here already")]
    AlreadyHere {
        /// Name of the mirror.
        mirror: String,
        /// Remote path of the mirror.
        target: String,
    },
    /// A file or folder beside the database could not be made or opened.
    #[error("{}", path.display())]
    Io {
        /// Path of that file or folder.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// SQLite failed in a way that should not happen.
    #[error("the state file could not be used")]
    Sqlite(#[source] rusqlite::Error),
}

/// The result of every call of this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether the disk failed, so that nothing it said before is believed either. A full disk has
    /// not failed.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        let Error::Storage(error) = self else { return false };
        error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Error {
        Error::Io { path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(detail: impl Into<String>) -> Error {
        Error::Corrupt { detail: detail.into() }
    }
}

/// `Ok` if a change found its row.
pub(crate) fn found(rows: usize, what: &'static str) -> Result<()> {
    if rows == 0 { Err(Error::Missing(what)) } else { Ok(()) }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Error::corrupt(error.to_string())
            }
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed,
            ) => Error::Storage(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy(error),
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => Error::Refused(error),
            // No statement of ours is wrong: the tables or triggers in the file are not ours.
            Some(ErrorCode::Unknown) => Error::corrupt(error.to_string()),
            // The same, for a statement that cannot be prepared.
            None if matches!(error, rusqlite::Error::SqlInputError { .. }) => {
                Error::corrupt(error.to_string())
            }
            Some(_) => Error::Sqlite(error),
            None if is_unreadable_value(&error) => Error::corrupt(error.to_string()),
            None => Error::Sqlite(error),
        }
    }
}

/// Whether a column holds a value that no version of this program writes there.
fn is_unreadable_value(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_printed_chain_says_each_thing_once_and_no_value() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (link TEXT UNIQUE) STRICT").unwrap();
        db.execute("INSERT INTO t VALUES ('secret')", []).unwrap();
        let error = Error::from(db.execute("INSERT INTO t VALUES ('secret')", []).unwrap_err());
        assert_eq!(
            format!("{error}: {}", error.source().unwrap()),
            "the state refused a row that contradicts it: UNIQUE constraint failed: t.link"
        );
        let unreadable = db.query_row("SELECT link FROM t", [], |row| row.get::<_, i64>(0));
        assert_eq!(
            Error::from(unreadable.unwrap_err()).to_string(),
            "the state file is damaged: Invalid column type Text at index: 0, name: link"
        );
    }
}
