//! The files of an upload: as they are asked for, and as they were sent.

use std::fmt;
use std::io;

use crate::hash::{Fingerprint, Whirlpool};
use crate::names::RemoteName;
use crate::upload::source::{FileMark, Source};

/// One file to send.
pub struct UploadFile {
    /// Its name on the service. Names in one upload should differ.
    pub name: RemoteName,
    /// How many bytes of it are sent; not 0, which the service does not take
    /// (docs/api-notes.md, C.7).
    pub size_bytes: u64,
    /// Opens it, in a thread that may block, when its turn comes.
    pub open: Box<dyn FnOnce() -> io::Result<Box<dyn Source>> + Send>,
    /// It may be empty: the caller wants to find out what the service does then.
    pub is_trial: bool,
}

impl UploadFile {
    /// A file of this name and size, opened by `open` when its turn comes.
    pub fn new<S: Source + 'static>(
        name: RemoteName,
        size_bytes: u64,
        open: impl FnOnce() -> io::Result<S> + Send + 'static,
    ) -> UploadFile {
        let open = Box::new(move || Ok(Box::new(open()?) as Box<dyn Source>));
        UploadFile { name, size_bytes, open, is_trial: false }
    }
}

/// One file as it was read while it was sent.
#[derive(Clone, Debug)]
pub struct SentFile {
    /// Its name, as asked.
    pub name: RemoteName,
    /// How many bytes were read, as asked.
    pub size_bytes: u64,
    /// The hash of these bytes, which the service should report.
    pub whirlpool: Whirlpool,
    /// The other hash, of the bytes as they are on the disk ([`Source::fingerprint`]).
    pub fingerprint: Fingerprint,
    /// The file's mark before the first byte was read.
    pub at_open: FileMark,
    /// The file's mark after the last byte was read.
    pub at_end: FileMark,
    /// Whether the file ended there; `false` if it had grown, and only its beginning was sent.
    pub at_end_of_file: bool,
}

impl fmt::Debug for UploadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadFile")
            .field("name", &self.name)
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}
