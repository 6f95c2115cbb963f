//! Reads the files of one upload, hashes them and hands them on, in a thread of its own.
//!
//! A file is read once: the blocks that are hashed are the blocks that are sent, so the hash is
//! that of the sent bytes even while somebody writes to the file. Reading and hashing block, and
//! Whirlpool is slow; neither may hold up the runtime.
//!
//! Invariant: memory is bounded by [`BLOCKS_AHEAD`] blocks of [`BLOCK_BYTES`], whatever the number
//! and the size of the files. Exactly the announced number of bytes is handed on for each file, or
//! the body ends with an error, which makes the connection break before the closing boundary.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::hash::BothHashes;
use crate::upload::file::{SentFile, UploadFile};
use crate::upload::form::Form;
use crate::upload::source::Source;

/// Bytes of one block. Small enough to keep the socket fed evenly, large enough that nearly all of
/// its cost is that of the hash.
const BLOCK_BYTES: usize = 256 * 1024;
/// Blocks that may wait for the socket; at the limit the thread waits.
const BLOCKS_AHEAD: usize = 4;

/// A piece of the body.
#[derive(Debug)]
pub(crate) struct Block {
    /// Form text and contents as they are sent.
    pub(crate) bytes: Bytes,
    /// How many of them are contents of files.
    pub(crate) content_bytes: u64,
    /// Whether the closing boundary is in it.
    pub(crate) is_last: bool,
}

/// The findings of the thread so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The files that were read to their announced size, in the order given.
    pub(crate) files: Vec<SentFile>,
    /// The file, by index, that ended the reading.
    pub(crate) failure: Option<(usize, io::Error)>,
}

/// The state shared with a reading thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Arc<Mutex<Found>>);

impl Findings {
    /// Takes the findings so far, without waiting for the thread.
    pub(crate) fn take(&self) -> Found {
        std::mem::take(&mut self.lock())
    }

    // Held for a few instructions, never across an `.await` or a read.
    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts reading. The thread ends with the last file, at the first file that cannot be read, or
/// soon after the receiver is dropped.
///
/// # Errors
///
/// When the system has no thread to give.
pub(crate) fn start(
    form: Form,
    files: Vec<UploadFile>,
) -> io::Result<(mpsc::Receiver<io::Result<Block>>, Findings)> {
    let (send, blocks) = mpsc::channel(BLOCKS_AHEAD);
    let findings = Findings::default();
    let mut reading = Reading::new(form, &findings, Outlet::Socket(send));
    // A thread of its own: a disk that hangs may block it without taking one from the runtime.
    let thread = thread::Builder::new().name("fichier-upload".to_owned());
    thread.spawn(move || reading.run(files)).map_err(|error| {
        io::Error::new(error.kind(), "no thread is left to read it (see `TasksMax`)")
    })?;
    Ok((blocks, findings))
}

/// Reads everything into memory, here and now: for small files where there is no socket.
pub(crate) fn read_all(form: Form, files: Vec<UploadFile>) -> (Vec<io::Result<Block>>, Findings) {
    let findings = Findings::default();
    let mut reading = Reading::new(form, &findings, Outlet::Memory(Vec::new()));
    reading.run(files);
    match reading.outlet {
        Outlet::Memory(blocks) => (blocks, findings),
        Outlet::Socket(_) => (Vec::new(), findings),
    }
}

/// Where blocks go.
enum Outlet {
    Socket(mpsc::Sender<io::Result<Block>>),
    Memory(Vec<io::Result<Block>>),
}

impl Outlet {
    /// Whether it was taken.
    fn put(&mut self, block: io::Result<Block>) -> bool {
        match self {
            Outlet::Socket(send) => send.blocking_send(block).is_ok(),
            Outlet::Memory(blocks) => {
                blocks.push(block);
                true
            }
        }
    }
}

struct Reading {
    form: Form,
    findings: Findings,
    outlet: Outlet,
    pending: Pending,
    /// False once the receiver of the blocks is gone.
    wanted: bool,
}

/// Bytes that do not fill a block yet. Small files share one.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    content_bytes: u64,
}

impl Reading {
    fn new(form: Form, findings: &Findings, outlet: Outlet) -> Reading {
        let findings = findings.clone();
        Reading { form, findings, outlet, pending: Pending::default(), wanted: true }
    }

    fn run(&mut self, files: Vec<UploadFile>) {
        for (index, file) in files.into_iter().enumerate() {
            match self.file(index, file) {
                Ok(sent) => self.findings.lock().files.push(sent),
                Err(error) => return self.fail(index, error),
            }
            if !self.wanted {
                return;
            }
        }
        let closing = self.form.closing();
        self.pending.bytes.extend_from_slice(closing.as_bytes());
        self.flush(true);
    }

    fn file(&mut self, index: usize, file: UploadFile) -> io::Result<SentFile> {
        let UploadFile { name, size_bytes, open, is_trial: _ } = file;
        let mut source = open()?;
        let at_open = source.mark()?;
        self.pending.bytes.extend_from_slice(self.form.opening(index).as_bytes());
        let mut hashes = match source.fingerprint() {
            None => BothHashes::default(),
            Some(_) => BothHashes::whirlpool_alone(),
        };
        let mut left = size_bytes;
        while left > 0 && self.wanted {
            left -= self.read_some(source.as_mut(), left, &mut hashes)?;
        }
        if left > 0 {
            return Err(io::Error::other("the upload was given up"));
        }
        let at_end_of_file = is_at_end(source.as_mut())?;
        let at_end = source.mark()?;
        let (whirlpool, fingerprint) = hashes.finish();
        let fingerprint = source.fingerprint().unwrap_or(fingerprint);
        Ok(SentFile { name, size_bytes, whirlpool, fingerprint, at_open, at_end, at_end_of_file })
    }

    /// Reads up to `left` bytes into the pending block, and sends that when it is full.
    fn read_some(
        &mut self,
        source: &mut dyn Source,
        left: u64,
        hashes: &mut BothHashes,
    ) -> io::Result<u64> {
        let start = self.pending.bytes.len();
        let room = BLOCK_BYTES.saturating_sub(start).max(1);
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(room);
        self.pending.bytes.resize(start + want, 0);
        let read = loop {
            match source.read(&mut self.pending.bytes[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.pending.bytes.truncate(start + read);
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        hashes.add(&self.pending.bytes[start..]);
        self.pending.content_bytes += read as u64;
        if self.pending.bytes.len() >= BLOCK_BYTES {
            self.flush(false);
        }
        Ok(read as u64)
    }

    fn flush(&mut self, is_last: bool) {
        let Pending { bytes, content_bytes } = std::mem::take(&mut self.pending);
        self.pending.bytes.reserve(if is_last { 0 } else { BLOCK_BYTES });
        let block = Block { bytes: bytes.into(), content_bytes, is_last };
        self.wanted = self.outlet.put(Ok(block));
    }

    fn fail(&mut self, index: usize, error: io::Error) {
        if !self.wanted {
            return;
        }
        let told = io::Error::new(error.kind(), "a file could not be read");
        self.findings.lock().failure = Some((index, error));
        // If the receiver is gone, the body has ended already.
        self.outlet.put(Err(told));
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
