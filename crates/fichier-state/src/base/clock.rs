//! The clock that times on record are read from.
//!
//! It is the system's clock, or that of a simulation, plus an offset that tests move: days pass in
//! them without waiting. Waits and paces use the monotonic clock instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of day plus an offset. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    system: fichier_api::Clock,
    ahead_s: Arc<AtomicI64>,
}

impl Clock {
    /// One that reads `system` in place of the clock of this machine.
    pub fn by(system: fichier_api::Clock) -> Clock {
        Clock { system, ahead_s: Arc::default() }
    }

    /// The time of day as the disk sees it, without the offset.
    pub fn wall(&self) -> SystemTime {
        self.system.wall()
    }

    /// What time it is; Unix seconds.
    pub fn now_s(&self) -> i64 {
        let since = self.wall().duration_since(UNIX_EPOCH);
        let real = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        real.saturating_add(self.ahead_s.load(Ordering::Relaxed))
    }

    /// Moves the offset by `by`; for tests.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        self.ahead_s.fetch_add(by, Ordering::Relaxed);
    }

    /// The offset: how many seconds this clock is ahead of the system's.
    pub fn ahead_s(&self) -> i64 {
        self.ahead_s.load(Ordering::Relaxed)
    }

    /// Sets the offset, ahead of the system's clock or (below 0) behind it; for tests.
    pub fn set_ahead(&self, seconds: i64) {
        self.ahead_s.store(seconds, Ordering::Relaxed);
    }
}
