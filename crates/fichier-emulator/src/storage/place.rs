//! The place where an emulator keeps contents, and the index beside them.

use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::content::Content;
use super::reader::{ContentReader, Source};
use super::sink::{Place, Sink};

/// Where an emulator keeps the bytes of the files that it is sent.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In memory; they are lost when the emulator stops.
    Memory,
    /// As files in this folder, with an index as JSON: both survive a restart.
    Folder(PathBuf),
    /// Nowhere: only hash and size are kept, and files cannot be downloaded.
    Discard,
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

    /// Whether the account survives a restart, so that an index has to be saved.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Storage::Folder(_))
    }

    pub(crate) fn sink(&self) -> io::Result<Sink> {
        let place = match self {
            Storage::Memory => Place::Memory(Vec::new()),
            Storage::Folder(dir) => Place::Disk(NamedTempFile::new_in(contents(dir))?),
            Storage::Discard => Place::Nowhere,
        };
        Ok(Sink::new(place))
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

fn contents(dir: &Path) -> PathBuf {
    dir.join("contents")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::content::Stored;
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
