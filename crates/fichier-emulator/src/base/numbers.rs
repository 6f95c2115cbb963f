//! Numbers that look random and are the same in every run with the same seed.
//!
//! They make links, ids and the order of keys. Nothing here is a secret: the emulated account
//! exists on loopback only.

use serde::{Deserialize, Serialize};

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A counter, well stirred (splitmix64).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn seeded(seed: u64) -> Numbers {
        Numbers(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1; 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }

    /// Lower-case letters and digits, as in links.
    pub(crate) fn lower(&mut self, length: usize) -> String {
        self.text(length, LOWER)
    }

    /// Letters and digits, as in keys and upload ids.
    pub(crate) fn mixed(&mut self, length: usize) -> String {
        self.text(length, MIXED)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    fn text(&mut self, length: usize, letters: &[u8]) -> String {
        (0..length).map(|_| char::from(letters[self.below(letters.len())])).collect()
    }
}
