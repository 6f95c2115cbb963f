//! The source of an upload's bytes, and how to tell whether it was changed meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;

use crate::hash::Fingerprint;

/// The source of the bytes of one file to send: a [`File`], except in simulations.
pub trait Source: Read + Send {
    /// Its mark now, to be compared with a later one.
    ///
    /// # Errors
    ///
    /// Those of `fstat`.
    fn mark(&self) -> io::Result<FileMark>;

    /// The fingerprint of what was read so far as it is on the disk, where the bytes that come out
    /// are made from it and are others; asked before the first byte and after the last one. `None`
    /// where they are the same, so that they are hashed as they are.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }
}

/// The attributes that tell whether a file was changed: any write changes the `ctime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMark {
    /// Its length in bytes.
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
