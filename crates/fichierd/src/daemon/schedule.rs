//! When a mirror's next cycle is due, and over what.

use std::time::{Duration, Instant, SystemTime};

use crate::chores::ChoresEnd;
use crate::config::MirrorConfig;
use crate::dirty::Due;
use crate::mirror::{CycleEnd, MirrorWorker, Trouble};

/// A person has to act; the next look costs no call, or one.
const HELD_RETRY: Duration = Duration::from_secs(60);
/// The key was refused: at most one probe an hour (C01).
const REFUSED_RETRY: Duration = Duration::from_secs(3600);
/// A full disk, say (P03).
const STATE_RETRY: Duration = Duration::from_secs(10);
/// The network: from this to the next, doubling.
const NETWORK_RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// An upload's outcome is not known yet.
const PENDING_RETRY: Duration = Duration::from_secs(30);

/// The times of one mirror.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Nothing begins before this.
    not_before: Option<Instant>,
    /// A full look at the disk.
    rescan_at: Instant,
    /// A cycle is due then whatever is dirty: a problem's next try, a pending upload.
    wake_at: Option<Instant>,
    failures: u32,
    /// The last cycle looked at single paths only.
    was_small: bool,
    /// Somebody waits for a full look.
    is_awaited: bool,
    /// When there may be something to do between cycles; not while a mirror waits.
    chores_at: Option<Instant>,
}

impl Schedule {
    /// Everything is looked at at once.
    pub(super) fn starting() -> Schedule {
        Schedule {
            not_before: None,
            rescan_at: Instant::now(),
            wake_at: None,
            failures: 0,
            was_small: false,
            is_awaited: false,
            chores_at: None,
        }
    }

    /// Forgets waiting times: something has changed that they were for.
    pub(super) fn look_now(&mut self) {
        self.not_before = None;
        self.wake_at = Some(Instant::now());
    }

    /// A full look in a while, for somebody who waits.
    pub(super) fn rescan_in(&mut self, pause: Duration) {
        self.rescan_at = self.rescan_at.min(Instant::now() + pause);
        self.is_awaited = true;
    }

    /// A full look, now.
    pub(super) fn rescan_now(&mut self) {
        self.look_now();
        self.rescan_at = Instant::now();
        self.is_awaited = true;
    }

    pub(super) fn is_due(&self, now: Instant, worker: &MirrorWorker) -> bool {
        self.next(worker).is_some_and(|next| next <= now)
    }

    /// When the next cycle begins, if nothing else happens.
    pub(super) fn next(&self, worker: &MirrorWorker) -> Option<Instant> {
        let config = &worker.config;
        let dirty = worker.dirty.next_due(config.settle, config.settle_at_most);
        let next = [Some(self.rescan_at), self.wake_at, dirty].into_iter().flatten().min()?;
        Some(self.not_before.map_or(next, |not_before| next.max(not_before)))
    }

    /// When there may be something to do between cycles.
    pub(super) fn next_chores(&self) -> Option<Instant> {
        self.chores_at
    }

    /// Whether there may be, now; it is not asked for a second time.
    pub(super) fn take_chores(&mut self, now: Instant) -> bool {
        let is_due = self.chores_at.is_some_and(|at| at <= now);
        if is_due {
            self.chores_at = None;
        }
        is_due
    }

    /// Plans ahead after what was done between cycles.
    pub(super) fn after_chores(&mut self, end: &ChoresEnd, time_scale: u32) {
        let scale = if end.trouble.is_some() { time_scale.max(1) } else { 1 };
        self.chores_at = Some(Instant::now() + end.next / scale);
    }

    /// What the cycle that begins now looks at.
    pub(super) fn take(&mut self, now: Instant, worker: &MirrorWorker) -> Due {
        let config = &worker.config;
        let mut due = worker.dirty.take_settled(config.settle, config.settle_at_most);
        // Small changes go before bulk; but bulk has every second turn.
        let small_first = !due.paths.is_empty() && !self.was_small && !self.is_awaited;
        if self.rescan_at <= now && !small_first {
            due.everything = true;
            self.rescan_at = now + jittered(config.rescan);
        }
        self.was_small = !due.everything;
        self.is_awaited = false;
        self.wake_at = None;
        due
    }

    /// Plans ahead after a cycle.
    pub(super) fn after(
        &mut self,
        end: &CycleEnd,
        problem_in: Option<Duration>,
        time_scale: u32,
        config: &MirrorConfig,
    ) {
        let now = Instant::now();
        let scaled = |wait: Duration| wait / time_scale.max(1);
        let pending = (end.report.uploads_pending > 0).then(|| scaled(PENDING_RETRY));
        self.wake_at = [problem_in, pending].into_iter().flatten().min().map(|wait| now + wait);
        let wait = match &end.trouble {
            None => {
                self.failures = 0;
                self.not_before = None;
                // Something is due perhaps that was not before. What comes to rest in a moment is
                // waited for, and what never does is not: a copy of the records is to tell of it.
                let at = if end.has_restless() { now + config.settle_at_most } else { now };
                self.chores_at = Some(self.chores_at.map_or(at, |before| before.min(at)));
                if end.more {
                    self.rescan_at = now;
                }
                return;
            }
            Some(Trouble::Held(_) | Trouble::OtherAccount(_)) => HELD_RETRY.min(config.rescan),
            Some(Trouble::Refused(_)) => scaled(REFUSED_RETRY),
            Some(Trouble::NoState(_)) => STATE_RETRY.min(config.rescan),
            Some(Trouble::HeldOff(until, _)) => {
                until.duration_since(SystemTime::now()).unwrap_or_default()
            }
            Some(Trouble::Unreachable(_)) => {
                let doubled = NETWORK_RETRY.0 * 2u32.saturating_pow(self.failures.min(8));
                scaled(jittered(doubled.min(NETWORK_RETRY.1)))
            }
        };
        self.chores_at = None;
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + wait);
        self.wake_at = self.not_before;
    }
}

/// Within a tenth of `period`, so that many mirrors, or many servers, do not act in step.
fn jittered(period: Duration) -> Duration {
    let mut random = [0u8; 2];
    let share = match getrandom::fill(&mut random) {
        Ok(()) => u32::from(u16::from_le_bytes(random)) % 200,
        Err(_) => 100,
    };
    period * (900 + share) / 1000
}
