//! A file on its way in, hashed while it is written.

use std::io::{self, Write};

use bytes::Bytes;
use tempfile::NamedTempFile;
use whirlpool::{Digest, Whirlpool};

use super::content::{Content, Stored};

/// A file on its way in.
pub(crate) struct Sink {
    place: Place,
    size: u64,
    hash: Whirlpool,
}

pub(super) enum Place {
    Memory(Vec<u8>),
    Disk(NamedTempFile),
    Nowhere,
}

impl Sink {
    pub(super) fn new(place: Place) -> Sink {
        Sink { place, size: 0, hash: Whirlpool::new() }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        match &mut self.place {
            Place::Memory(kept) => kept.extend_from_slice(bytes),
            Place::Disk(file) => file.write_all(bytes)?,
            Place::Nowhere => {}
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> io::Result<Stored> {
        let content = match self.place {
            Place::Memory(kept) => Content::Memory(Bytes::from(kept)),
            Place::Disk(file) => {
                let (_, path) = file.keep()?;
                let name = path.file_name().unwrap_or_default();
                Content::Disk(name.to_string_lossy().into_owned())
            }
            Place::Nowhere => Content::Absent,
        };
        let hash = self.hash.finalize();
        let whirlpool = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Stored { content, size: self.size, whirlpool })
    }
}
