//! Where the state file is: one that was deleted, or has another in its place, is written to in vain.
//!
//! The process goes on with the file that it has open, and all of that is lost when it ends. So
//! it is asked before each change, and by the service now and then.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::base::{Error, Result};

/// A path, and the file that was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) path: PathBuf,
    file: (u64, u64),
}

impl Place {
    pub(crate) fn of(path: &Path) -> Result<Place> {
        match identity(path) {
            Ok(file) => Ok(Place { path: path.to_owned(), file }),
            Err(source) => Err(Error::Io { path: path.to_owned(), source }),
        }
    }

    /// That of a state in memory, which nobody can exchange.
    pub(crate) fn nowhere() -> Place {
        Place { path: PathBuf::new(), file: (0, 0) }
    }

    pub(crate) fn inode(&self) -> u64 {
        self.file.1
    }

    /// Looks whether the file is still there. Costs one look at the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Displaced`]; a disk that does not answer proves nothing.
    pub fn check(&self) -> Result<()> {
        if *self == Place::nowhere() {
            return Ok(());
        }
        let is_there = match identity(&self.path) {
            Ok(found) => found == self.file,
            Err(error) => {
                !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
        };
        if is_there { Ok(()) } else { Err(Error::Displaced { path: self.path.clone() }) }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}
