//! Reads the files of one upload, in a thread of its own, and hands them on to be hashed and sent.
//!
//! A file is read once: the blocks that are hashed are the blocks that are sent, so the hash is
//! that of the sent bytes even while somebody writes to the file. Reading and hashing block, and
//! Whirlpool is slow; neither may hold up the runtime, nor the other (`hasher`).
//!
//! Invariant: memory is bounded by a few blocks of [`BLOCK_BYTES`], whatever the number and the
//! size of the files: one that is being filled, one that is being hashed, and those that wait for
//! the hasher and for the socket. Exactly the announced number of bytes is handed on for each file,
//! or the body ends with an error, which makes the connection break before the closing boundary.

use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;

use tokio::sync::mpsc;

use crate::hash::Fingerprint;
use crate::upload::file::UploadFile;
use crate::upload::form::Form;
use crate::upload::hasher::{
    self, Block, Content, Findings, HasBeenRead, Hasher, ReadBlock, ReadFailure, ReadFile,
};
use crate::upload::source::Source;

/// Bytes of one block. Small enough to keep the socket fed evenly, large enough that nearly all of
/// its cost is that of the hash.
const BLOCK_BYTES: usize = 256 * 1024;

/// Starts reading. The threads end with the last file, at the first file that cannot be read, or
/// soon after the receiver is dropped.
///
/// # Errors
///
/// When the system has no thread to give.
pub(crate) fn start(
    form: Form,
    files: Vec<UploadFile>,
) -> io::Result<(mpsc::Receiver<io::Result<Block>>, Findings)> {
    let spawned = hasher::start().and_then(|hasher| {
        let mut reading = Reading::new(form, Outlet::Thread(hasher.input));
        // A thread of its own: a disk that hangs may block it without taking one from the runtime.
        let thread = thread::Builder::new().name("fichier-upload".to_owned());
        thread.spawn(move || reading.run(files))?;
        Ok((hasher.blocks, hasher.findings))
    });
    spawned.map_err(|error| {
        io::Error::new(error.kind(), "no thread is left to read it (see `TasksMax`)")
    })
}

/// Reads and hashes everything into memory, here and now: for small files where there is no socket.
pub(crate) fn read_all(form: Form, files: Vec<UploadFile>) -> (Vec<io::Result<Block>>, Findings) {
    let mut reading = Reading::new(form, Outlet::Here(Box::new(Hasher::in_memory())));
    reading.run(files);
    match reading.outlet {
        Outlet::Here(hasher) => hasher.into_blocks(),
        Outlet::Thread(_) => (Vec::new(), Findings::default()),
    }
}

/// Where blocks go.
enum Outlet {
    Thread(SyncSender<HasBeenRead>),
    Here(Box<Hasher>),
}

impl Outlet {
    /// Whether more is wanted.
    fn put(&mut self, read: HasBeenRead) -> bool {
        match self {
            Outlet::Thread(hasher) => hasher.send(read).is_ok(),
            Outlet::Here(hasher) => hasher.take(read),
        }
    }
}

struct Reading {
    form: Form,
    outlet: Outlet,
    /// What does not fill a block yet. Small files share one.
    block: ReadBlock,
    /// False once nothing more is wanted.
    wanted: bool,
}

impl Reading {
    fn new(form: Form, outlet: Outlet) -> Reading {
        Reading { form, outlet, block: ReadBlock::default(), wanted: true }
    }

    fn run(&mut self, files: Vec<UploadFile>) {
        for (index, file) in files.into_iter().enumerate() {
            if let Err(error) = self.file(index, file) {
                return self.fail(index, error);
            }
            if !self.wanted {
                return;
            }
        }
        let closing = self.form.closing();
        self.block.bytes.extend_from_slice(closing.as_bytes());
        self.flush(true);
    }

