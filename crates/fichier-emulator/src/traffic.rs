//! What goes through the servers, as bytes and as downloads at one time.
//!
//! Apart from the state and its lock, since it changes with every block.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::state::World;

/// Counters that only grow, except for the downloads of this moment.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// File bytes that the nodes have read, of complete uploads or not.
    pub(crate) received: AtomicU64,
    /// File bytes that the download servers have sent, of complete downloads or not.
    pub(crate) sent: AtomicU64,
    downloads: AtomicUsize,
    most_downloads: AtomicUsize,
}

impl Traffic {
    /// The most downloads that were ever under way together.
    pub(crate) fn most_downloads(&self) -> usize {
        self.most_downloads.load(Relaxed)
    }
}

/// One download under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Passage(Arc<World>);

impl Passage {
    pub(crate) fn begin(world: Arc<World>) -> Passage {
        let traffic = &world.traffic;
        let downloads = 1 + traffic.downloads.fetch_add(1, Relaxed);
        traffic.most_downloads.fetch_max(downloads, Relaxed);
        Passage(world)
    }

    /// Counts bytes as sent.
    pub(crate) fn count(&self, bytes: u64) {
        self.0.traffic.sent.fetch_add(bytes, Relaxed);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.0.traffic.downloads.fetch_sub(1, Relaxed);
    }
}
