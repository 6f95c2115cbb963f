//! Where the bytes of uploaded files go.
//!
//! In memory for tests; in a folder, with an index as JSON beside them, for an emulator that
//! survives a restart; or nowhere, when only hash and size matter. The memory used by an upload
//! does not grow with it in the last two.
//!
//! A [`Sink`] hashes while it writes, so that a file is read once.

use std::fs::{self, File};
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use whirlpool::{Digest, Whirlpool};

/// Where an emulator keeps what it is sent.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In memory, gone when the emulator stops.
    Memory,
    /// Contents as files in this folder, and an index as JSON: survives a restart.
    Folder(PathBuf),
    /// Hash and size only; such files cannot be downloaded.
    Discard,
}

/// The bytes of one stored file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Content {
    /// In memory.
    #[serde(skip)]
    Memory(Bytes),
    /// A file of this name among the contents.
    Disk(String),
    /// Not kept.
    Absent,
}

impl Content {
    pub(crate) fn is_same(&self, other: &Content) -> bool {
        matches!((self, other), (Content::Disk(a), Content::Disk(b)) if a == b)
    }
}

/// Bytes that have arrived, with their hash.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) content: Content,
    pub(crate) size: u64,
    /// Lower-case hex.
    pub(crate) whirlpool: String,
}

impl Storage {
    /// Makes the folders and reads the index, if there is one.
    pub(crate) fn open(&self) -> io::Result<Option<String>> {
        let Storage::Folder(dir) = self else { return Ok(None) };
        fs::create_dir_all(contents(dir))?;
        match fs::read_to_string(dir.join("index.json")) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the index as a whole.
    pub(crate) fn save(&self, index: &str) -> io::Result<()> {
        let Storage::Folder(dir) = self else { return Ok(()) };
        let mut file = NamedTempFile::new_in(dir)?;
        file.write_all(index.as_bytes())?;
        file.persist(dir.join("index.json"))?;
        Ok(())
    }

    /// Whether there is an index to save.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Storage::Folder(_))
    }

    pub(crate) fn sink(&self) -> io::Result<Sink> {
        let place = match self {
            Storage::Memory => Place::Memory(Vec::new()),
            Storage::Folder(dir) => Place::Disk(NamedTempFile::new_in(contents(dir))?),
            Storage::Discard => Place::Nowhere,
        };
        Ok(Sink { place, size: 0, hash: Whirlpool::new() })
    }

    /// The bytes of `content`, from the start; `None` if they were not kept.
    pub(crate) fn reader(&self, content: &Content) -> io::Result<Option<ContentReader>> {
        match (self, content) {
            (_, Content::Memory(bytes)) => {
                Ok(Some(ContentReader(Source::Memory(Cursor::new(bytes.clone())))))
            }
            (Storage::Folder(dir), Content::Disk(name)) => {
                let file = File::open(contents(dir).join(name))?;
                Ok(Some(ContentReader(Source::Disk(file))))
            }
            (_, Content::Disk(_) | Content::Absent) => Ok(None),
        }
    }

    /// Frees the space of a content that no file has any more.
    #[expect(
        clippy::disallowed_methods,
        reason = "the emulator's own storage, never a watched folder"
    )]
    pub(crate) fn forget(&self, content: &Content) -> io::Result<()> {
        match (self, content) {
            (Storage::Folder(dir), Content::Disk(name)) => {
                fs::remove_file(contents(dir).join(name))
            }
            _ => Ok(()),
        }
    }
}

/// A file on its way in.
pub(crate) struct Sink {
    place: Place,
    size: u64,
    hash: Whirlpool,
}

enum Place {
    Memory(Vec<u8>),
    Disk(NamedTempFile),
    Nowhere,
}

impl Sink {
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

/// Reads a stored file from its first byte to its last.
#[derive(Debug)]
pub struct ContentReader(pub(crate) Source);

#[derive(Debug)]
pub(crate) enum Source {
    Memory(Cursor<Bytes>),
    Disk(File),
}

impl ContentReader {
    /// Of the whole content, in bytes.
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

fn contents(dir: &Path) -> PathBuf {
    dir.join("contents")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(storage: &Storage, bytes: &[u8]) -> Stored {
        let mut sink = storage.sink().unwrap();
        sink.write(bytes).unwrap();
        sink.finish().unwrap()
    }

    #[test]
    fn the_hash_is_the_one_that_the_service_recorded() {
        // docs/api-notes.md, B.5: the golden vector.
        let stored = store(&Storage::Discard, b"Hello world\n");
        assert_eq!(
            stored.whirlpool,
            "0a894ff039da399d5a72116b3665cd952abc8a9ffe37bfae4eae4d5381c5102b\
             237c27e88b03f71c516e08ffa1cc9de9eac55d7d3abd38ea56220018f006a2c5"
        );
        assert_eq!(stored.size, 12);
    }

    #[test]
    fn a_folder_gives_back_what_it_was_given_and_frees_what_it_forgets() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(dir.path().to_owned());
        assert_eq!(storage.open().unwrap(), None);
        let stored = store(&storage, b"some bytes");
        let mut read = String::new();
        let mut reader = storage.reader(&stored.content).unwrap().unwrap();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "some bytes");
        storage.forget(&stored.content).unwrap();
        let gone = storage.reader(&stored.content).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_index_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(dir.path().to_owned());
        storage.open().unwrap();
        storage.save("{}").unwrap();
        assert_eq!(storage.open().unwrap().as_deref(), Some("{}"));
    }
}
