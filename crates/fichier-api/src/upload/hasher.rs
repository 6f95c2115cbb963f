//! Hashes what was read for an upload and hands it on to the socket, in a thread of its own.
//!
//! Whirlpool takes most of the time of an upload from a fast disk. Beside it, the next blocks are
//! read, enciphered and fingerprinted (`reader`): so an encrypted upload is about as fast as a
//! plain one. There is one thread for each upload, whatever the number of its files.
//!
//! Invariant: a block is hashed before it is handed on, and a file counts as read before the block
//! with its last byte is: who has the last block finds all files.

use std::io;
use std::ops::Range;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;
use whirlpool::Digest as _;

use crate::hash::{Fingerprint, Whirlpool};
use crate::names::RemoteName;
use crate::upload::file::SentFile;
use crate::upload::source::FileMark;

/// Blocks that may wait to be hashed; at the limit the reader waits.
const BLOCKS_TO_HASH: usize = 2;
/// Blocks that may wait for the socket; at the limit the hasher waits.
const BLOCKS_TO_SEND: usize = 4;

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

/// A piece of the body before it is hashed.
#[derive(Debug, Default)]
pub(crate) struct ReadBlock {
    /// Form text and contents as they are to be sent.
    pub(crate) bytes: Vec<u8>,
    /// The contents among them, in order.
    pub(crate) contents: Vec<Content>,
    /// Whether the closing boundary is in it.
    pub(crate) is_last: bool,
}

/// The part of a file that is in a block.
#[derive(Debug)]
pub(crate) struct Content {
    /// Where it is in the block's bytes.
    pub(crate) place: Range<usize>,
    /// The file, if it ends there.
    pub(crate) ends: Option<ReadFile>,
}

/// A file that was read to its announced size: a [`SentFile`] but for the hash.
#[derive(Debug)]
pub(crate) struct ReadFile {
    pub(crate) name: RemoteName,
    pub(crate) size_bytes: u64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) at_open: FileMark,
    pub(crate) at_end: FileMark,
    pub(crate) at_end_of_file: bool,
}

/// Why nothing more is read.
#[derive(Debug)]
pub(crate) struct ReadFailure {
    /// The file, by index, that cannot be read.
    pub(crate) index: usize,
    pub(crate) error: io::Error,
    /// What was read before; it is not sent.
    pub(crate) before: ReadBlock,
}

/// What a reader hands on: blocks up to the last, or up to a failure.
pub(crate) type HasBeenRead = Result<ReadBlock, ReadFailure>;

/// The findings of the threads so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The files that were read to their announced size, in the order given.
    pub(crate) files: Vec<SentFile>,
    /// The file, by index, that ended the reading.
    pub(crate) failure: Option<(usize, io::Error)>,
}

/// The state shared with a hashing thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Arc<Mutex<Found>>);

impl Findings {
    /// Takes the findings so far, without waiting for the threads.
    pub(crate) fn take(&self) -> Found {
        std::mem::take(&mut self.lock())
    }

    // Held for a few instructions, never across an `.await` or a hash.
    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hasher in a thread of its own, and what comes out of it.
pub(crate) struct Started {
    pub(crate) input: std_mpsc::SyncSender<HasBeenRead>,
    pub(crate) blocks: mpsc::Receiver<io::Result<Block>>,
    pub(crate) findings: Findings,
}

/// Starts hashing. The thread ends with the last block, at a failure, or soon after the receiver of
/// the blocks or the sender of the input is dropped.
///
/// # Errors
///
/// When the system has no thread to give.
pub(crate) fn start() -> io::Result<Started> {
    let (input, read) = std_mpsc::sync_channel(BLOCKS_TO_HASH);
    let (send, blocks) = mpsc::channel(BLOCKS_TO_SEND);
    let mut hasher = Hasher::new(Outlet::Socket(send));
    let findings = hasher.findings.clone();
    // A thread of its own, not one of the runtime's, which may all be waiting for disks.
    thread::Builder::new().name("fichier-hash".to_owned()).spawn(move || hasher.run(&read))?;
    Ok(Started { input, blocks, findings })
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

/// Hashes blocks and hands them on.
pub(crate) struct Hasher {
    /// The hash of the file that has not ended.
    whirlpool: whirlpool::Whirlpool,
    findings: Findings,
    outlet: Outlet,
}

impl Hasher {
    fn new(outlet: Outlet) -> Hasher {
        let whirlpool = whirlpool::Whirlpool::new();
        Hasher { whirlpool, findings: Findings::default(), outlet }
    }

    /// One without a thread and a socket, which keeps the blocks.
    pub(crate) fn in_memory() -> Hasher {
        Hasher::new(Outlet::Memory(Vec::new()))
    }

    /// The blocks that were kept.
    pub(crate) fn into_blocks(self) -> (Vec<io::Result<Block>>, Findings) {
        match self.outlet {
            Outlet::Memory(blocks) => (blocks, self.findings),
            Outlet::Socket(_) => (Vec::new(), self.findings),
        }
    }

    fn run(&mut self, read: &std_mpsc::Receiver<HasBeenRead>) {
        let mut is_last = false;
        while !is_last {
            let Ok(block) = read.recv() else {
                // The reader has crashed. An end without an error could pass for a whole body.
                self.outlet.put(Err(io::Error::other("the reading of the files has crashed")));
                return;
            };
            is_last = block.as_ref().map_or(true, |block| block.is_last);
            if !self.take(block) {
                return;
            }
        }
    }

    /// Whether more is wanted.
    pub(crate) fn take(&mut self, read: HasBeenRead) -> bool {
        match read {
            Ok(block) => {
                let content_bytes = self.hash(block.contents, &block.bytes);
                let ReadBlock { bytes, is_last, .. } = block;
                self.outlet.put(Ok(Block { bytes: bytes.into(), content_bytes, is_last }))
            }
            Err(ReadFailure { index, error, before }) => {
                self.hash(before.contents, &before.bytes);
                let told = io::Error::new(error.kind(), "a file could not be read");
                self.findings.lock().failure = Some((index, error));
                // If the receiver is gone, the body has ended already.
                self.outlet.put(Err(told));
                false
            }
        }
    }

    /// Hashes the contents in a block, and tells how many bytes they have.
    fn hash(&mut self, contents: Vec<Content>, bytes: &[u8]) -> u64 {
        let mut content_bytes = 0;
        for Content { place, ends } in contents {
            content_bytes += place.len() as u64;
            self.whirlpool.update(bytes.get(place).unwrap_or_default());
            if let Some(file) = ends {
                let whirlpool = Whirlpool::from_bytes(self.whirlpool.finalize_reset().into());
                self.findings.lock().files.push(file.with(whirlpool));
            }
        }
        content_bytes
    }
}

impl ReadFile {
    fn with(self, whirlpool: Whirlpool) -> SentFile {
        let ReadFile { name, size_bytes, fingerprint, at_open, at_end, at_end_of_file } = self;
        SentFile { name, size_bytes, whirlpool, fingerprint, at_open, at_end, at_end_of_file }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_ends_when_nobody_takes_its_blocks() {
        let Started { input, blocks, findings: _ } = start().unwrap();
        drop(blocks);
        let block = || Ok(ReadBlock { bytes: vec![0], ..ReadBlock::default() });
        let taken = (0..100).take_while(|_| input.send(block()).is_ok()).count();
        // The one that it could not hand on, and those that waited for it.
        assert!(taken <= 1 + BLOCKS_TO_HASH, "{taken}");
    }
}
