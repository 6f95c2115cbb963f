//! Random: for names that must not repeat, and for times at which many servers must not act at once.
//!
//! A simulation gives a seed, so that it can be replayed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A source of numbers that nobody can foresee, unless it has a seed. Clones go on together.
#[derive(Clone, Debug, Default)]
pub struct Random {
    seeded: Option<Arc<Mutex<u64>>>,
}

impl Random {
    /// Always the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Random {
        Random { seeded: Some(Arc::new(Mutex::new(seed))) }
    }

    /// A number.
    pub fn number(&self) -> u64 {
        if let Some(state) = &self.seeded {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            return next(&mut state);
        }
        let mut random = [0u8; 8];
        match getrandom::fill(&mut random) {
            Ok(()) => u64::from_le_bytes(random),
            Err(_) => fichier_state::Clock::default().now_s().unsigned_abs(),
        }
    }

    /// Within a tenth of `period`, so that many mirrors, or many servers, do not act in step.
    pub fn about(&self, period: Duration) -> Duration {
        let share = u32::try_from(self.number() % 200).unwrap_or(100);
        period * (900 + share) / 1000
    }
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_none_gives_others() {
        let some = |random: Random| [random.number(), random.number(), random.number()];
        assert_eq!(some(Random::seeded(7)), some(Random::seeded(7)));
        assert_ne!(some(Random::seeded(7)), some(Random::seeded(8)));
        assert_ne!(some(Random::default()), some(Random::default()));
    }

    #[test]
    fn about_a_period_is_within_a_tenth_of_it() {
        let (random, period) = (Random::seeded(1), Duration::from_secs(100));
        let times: Vec<Duration> = (0..1000).map(|_| random.about(period)).collect();
        assert!(times.iter().all(|time| time.abs_diff(period) <= period / 10));
        assert!(times.iter().any(|time| *time < period) && times.iter().any(|time| *time > period));
    }
}
