//! Counts the bytes that go through the servers, and the downloads at one time.
//!
//! The counters are apart from the state and its lock, since they change with every block.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::rules::Rules;

/// Counters that only grow, except for the downloads of this moment.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// File bytes that the nodes have read, of complete uploads or not.
    pub(crate) received: AtomicU64,
    /// File bytes that the download servers have sent, of complete downloads or not.
    pub(crate) sent: AtomicU64,
    /// Bytes of `sent` that are paid with CDN credit.
    cdn: AtomicU64,
    downloads: AtomicUsize,
    most_downloads: AtomicUsize,
}

impl Traffic {
    /// The CDN credit that the account has left.
    pub(crate) fn cdn_left_gb(&self, rules: &Rules) -> f64 {
        let used_gb = self.cdn.load(Relaxed) as f64 / 1e9;
        (rules.cdn_credit_gb - used_gb).max(0.0)
    }

    /// How many downloads are under way.
    pub(crate) fn downloads(&self) -> usize {
        self.downloads.load(Relaxed)
    }

    /// The most downloads that were ever under way together.
    pub(crate) fn most_downloads(&self) -> usize {
        self.most_downloads.load(Relaxed)
    }

    /// Counts one more download as under way.
    pub(super) fn begin_download(&self) {
        let downloads = 1 + self.downloads.fetch_add(1, Relaxed);
        self.most_downloads.fetch_max(downloads, Relaxed);
    }

    /// Counts one download less as under way.
    pub(super) fn end_download(&self) {
        self.downloads.fetch_sub(1, Relaxed);
    }

    /// Counts file bytes as sent; with `cdn`, they use up credit.
    pub(super) fn count_sent(&self, bytes: u64, cdn: bool) {
        self.sent.fetch_add(bytes, Relaxed);
        if cdn {
            self.cdn.fetch_add(bytes, Relaxed);
        }
    }
}
