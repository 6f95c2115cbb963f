//! Whirlpool in a thread of its own.
//!
//! It does about 150 MB/s on one core, slower than many networks: while a block is hashed, the
//! next ones can come in and be written.

use std::io;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use whirlpool::Digest;

use crate::hash::digest::Whirlpool;

/// A Whirlpool hash that a thread computes. The thread ends when this is dropped.
pub(crate) struct WhirlpoolThread {
    blocks: mpsc::Sender<Bytes>,
    hash: JoinHandle<Whirlpool>,
}

impl WhirlpoolThread {
    /// Starts the thread. Up to `blocks_ahead` blocks may wait for it.
    pub(crate) fn start(blocks_ahead: usize) -> WhirlpoolThread {
        let (send, mut blocks) = mpsc::channel::<Bytes>(blocks_ahead);
        let hash = spawn_blocking(move || {
            let mut hash = whirlpool::Whirlpool::default();
            while let Some(block) = blocks.blocking_recv() {
                hash.update(&block);
            }
            Whirlpool::from_bytes(hash.finalize().into())
        });
        WhirlpoolThread { blocks: send, hash }
    }

    /// Waits while too many blocks are ahead.
    pub(crate) async fn add(&self, block: Bytes) {
        // If the thread has failed, `finish` says so.
        drop(self.blocks.send(block).await);
    }

    /// The hash of all that was added.
    ///
    /// # Errors
    ///
    /// When the thread has panicked.
    pub(crate) async fn finish(self) -> io::Result<Whirlpool> {
        drop(self.blocks);
        Ok(self.hash.await?)
    }
}