    fn file(&mut self, index: usize, file: UploadFile) -> io::Result<()> {
        let UploadFile { name, size_bytes, open, is_trial: _ } = file;
        let mut source = open()?;
        let at_open = source.mark()?;
        self.block.bytes.extend_from_slice(self.form.opening(index).as_bytes());
        let mut fingerprint = match source.fingerprint() {
            None => Some(blake3::Hasher::new()),
            Some(_) => None,
        };
        let mut left = size_bytes;
        while left > 0 && self.wanted {
            self.flush_if_full();
            left -= self.read_some(source.as_mut(), left, fingerprint.as_mut())?;
        }
        if left > 0 {
            return Err(io::Error::other("the upload was given up"));
        }
        let at_end_of_file = is_at_end(source.as_mut())?;
        let at_end = source.mark()?;
        let read = fingerprint.unwrap_or_default().finalize();
        let fingerprint = source.fingerprint().unwrap_or(Fingerprint::from_bytes(*read.as_bytes()));
        let ends = ReadFile { name, size_bytes, fingerprint, at_open, at_end, at_end_of_file };
        self.end(ends);
        Ok(())
    }

    /// Reads up to `left` bytes into the block, which is not full.
    fn read_some(
        &mut self,
        source: &mut dyn Source,
        left: u64,
        fingerprint: Option<&mut blake3::Hasher>,
    ) -> io::Result<u64> {
        let start = self.block.bytes.len();
        let room = BLOCK_BYTES.saturating_sub(start).max(1);
        let end = start + usize::try_from(left).unwrap_or(usize::MAX).min(room);
        self.block.bytes.resize(end, 0);
        let place = start..end;
        source.read_exact(&mut self.block.bytes[place.clone()]).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                io::Error::new(error.kind(), "the file became shorter while it was read")
            } else {
                error
            }
        })?;
        if let Some(fingerprint) = fingerprint {
            fingerprint.update(&self.block.bytes[place.clone()]);
        }
        let read = place.len() as u64;
        self.block.contents.push(Content { place, ends: None });
        Ok(read)
    }

    /// Notes that a file has ended with what was read last. An empty one is a part of no bytes.
    fn end(&mut self, file: ReadFile) {
        let end = self.block.bytes.len();
        match self.block.contents.last_mut() {
            Some(content) if content.ends.is_none() => content.ends = Some(file),
            _ => self.block.contents.push(Content { place: end..end, ends: Some(file) }),
        }
        self.flush_if_full();
    }

    // Not before more is to be read: the end of a file belongs to the block with its last byte.
    fn flush_if_full(&mut self) {
        if self.block.bytes.len() >= BLOCK_BYTES {
            self.flush(false);
        }
    }

    fn flush(&mut self, is_last: bool) {
        let next = if is_last { Vec::new() } else { Vec::with_capacity(BLOCK_BYTES) };
        let next = ReadBlock { bytes: next, ..ReadBlock::default() };
        let full = std::mem::replace(&mut self.block, next);
        self.wanted = self.outlet.put(Ok(ReadBlock { is_last, ..full }));
    }

    fn fail(&mut self, index: usize, error: io::Error) {
        if self.wanted {
            let before = std::mem::take(&mut self.block);
            self.outlet.put(Err(ReadFailure { index, error, before }));
        }
    }
}

