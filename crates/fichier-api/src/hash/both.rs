//! Both hashes at once, of a file that is read only once.

use whirlpool::Digest;

use crate::hash::digest::{Fingerprint, Whirlpool};

/// Both hashes of a file that is being read.
#[derive(Default)]
pub(crate) struct BothHashes {
    whirlpool: whirlpool::Whirlpool,
    fingerprint: blake3::Hasher,
}

impl BothHashes {
    /// Adds what was read next.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.whirlpool.update(bytes);
        self.fingerprint.update(bytes);
    }

    /// The hashes of all that was added.
    pub(crate) fn finish(self) -> (Whirlpool, Fingerprint) {
        let whirlpool = Whirlpool::from_bytes(self.whirlpool.finalize().into());
        (whirlpool, Fingerprint::from_bytes(*self.fingerprint.finalize().as_bytes()))
    }
}
