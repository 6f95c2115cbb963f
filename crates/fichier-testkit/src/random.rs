//! Numbers that look random and are the same for the same seed, so that a failing run can be had
//! again.

/// A linear congruential generator of 64 bits, with Knuth's constants.
pub struct Random(u64);

impl Random {
    /// Neighbouring seeds give streams that have nothing in common.
    pub fn of(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def0)
    }

    /// The next number, from 0 to `bound - 1`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// The next number as a place in a list of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}
