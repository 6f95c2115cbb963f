//! The schedule of a mirror: when its next cycle is due, and which paths the cycle looks at.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::base::Random;
use crate::config::MirrorConfig;
use crate::disk::Due;
use crate::mirror::{ChoresEnd, CycleEnd, Held, MirrorWorker, PENDING_RETRY, Trouble};

/// How long a mirror whose source is held waits for its next cycle, which costs no call: only a
/// person can end the hold, or the source comes back.
const HELD_RETRY: Duration = Duration::from_secs(60);
/// The first and the longest time that a mirror waits whose target is held. The wait doubles with
/// each look, which costs several calls.
const TARGET_RETRY: (Duration, Duration) = (HELD_RETRY, Duration::from_secs(30 * 60));
/// How long a mirror whose key was refused waits: at most one probe an hour (C01).
const REFUSED_RETRY: Duration = Duration::from_secs(3600);
/// How long a mirror waits when the state file cannot be used, as on a full disk (P03).
const STATE_RETRY: Duration = Duration::from_secs(10);
/// The first and the longest time that a mirror waits while 1fichier cannot be reached. The wait
/// doubles with each failure, and is never more than a minute with its jitter (H01).
const NETWORK_RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(54));
/// The first and the longest time that a mirror waits while connections to 1fichier break before a
/// reply comes: each call may have reached the service.
const UNANSWERED_RETRY: (Duration, Duration) =
    (Duration::from_secs(5), Duration::from_secs(30 * 60));
/// The first and the longest time that a mirror waits while 1fichier answers, but not as expected.
/// The wait doubles with each failure: each try may cost several calls.
const FAILING_RETRY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(30 * 60));

/// The time of one turn of the loop, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The time by the monotonic clock.
    pub instant: Instant,
    /// The time by the wall clock, which decides when a hold-off ends.
    pub wall: SystemTime,
}

impl Now {
    /// This moment, by the clock of the state.
    pub fn of(clock: &fichier_state::Clock) -> Now {
        Now { instant: Instant::now(), wall: clock.wall() }
    }
}

/// Who asks for a look at once. The later one outweighs the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// A file system was mounted or unmounted, or the source went or came back. A host with
    /// containers has new mounts all the time.
    Mount,
    /// A person: by a command, a signal or a new configuration.
    Person,
}

/// The times of one mirror. It is pure: the time and the ends of cycles are arguments.
#[derive(Debug)]
pub struct Schedule {
    /// The time before which no cycle begins.
    not_before: Option<Instant>,
    /// The time at which the next full look at the disk is due.
    rescan_at: Instant,
    /// The time at which a cycle is due even if nothing is dirty: for a problem's next try, or for
    /// a pending upload.
    wake_at: Option<Instant>,
    /// Cycles in a row that ended with trouble.
    failures: u32,
    /// Cycles in a row that ended because a connection broke before a reply came.
    unanswered: u32,
    /// Whether the last cycle looked at single paths only.
    was_small: bool,
    /// Whether a command waits for a full look.
    is_awaited: bool,
    /// Who has asked for a look since the last cycle began.
    woken: Option<Wake>,
    /// The time at which chores may be due; `None` while the mirror waits after a failure.
    chores_at: Option<Instant>,
}

impl Schedule {
    /// A schedule whose first full look is due now.
    pub fn starting(now: Instant) -> Schedule {
        Schedule {
            not_before: None,
            rescan_at: now,
            wake_at: None,
            failures: 0,
            unanswered: 0,
            was_small: false,
            is_awaited: false,
            woken: None,
            chores_at: None,
        }
    }

    /// Ends all waiting, because its cause may have ended. If a cycle is under way, another one
    /// follows it, as far as its end allows: it may have looked too early.
    pub fn look_now(&mut self, now: Instant, by: Wake) {
        self.not_before = None;
        self.wake_at = Some(now);
        self.woken = self.woken.max(Some(by));
    }

