//! Notices that this process was stopped, that the machine was asleep, or that its clock was set.
//!
//! Each turn of the loop compares both clocks with those of the turn before. After a gap everything
//! is looked at once, because changes may have been missed (T03). The pace needs no correction: it
//! counts on the monotonic clock and never catches up.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::Daemon;
use crate::base::words::duration;

/// The lateness of a turn from which on the process counts as stopped. If the two clocks differ by
/// this much more than before, the wall clock was set or the machine was asleep.
const GAP: Duration = Duration::from_secs(60);

/// The shortest gap that counts, even if an emulator's clock runs much faster: a busy machine is
/// late by less.
const LEAST_GAP: Duration = Duration::from_secs(1);

/// The clocks at the last turn, and the latest time of the next one.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    last: Option<Clocks>,
    due: Option<Instant>,
}

/// Both clocks at one turn.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    steady: Instant,
    wall: SystemTime,
}

/// What happened between two turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipped {
    /// The process did not run for this long.
    Stopped(Duration),
    /// The wall clock went forward by this much more than the monotonic one: the machine slept, or
    /// its clock was set.
    Ahead(Duration),
    /// The wall clock was set back by this much.
    Back(Duration),
}

impl Pulse {
    /// Notes the latest time of the next turn.
    pub(super) fn expect(&mut self, due: Instant) {
        self.due = Some(due);
    }

    /// Takes a turn, and returns what happened since the last one if it was longer than `gap`.
    fn beat(&mut self, now: Clocks, gap: Duration) -> Option<Skipped> {
        let before = self.last.replace(now)?;
        let late = self.due.map_or(Duration::ZERO, |due| now.steady.saturating_duration_since(due));
        let expected = before.wall + now.steady.saturating_duration_since(before.steady);
        match (now.wall.duration_since(expected), expected.duration_since(now.wall)) {
            _ if late > gap => Some(Skipped::Stopped(late)),
            (Ok(by), _) if by > gap => Some(Skipped::Ahead(by)),
            (_, Ok(by)) if by > gap => Some(Skipped::Back(by)),
            _ => None,
        }
    }
}

impl Daemon {
    /// Looks at everything after a gap.
    pub(super) fn feel_pulse(&mut self) {
        let scale = self.shared.client.pacer().time_scale().max(1);
        let now = Clocks { steady: Instant::now(), wall: SystemTime::now() };
        let Some(skipped) = self.pulse.beat(now, (GAP / scale).max(LEAST_GAP)) else { return };
        match skipped {
            Skipped::Stopped(by) => {
                tracing::info!("stopped for {}; looking at everything", duration(by));
            }
            Skipped::Ahead(by) => tracing::info!(
                "the machine was asleep, or its clock was set forward, by {}; looking at everything",
                duration(by)
            ),
            Skipped::Back(by) => tracing::info!(
                "the clock of this machine was set back by {}; looking at everything",
                duration(by)
            ),
        }
        // The difference was measured with a clock that has been set since.
        self.clocks_apart = None;
        for seat in self.seats.values_mut() {
            seat.dirty.mark_everything();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn t03_only_a_gap_is_one() {
        let start = Instant::now();
        let at = |seconds: u32| SystemTime::UNIX_EPOCH + seconds * SECOND;
        let beat = |turn: Duration, wall: SystemTime| {
            let mut pulse = Pulse::default();
            let first = Clocks { steady: start, wall: at(1_000_000) };
            assert_eq!(pulse.beat(first, 60 * SECOND), None, "the first");
            pulse.expect(start + 30 * SECOND);
            pulse.beat(Clocks { steady: start + turn, wall }, 60 * SECOND)
        };
        assert_eq!(beat(30 * SECOND, at(1_000_030)), None);
        assert_eq!(beat(85 * SECOND, at(1_000_085)), None, "a busy machine");
        assert_eq!(beat(30 * SECOND, at(1_000_085)), None, "a clock that is corrected a little");
        assert_eq!(beat(3_630 * SECOND, at(1_003_630)), Some(Skipped::Stopped(3_600 * SECOND)));
        assert_eq!(beat(30 * SECOND, at(1_003_630)), Some(Skipped::Ahead(3_600 * SECOND)));
        assert_eq!(beat(30 * SECOND, at(996_430)), Some(Skipped::Back(3_600 * SECOND)));
    }
}
