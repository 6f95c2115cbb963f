//! Random numbers, for names that must not repeat and for times at which many servers must not act
//! at once.
//!
//! They are not for secrets, which come from the system each time (`getrandom`). A simulation gives
//! a seed, so that it can be replayed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;

/// A source of random numbers. They differ from process to process, unless the source has a seed.
/// Clones share one sequence.
#[derive(Clone, Debug)]
pub struct Random(Arc<Mutex<Rng>>);

impl Default for Random {
    fn default() -> Random {
        Random(Arc::new(Mutex::new(Rng::new())))
    }
}

impl Random {
    /// A source that always gives the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Random {
        Random(Arc::new(Mutex::new(Rng::with_seed(seed))))
    }

    /// The next number; each one of 64 bits is equally likely.
    pub fn number(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).u64(..)
    }

    /// A duration within a tenth of `period`, so that many mirrors, or many servers, do not act in
    /// step.
    pub fn about(&self, period: Duration) -> Duration {
        let share = u32::try_from(self.number() % 200).unwrap_or(100);
        period * (900 + share) / 1000
    }
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