    /// Waits as long as a mirror whose key was refused: another one has met that, and this one would
    /// meet the same.
    pub(super) fn wait_refused(&mut self, now: Instant, time_scale: u32) {
        self.not_before = Some(now + REFUSED_RETRY / time_scale.max(1));
        self.chores_at = None;
        self.wake_at = self.not_before;
    }

    /// Ends a wait that goes on, because its cause has ended.
    pub fn end_wait(&mut self, now: Instant) {
        if self.not_before.is_some_and(|not_before| not_before > now) {
            self.look_now(now, Wake::Person);
        }
    }

    /// Plans a full look after `pause`, for a command that waits.
    pub fn rescan_in(&mut self, now: Instant, pause: Duration) {
        self.rescan_at = self.rescan_at.min(now + pause);
        self.is_awaited = true;
    }

    /// Plans a full look for now, for a command that waits.
    pub fn rescan_now(&mut self, now: Instant) {
        self.look_now(now, Wake::Person);
        self.rescan_at = now;
        self.is_awaited = true;
    }

    /// Whether the next cycle is due.
    pub fn is_due(&self, now: Instant, worker: &MirrorWorker) -> bool {
        self.next(worker).is_some_and(|next| next <= now)
    }

    /// The time at which the next cycle begins, if nothing else happens.
    pub fn next(&self, worker: &MirrorWorker) -> Option<Instant> {
        let config = &worker.config;
        let dirty = worker.dirty.next_due(config.settle, config.settle_at_most);
        let next = [Some(self.rescan_at), self.wake_at, dirty].into_iter().flatten().min()?;
        Some(self.not_before.map_or(next, |not_before| next.max(not_before)))
    }

    /// The time until which the mirror waits after a failure.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.not_before
    }

    /// The time at which chores may be due.
    pub fn next_chores(&self) -> Option<Instant> {
        self.chores_at
    }

    /// Whether chores may be due now. If so, no others are due until [`Schedule::after_chores`].
    pub fn take_chores(&mut self, now: Instant) -> bool {
        let is_due = self.chores_at.is_some_and(|at| at <= now);
        if is_due {
            self.chores_at = None;
        }
        is_due
    }

    /// Sets the time of the next chores after some have ended.
    pub fn after_chores(&mut self, now: Instant, end: &ChoresEnd, time_scale: u32) {
        let wait = match &end.trouble {
            None => end.next,
            Some(Trouble::Refused(_)) => REFUSED_RETRY / time_scale.max(1),
            Some(_) => end.next / time_scale.max(1),
        };
        self.chores_at = Some(now + wait);
    }

    /// The paths that the cycle that begins now looks at.
    pub fn take(&mut self, now: Instant, worker: &MirrorWorker, random: &Random) -> Due {
        let config = &worker.config;
        let mut due = worker.dirty.take_settled(config.settle, config.settle_at_most);
        // Small changes come before bulk, but bulk has every second turn.
        let small_first = !due.paths.is_empty() && !self.was_small && !self.is_awaited;
        if self.rescan_at <= now && !small_first {
            due.everything = true;
            self.rescan_at = now + random.about(config.rescan);
        }
        self.was_small = !due.everything;
        self.is_awaited = false;
        self.wake_at = None;
        self.woken = None;
        due
    }

    /// Sets the time of the next cycle after one has ended.
    pub fn after(
        &mut self,
        now: Now,
        end: &CycleEnd,
        problem_in: Option<Duration>,
        time_scale: u32,
        config: &MirrorConfig,
        random: &Random,
    ) {
        let Now { instant: now, wall } = now;
        let scaled = |wait: Duration| wait / time_scale.max(1);
        let pending = (end.report.uploads_pending > 0).then(|| scaled(PENDING_RETRY));
        self.wake_at = [problem_in, pending].into_iter().flatten().min().map(|wait| now + wait);
        let is_unanswered = matches!(end.trouble, Some(Trouble::Unanswered(_)));
        self.unanswered = if is_unanswered { self.unanswered.saturating_add(1) } else { 0 };
        let wait = match &end.trouble {
            None => {
                self.failures = 0;
                self.not_before = None;
                // The cycle may have made chores due. They wait for files that are being written,
                // at most for `settle_at_most`, so that the copy of the records lists these files.
                let at = if end.has_restless() { now + config.settle_at_most } else { now };
                self.chores_at = Some(self.chores_at.map_or(at, |before| before.min(at)));
                if end.more {
                    self.rescan_at = now;
                }
                return;
            }
            Some(Trouble::Held(Held::Target(_))) => {
                doubled(TARGET_RETRY, self.failures).min(config.rescan)
            }
            Some(Trouble::Held(_)) => HELD_RETRY.min(config.rescan),
            Some(Trouble::Refused(_) | Trouble::OtherAccount(_)) => scaled(REFUSED_RETRY),
            Some(Trouble::NoState(_)) => STATE_RETRY.min(config.rescan),
            Some(Trouble::HeldOff(until, ..)) => until.duration_since(wall).unwrap_or_default(),
            Some(Trouble::Unreachable(_)) => {
                scaled(random.about(doubled(NETWORK_RETRY, self.failures)))
            }
            Some(Trouble::Unanswered(_)) => {
                scaled(random.about(doubled(UNANSWERED_RETRY, self.unanswered - 1)))
            }
            Some(Trouble::Failing(_)) => {
                scaled(random.about(doubled(FAILING_RETRY, self.failures)))
            }
        };
        let waits_in_vain = match (&end.trouble, self.woken.take()) {
            (_, None) | (Some(Trouble::HeldOff(..)), _) => false,
            // A mount may end the wait for a source, but not a wait for the service.
            (Some(Trouble::Held(_)), Some(_)) | (_, Some(Wake::Person)) => true,
            (_, Some(Wake::Mount)) => false,
        };
        self.chores_at = None;
        self.failures = self.failures.saturating_add(1);
        self.not_before = (!waits_in_vain).then(|| now + wait);
        self.wake_at = Some(self.not_before.unwrap_or(now));
    }
}

