//! The time: of the wall clock, and of the clock since boot, which cannot be set.
//!
//! Everything in this workspace that depends on a time of day asks a [`Clock`], and everything that
//! waits uses the runtime's timers. So a simulation that stops the runtime's clock (tokio's
//! `pause`) controls all time: a [`Clock::following_runtime`] shows what the timers count.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// A source of the time. Copies show the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// For a clock that follows the runtime: the time at its start, and the runtime's instant then.
    followed: Option<(SystemTime, Instant)>,
}

impl Clock {
    /// The clocks of this machine.
    pub fn system() -> Clock {
        Clock { followed: None }
    }

    /// A clock that shows `start` now, and from then on goes as the runtime's timers do: for
    /// simulations. It never jumps.
    pub fn following_runtime(start: SystemTime) -> Clock {
        Clock { followed: Some((start, Instant::now())) }
    }

    /// The time of day. Somebody may set it back or ahead at any moment.
    pub fn wall(&self) -> SystemTime {
        match self.followed {
            Some((start, since)) => start + since.elapsed(),
            None => SystemTime::now(),
        }
    }

    /// Since the machine was started, sleep included; the same for all processes.
    pub fn since_boot(&self) -> Duration {
        if let Some((_, since)) = self.followed {
            return since.elapsed();
        }
        let boot = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(boot.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(boot.tv_nsec).unwrap_or(0))
    }
}
