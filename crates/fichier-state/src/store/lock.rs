//! One process at a time: a lock on the file `lock` in the state folder.
//!
//! The kernel drops the lock (`flock`) when the process ends, however that happens; the file stays
//! and means nothing by itself. It is a file of its own because SQLite keeps locks on the
//! database, and closing a second descriptor of that would drop them.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::base::{Error, Result};

/// The lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says at once that another process has it.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`]; [`Error::Io`] if the file cannot be made.
    pub(crate) fn take(dir: &Path) -> Result<Lock> {
        let path = dir.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file =
            options.open(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(Error::Io { path, source }),
        }
    }
}
