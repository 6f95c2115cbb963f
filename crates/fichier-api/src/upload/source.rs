//! What is read for an upload, and how to tell whether it was changed meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;

/// What is read for an upload: a file, in all but simulations.
pub trait Source: Read + Send {
    /// What tells whether it was changed, as it is now.
    ///
    /// # Errors
    ///
    /// Those of `fstat`.
    fn mark(&self) -> io::Result<FileMark>;
}

/// What tells whether a file was changed: any write changes the `ctime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMark {
    /// Its length.
    pub size_bytes: u64,
    /// When its content was changed: seconds since 1970, and nanoseconds.
    pub mtime: (i64, i64),
    /// When anything about it was changed: seconds since 1970, and nanoseconds.
    pub ctime: (i64, i64),
    /// Its number in its file system.
    pub inode: u64,
}

impl Source for File {
    fn mark(&self) -> io::Result<FileMark> {
        let found = self.metadata()?;
        Ok(FileMark {
            size_bytes: found.len(),
            mtime: (found.mtime(), found.mtime_nsec()),
            ctime: (found.ctime(), found.ctime_nsec()),
            inode: found.ino(),
        })
    }
}
