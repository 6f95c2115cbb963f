//! Whirlpool in a thread of its own.
//!
//! It does about 150 MB/s on one core, slower than many networks: while a block is hashed, the
//! next ones can come in and be written. A small content is hashed where it is: a thread would
//! take longer, and would hold a paused clock up while it waits.

use std::io;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use whirlpool::Digest;

use crate::hash::digest::Whirlpool;

/// Bytes that are hashed without a thread: two milliseconds.
const SMALL_BYTES: usize = 256 * 1024;

/// A Whirlpool hash that a thread computes, once there is enough to do. The thread ends when this
/// is dropped.
pub(crate) struct WhirlpoolThread {
    blocks_ahead: usize,
    work: Work,
}

enum Work {
    /// The hash of these bytes so far.
    Here(Box<whirlpool::Whirlpool>, usize),
    Thread(mpsc::Sender<Bytes>, JoinHandle<Whirlpool>),
}

impl WhirlpoolThread {
    /// Up to `blocks_ahead` blocks may wait for the thread.
    pub(crate) fn new(blocks_ahead: usize) -> WhirlpoolThread {
        WhirlpoolThread { blocks_ahead, work: Work::Here(Box::default(), 0) }
    }

    /// Waits while too many blocks are ahead.
    pub(crate) async fn add(&mut self, block: Bytes) {
        if let Work::Here(hash, hashed) = &mut self.work {
            if *hashed + block.len() <= SMALL_BYTES {
                *hashed += block.len();
                hash.update(&block);
                return;
            }
            self.work = start(std::mem::take(&mut **hash), self.blocks_ahead);
        }
        if let Work::Thread(blocks, _) = &self.work {
            // If the thread has failed, `finish` says so.
            drop(blocks.send(block).await);
        }
    }

    /// The hash of all that was added.
    ///
    /// # Errors
    ///
    /// When the thread has panicked.
    pub(crate) async fn finish(self) -> io::Result<Whirlpool> {
        match self.work {
            Work::Here(hash, _) => Ok(Whirlpool::from_bytes(hash.finalize().into())),
            Work::Thread(blocks, hash) => {
                drop(blocks);
                Ok(hash.await?)
            }
        }
    }
}

fn start(mut hash: whirlpool::Whirlpool, blocks_ahead: usize) -> Work {
    let (send, mut blocks) = mpsc::channel::<Bytes>(blocks_ahead);
    let thread = spawn_blocking(move || {
        while let Some(block) = blocks.blocking_recv() {
            hash.update(&block);
        }
        Whirlpool::from_bytes(hash.finalize().into())
    });
    Work::Thread(send, thread)
}