/// Whether nothing more can be read: a file that grew is cut at the announced size.
fn is_at_end(source: &mut dyn Source) -> io::Result<bool> {
    loop {
        match source.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.map(|count| count == 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use whirlpool::Digest as _;

    use super::*;
    use crate::hash::Whirlpool;
    use crate::names::RemoteName;
    use crate::types::FolderId;
    use crate::upload::source::FileMark;

    /// A file in memory; or one whose reading crashes after its content.
    struct Memory(Cursor<Vec<u8>>, bool);

    impl Read for Memory {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(buffer)?;
            assert!(read > 0 || !self.1, "the reading of this file crashes, as it is to");
            Ok(read)
        }
    }

    impl Source for Memory {
        fn mark(&self) -> io::Result<FileMark> {
            Ok(FileMark { size_bytes: 0, mtime: (0, 0), ctime: (0, 0), inode: 0 })
        }
    }

    fn name(index: usize) -> RemoteName {
        RemoteName::encode(format!("{index}").as_bytes())
    }

    fn form(sizes: &[usize]) -> Form {
        let names: Vec<_> = (0..sizes.len()).map(name).collect();
        let parts = names.iter().zip(sizes.iter().map(|size| *size as u64));
        Form::new("boundary".to_owned(), FolderId(7), parts).unwrap()
    }

    fn content(index: usize, size: usize) -> Vec<u8> {
        (0..size).map(|n| (n * 31 + n / 65_536 + index).to_le_bytes()[0]).collect()
    }

    fn files(sizes: &[usize]) -> Vec<UploadFile> {
        let file = |(index, size): (usize, &usize)| {
            let memory = Memory(Cursor::new(content(index, *size)), false);
            UploadFile::new(name(index), *size as u64, || Ok(memory))
        };
        sizes.iter().enumerate().map(file).collect()
    }

    fn all(mut blocks: mpsc::Receiver<io::Result<Block>>) -> Vec<io::Result<Block>> {
        std::iter::from_fn(|| blocks.blocking_recv()).collect()
    }

    fn check(sizes: &[usize], blocks: Vec<io::Result<Block>>, findings: &Findings) {
        let blocks: Vec<Block> = blocks.into_iter().map(Result::unwrap).collect();
        let (form, mut expected) = (form(sizes), Vec::new());
        for (index, size) in sizes.iter().enumerate() {
            expected.extend_from_slice(form.opening(index).as_bytes());
            expected.extend(content(index, *size));
        }
        expected.extend_from_slice(form.closing().as_bytes());
        let body: Vec<u8> = blocks.iter().flat_map(|block| block.bytes.to_vec()).collect();
        assert!(body == expected, "{sizes:?}");

        let all_bytes: usize = sizes.iter().sum();
        assert_eq!(blocks.iter().map(|b| b.content_bytes).sum::<u64>(), all_bytes as u64);
        assert_eq!(blocks.iter().position(|b| b.is_last), Some(blocks.len() - 1), "{sizes:?}");
        let most = BLOCK_BYTES + form.opening(0).len() + form.closing().len();
        assert!(blocks.iter().all(|block| block.bytes.len() <= most), "{sizes:?}");

        let found = findings.take().files;
        assert_eq!(found.len(), sizes.len());
        for (index, file) in found.iter().enumerate() {
            let content = content(index, sizes[index]);
            let whirlpool = whirlpool::Whirlpool::digest(&content);
            assert_eq!(file.whirlpool, Whirlpool::from_bytes(whirlpool.into()), "{sizes:?}");
            assert_eq!(file.fingerprint.as_bytes(), blake3::hash(&content).as_bytes());
            assert!(file.at_end_of_file && file.name == name(index));
        }
    }

    #[test]
    fn wherever_blocks_end_each_file_has_its_bytes_and_its_hashes() {
        let text = form(&[1]).opening(0).len();
        for border in [BLOCK_BYTES - text, BLOCK_BYTES, 3 * BLOCK_BYTES - text] {
            for first in [border - 1, border, border + 1] {
                for sizes in [vec![first], vec![first, 0, 5, 300_000], vec![0, first, 0]] {
                    let (blocks, findings) = start(form(&sizes), files(&sizes)).unwrap();
                    check(&sizes, all(blocks), &findings);
                    let (blocks, findings) = read_all(form(&sizes), files(&sizes));
                    check(&sizes, blocks, &findings);
                }
            }
        }
    }

    #[test]
    fn a_reading_that_crashes_ends_the_body_with_an_error() {
        let sizes = [3 * BLOCK_BYTES];
        let memory = Memory(Cursor::new(content(0, 2 * BLOCK_BYTES)), true);
        let file = UploadFile::new(name(0), sizes[0] as u64, || Ok(memory));
        let (blocks, findings) = start(form(&sizes), vec![file]).unwrap();
        let blocks = all(blocks);
        let (last, before) = blocks.split_last().unwrap();
        assert!(last.as_ref().unwrap_err().to_string().contains("crashed"));
        assert!(!before.is_empty() && before.iter().all(Result::is_ok));
        assert!(findings.take().files.is_empty());
    }
}
