//! A stored file on its way out.

use std::fs::File;
use std::io::{self, Cursor, Read};

use bytes::Bytes;

/// Reads a stored file from its first byte to its last.
#[derive(Debug)]
pub struct ContentReader(pub(super) Source);

#[derive(Debug)]
pub(super) enum Source {
    Memory(Cursor<Bytes>),
    Disk(File),
}

impl ContentReader {
    /// The length of the whole content, in bytes.
    pub(crate) fn length(&self) -> io::Result<u64> {
        match &self.0 {
            Source::Memory(bytes) => Ok(bytes.get_ref().len() as u64),
            Source::Disk(file) => Ok(file.metadata()?.len()),
        }
    }
}

impl Read for ContentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Memory(bytes) => bytes.read(buffer),
            Source::Disk(file) => file.read(buffer),
        }
    }
}

impl io::Seek for ContentReader {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        match &mut self.0 {
            Source::Memory(bytes) => bytes.seek(to),
            Source::Disk(file) => file.seek(to),
        }
    }
}
