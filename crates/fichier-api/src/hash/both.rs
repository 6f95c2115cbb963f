//! Both hashes at once, of a file that is read only once.

use whirlpool::Digest;

use crate::hash::digest::{Fingerprint, Whirlpool};

/// Both hashes of a file that is being read.
pub(crate) struct BothHashes {
    whirlpool: whirlpool::Whirlpool,
    /// `None` where something else knows the fingerprint.
    fingerprint: Option<blake3::Hasher>,
}

impl Default for BothHashes {
    fn default() -> BothHashes {
        let fingerprint = Some(blake3::Hasher::new());
        BothHashes { whirlpool: whirlpool::Whirlpool::new(), fingerprint }
    }
}

impl BothHashes {
    /// Whirlpool alone; the fingerprint that comes out is that of nothing.
    pub(crate) fn whirlpool_alone() -> BothHashes {
        BothHashes { fingerprint: None, ..BothHashes::default() }
    }

    /// Adds what was read next.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.whirlpool.update(bytes);
        if let Some(fingerprint) = &mut self.fingerprint {
            fingerprint.update(bytes);
        }
    }

    /// The hashes of all that was added.
    pub(crate) fn finish(self) -> (Whirlpool, Fingerprint) {
        let whirlpool = Whirlpool::from_bytes(self.whirlpool.finalize().into());
        let fingerprint = self.fingerprint.unwrap_or_default().finalize();
        (whirlpool, Fingerprint::from_bytes(*fingerprint.as_bytes()))
    }
}