/// The first wait, doubled for each failure in a row, and at most the longest.
fn doubled((first, longest): (Duration, Duration), failures: u32) -> Duration {
    (first * 2u32.saturating_pow(failures.min(9))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::{CycleOutcome, Reason};
    use crate::remote::{CycleReport, TargetRefused};
    use crate::status::{Completeness, Kind};

    fn config() -> MirrorConfig {
        let config = MirrorConfig::new("photos", "/srv/photos", "/backup/photos");
        MirrorConfig { settle: Duration::ZERO, ..config }
    }

    fn ended(trouble: Option<Trouble>) -> CycleEnd {
        CycleEnd {
            report: CycleReport::default(),
            outcome: CycleOutcome::default(),
            trouble,
            everything: true,
            more: false,
            completeness: Completeness::default(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn z13_a_wake_that_arrives_while_a_held_cycle_ends_is_not_lost() {
        let now = Now { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let held = || {
            let kind = Kind::SourceMissing;
            Trouble::Held(Held::Source { kind, cause: "not mounted".to_owned() })
        };
        let refused =
            || Trouble::Refused(Reason { kind: Kind::KeyRefused, text: "the key".to_owned() });
        let held_off =
            || Trouble::HeldOff(now.wall + HELD_RETRY, "a flood".to_owned(), Kind::HoldOff);
        let wait = |wake, trouble| {
            let mut schedule = Schedule::starting(now.instant);
            schedule.woken = wake;
            let random = Random::seeded(1);
            schedule.after(now, &ended(Some(trouble)), None, 1, &config(), &random);
            schedule.wake_at.unwrap() - now.instant
        };
        assert_eq!(wait(None, held()), HELD_RETRY);
        assert_eq!(wait(Some(Wake::Mount), held()), Duration::ZERO);
        assert_eq!(wait(Some(Wake::Person), held()), Duration::ZERO);
        // The key may be another one by now; a mount has nothing to do with it.
        assert_eq!(wait(Some(Wake::Person), refused()), Duration::ZERO);
        assert_eq!(wait(Some(Wake::Mount), refused()), REFUSED_RETRY);
        assert_eq!(wait(Some(Wake::Person), held_off()), HELD_RETRY, "no call may be made");
    }

    #[test]
    fn h01_a_service_out_of_reach_is_tried_less_and_less_often_and_at_least_once_a_minute() {
        let now = Now { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let random = Random::seeded(1);
        let mut schedule = Schedule::starting(now.instant);
        let mut waits = Vec::new();
        for _ in 0..200 {
            let trouble = Trouble::Unreachable("no route".to_owned());
            schedule.after(now, &ended(Some(trouble)), None, 1, &config(), &random);
            waits.push(schedule.not_before.unwrap() - now.instant);
        }
        let minute = Duration::from_secs(60);
        assert!(waits.iter().all(|wait| *wait <= minute), "{waits:?}");
        assert!(waits[0] < Duration::from_secs(8) && waits[1] > waits[0], "{waits:?}");
        assert!(waits[4..].iter().all(|wait| *wait > minute * 3 / 4), "{waits:?}");
        let alike = waits[10..].iter().filter(|wait| wait.as_millis() == waits[9].as_millis());
        assert!(alike.count() < 100, "all wait alike: {waits:?}");
        schedule.after(now, &ended(None), None, 1, &config(), &random);
        assert_eq!(schedule.not_before, None);
    }

    fn waits(trouble: impl Fn() -> Trouble, many: usize) -> Vec<u64> {
        let now = Now { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let (random, mut schedule) = (Random::seeded(1), Schedule::starting(now.instant));
        let config = MirrorConfig { rescan: Duration::from_secs(6 * 3600), ..config() };
        let wait = |_| {
            schedule.after(now, &ended(Some(trouble())), None, 1, &config, &random);
            (schedule.not_before.unwrap() - now.instant).as_secs()
        };
        (0..many).map(wait).collect()
    }

    #[test]
    fn y60_connections_that_break_before_a_reply_are_made_less_and_less_often() {
        let waits_s = waits(|| Trouble::Unanswered("reset".to_owned()), 20);
        assert!(waits_s[0] < 8 && waits_s[1] > waits_s[0], "{waits_s:?}");
        assert!(waits_s[12..].iter().all(|wait| *wait > 1_500), "{waits_s:?}");
    }

    #[test]
    fn y61_a_target_that_is_held_is_looked_at_less_and_less_often() {
        let held = || Trouble::Held(Held::Target(TargetRefused::Gone));
        let waits_s = waits(held, 8);
        assert_eq!(waits_s, [60, 120, 240, 480, 960, 1_800, 1_800, 1_800]);
    }

    #[test]
    fn y26_a_service_that_answers_nonsense_is_tried_less_and_less_often_up_to_twice_an_hour() {
        let now = Now { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let random = Random::seeded(1);
        let mut schedule = Schedule::starting(now.instant);
        let mut waits_s = Vec::new();
        for _ in 0..9 {
            let trouble = Trouble::Failing("a page".to_owned());
            schedule.after(now, &ended(Some(trouble)), None, 1, &config(), &random);
            waits_s.push((schedule.not_before.unwrap() - now.instant).as_secs());
        }
        let tries_in_the_first_hour = waits_s.iter().scan(0, |at, wait| {
            *at += wait;
            Some(*at)
        });
        assert!(tries_in_the_first_hour.filter(|at| *at < 3_600).count() <= 6, "{waits_s:?}");
        assert!(waits_s[0] < 70 && waits_s[8] > 1_500 && waits_s[8] < 2_100, "{waits_s:?}");
    }
}
