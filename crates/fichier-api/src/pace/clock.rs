//! The pacer's own clock: never backward, never ahead of the time that has really passed.
//!
//! Its readings outlive the process, so neither of the system's clocks will do alone: the wall
//! clock jumps when somebody sets it, and the boot clock starts again with the machine. This one
//! advances by the smaller of their two differences. A wall clock that jumps in either direction
//! therefore changes nothing while the machine is up. Over a reboot, or when both disagree, less
//! time may seem to have passed than really has, which costs waiting, but a rule is never broken;
//! and the waiting is bounded by the longest wait of each rule, since every disagreement starts a
//! new count ([`Reading::jumped`]).

use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::pace::schedule::Micros;

/// The most by which the system's clocks may drift apart since they were read; beyond it they
/// disagree.
const DRIFT: Micros = 500_000;

/// The times that the system's clocks show at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    wall: Micros,
    /// Since the machine was started, sleep included. It never jumps, and is the same for all
    /// processes.
    boot: Micros,
}

/// The pacer's clock, as it is kept: it showed `shown` when the system's clocks showed `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SteadyClock {
    shown: Micros,
    at: Moment,
}

/// One look at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) now: Micros,
    /// The system's clocks disagree about the time since the last count began. The clock must be
    /// kept anew ([`SteadyClock::kept_at`]), or it would stand still until they agree again.
    pub(crate) jumped: bool,
}

impl Moment {
    #[cfg(test)]
    pub(crate) fn of_seconds(wall: i64, boot: i64) -> Moment {
        Moment { wall: wall * 1_000_000, boot: boot * 1_000_000 }
    }

    pub(crate) fn now(clock: &Clock) -> Moment {
        let wall = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment {
            wall: Micros::try_from(wall.as_micros()).unwrap_or_default(),
            boot: Micros::try_from(clock.since_boot().as_micros()).unwrap_or_default(),
        }
    }
}

impl SteadyClock {
    pub(crate) fn started_at(at: Moment) -> SteadyClock {
        SteadyClock { shown: at.wall, at }
    }

    pub(crate) fn read(&self, at: Moment) -> Reading {
        let wall = at.wall.saturating_sub(self.at.wall);
        let boot = at.boot.saturating_sub(self.at.boot);
        let passed = wall.min(boot).max(0);
        let jumped = wall.saturating_sub(boot).saturating_abs() > DRIFT || boot < 0;
        Reading { now: self.shown.saturating_add(passed), jumped }
    }

    /// The same clock, counting from `at` on.
    pub(crate) fn kept_at(&self, at: Moment) -> SteadyClock {
        SteadyClock { shown: self.read(at).now, at }
    }
}

#[cfg(test)]
mod tests {
    use rustix::time::{ClockId, clock_gettime};

    use super::*;

    const SECOND: Micros = 1_000_000;

    /// Seconds that the clock counts between two moments, and whether it saw a jump.
    fn counted(from: Moment, to: Moment) -> (i64, bool) {
        let clock = SteadyClock::started_at(from);
        let reading = clock.read(to);
        ((reading.now - clock.shown) / SECOND, reading.jumped)
    }

    #[test]
    fn the_boot_clock_is_read_in_microseconds() {
        let boot = || {
            let read = clock_gettime(ClockId::Boottime);
            let nanos = u32::try_from(read.tv_nsec).unwrap();
            let read = std::time::Duration::new(read.tv_sec.try_into().unwrap(), nanos);
            Micros::try_from(read.as_micros()).unwrap()
        };
        let (before, now, after) = (boot(), Moment::now(&Clock::system()).boot, boot());
        assert!((before..=after).contains(&now), "{before} {now} {after}");
    }

    #[test]
    fn clocks_may_drift_a_little_apart() {
        let jumped = |apart| {
            let clock = SteadyClock::started_at(Moment { wall: 0, boot: 0 });
            clock.read(Moment { wall: 3_600 * SECOND + apart, boot: 3_600 * SECOND }).jumped
        };
        assert_eq!([-DRIFT - 1, -DRIFT, DRIFT, DRIFT + 1].map(jumped), [true, false, false, true]);
    }

    #[test]
    fn clocks_that_agree_are_believed() {
        assert_eq!(
            counted(Moment::of_seconds(1_000, 50), Moment::of_seconds(1_007, 57)),
            (7, false)
        );
    }

    #[test]
    fn a_wall_clock_that_jumps_changes_nothing_but_is_noticed() {
        assert_eq!(
            counted(Moment::of_seconds(1_000, 50), Moment::of_seconds(99_000, 57)),
            (7, true)
        );
        assert_eq!(counted(Moment::of_seconds(1_000, 50), Moment::of_seconds(10, 57)), (0, true));
    }

    #[test]
    fn after_a_backward_jump_the_clock_goes_on_as_soon_as_it_is_kept_anew() {
        let clock = SteadyClock::started_at(Moment::of_seconds(1_000, 50))
            .kept_at(Moment::of_seconds(10, 57));
        let reading = clock.read(Moment::of_seconds(15, 62));
        assert_eq!(reading, Reading { now: 1_005 * SECOND, jumped: false });
    }

    #[test]
    fn a_reboot_never_counts_more_than_either_clock() {
        // Up for 9,000 s, then a minute of downtime, then up for 5 s.
        assert_eq!(
            counted(Moment::of_seconds(10_000, 9_000), Moment::of_seconds(10_065, 5)),
            (0, true)
        );
        assert_eq!(
            counted(Moment::of_seconds(10_000, 2), Moment::of_seconds(10_065, 5)),
            (3, true)
        );
    }

    #[test]
    fn the_clocks_of_this_system_run_forward_together() {
        let system = Clock::system();
        let clock = SteadyClock::started_at(Moment::now(&system));
        let reading = clock.read(Moment::now(&system));
        assert!(reading.now >= clock.shown && !reading.jumped, "{clock:?} {reading:?}");
    }
}
