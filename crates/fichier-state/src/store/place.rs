//! Whether the state file is still where it was opened.
//!
//! If it was deleted, or another one was put in its place, the process goes on with the file that
//! it has open, and all of that is lost when it ends. So the place is checked before each change,
//! and by the service now and then.

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

    /// The place of a state in memory, which nobody can exchange.
    pub(crate) fn nowhere() -> Place {
        Place { path: PathBuf::new(), file: (0, 0) }
    }

    pub(crate) fn inode(&self) -> u64 {
        self.file.1
    }

    /// Checks that the file is still there. Costs one look at the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Displaced`]. A disk that does not answer proves nothing, and is no error.
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
