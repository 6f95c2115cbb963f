//! When the next request may start: the rules of pace, without clock or I/O.
//!
//! Every rule keeps the time of what it spaces, first when it starts and then when it is answered
//! (it reached the service somewhere in between), and has a longest wait. Times are microseconds of
//! the pacer's own clock (`clock`), which never runs backward. All durations of the service are
//! divided by the time scale before they come here.
//!
//! The rate is learnt: a flood halves it, and hours without one raise it again step by step. While
//! it is below the configured one, calls go one at a time, each a whole interval after the answer to
//! the one before (docs/api-notes.md, E).
//!
//! Invariants: a claim is granted only if every rule of its lane allows it, and is on record
//! from then on; in a hold-off nothing is granted but the one probe of [`Schedule::lift`]; a stored
//! time is never waited for longer than its rule's longest wait, whatever the stored number says
//! ([`Schedule::clamp`]).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{FLOOD_HOLD_OFF, HoldOffCause, LOCK_HOLD_OFF};
use crate::pace::lane::Lane;
use crate::types::FolderId;

/// The most requests that reach the service within a second; the next one waits (docs/api-notes.md,
/// A.5).
const MAX_IN_WINDOW: usize = 3;
/// The window of that limit: a second, and a margin.
const WINDOW: Duration = Duration::from_millis(1_100);
/// The longest way of a request to the service: after it, one without an answer counts as arrived.
const ARRIVED: Duration = Duration::from_secs(10);
/// The least value of that on the clock: networks are not scaled.
const ARRIVED_AT_LEAST: Micros = 1_000_000;
/// The wait between any two listings (A.5).
const LISTING: Duration = Duration::from_secs(3);
/// The wait between two listings of one folder (A.5: 30 s), and a margin: a listing that was sent
/// by a process which then died may have arrived late.
const SAME_FOLDER: Duration = Duration::from_secs(31);
/// The wait between two listings of the whole account (A.5).
const WHOLE_ACCOUNT: Duration = Duration::from_secs(60 * 60);
/// The wait between two readings of the account: one in five minutes for a user (A.5), and a
/// margin.
const ACCOUNT: Duration = Duration::from_secs(5 * 60 + 10);
/// The wait after a reading for which no user was found: one a minute for an address (A.5), and a
/// margin.
const ACCOUNT_UNREAD: Duration = Duration::from_secs(60 + 10);
/// The longest age at which a reading of the account is used instead of a call.
const ACCOUNT_FRESH: Duration = Duration::from_secs(10 * 60);
/// The wait between two starts of small downloads: rclone leaves 800 ms, the only evidence (A.5).
const SMALL_DOWNLOAD: Duration = Duration::from_millis(500);
/// The longest hold-off after floods; further floods do not double it. A lock may last an hour and
/// begin anew with each call (docs/api-notes.md, A.5), so that no shorter silence ends it.
const MAX_FLOOD_HOLD_OFF: Duration = LOCK_HOLD_OFF;
/// The longest hold-off after replies that make no sense.
const MAX_FAILURE_HOLD_OFF: Duration = Duration::from_secs(15 * 60);
/// The time that has to pass after a hold-off until the next one starts short again.
const CALM: Duration = Duration::from_secs(15 * 60);
/// The configured rate, in the parts that a learnt rate is counted in.
const FULL: u32 = 1_000;
/// The time without a flood after which the rate is raised, and again each time it has passed.
const RAISE_AFTER: Duration = Duration::from_secs(2 * 60 * 60);
/// The largest part of the configured rate by which it is raised at once; a low rate is raised by
/// half of itself.
const RAISE: u32 = FULL / 8;
/// The least share of the configured rate after floods, and after refusals of which it is not known
/// whether they are floods.
const SLOWEST_SHARE: u32 = 1;
const UNKNOWN_SHARE: u32 = FULL / 16;
/// The longest learnt interval; further floods leave the rate as it is.
const SLOWEST: Duration = Duration::from_secs(60);
/// Replies in a row that make no sense; one more begins a hold-off.
const FAILURES_TOLERATED: u32 = 4;
/// The time after which refusals in unknown words are forgotten, if none followed.
const REFUSALS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The least time between two liftings of hold-offs: programs that start over and over may not
/// send a probe each time.
const LIFT: Duration = Duration::from_secs(5 * 60);

/// A point in time, or a span: microseconds of the pacer's clock.
pub(crate) type Micros = i64;

/// The settings that the rules depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The wait between two starts in the long run; one more may start at once after a pause.
    pub(crate) interval: Duration,
    /// What every duration of the service is divided by.
    pub(crate) time_scale: u32,
}

/// Why a request may not start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No request may, until a hold-off ends.
    HeldOff { until: Micros, reason: String, cause: HoldOffCause },
    /// Its lane is busy until then; other lanes may be free.
    Lane { until: Micros },
    /// Requests of any kind must wait until then.
    Pace { until: Micros },
}

/// A silence that the service has asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Silence {
    pub(crate) until: Micros,
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) cause: HoldOffCause,
    #[serde(default)]
    probe: Probe,
}

/// The one call that may be made in a silence that was lifted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Probe {
    /// The silence was not lifted, or the probe was refused.
    #[default]
    None,
    /// The next call is the probe.
    Allowed,
    /// The probe was sent; if it succeeds, the silence ends.
    Sent,
}

/// What became of the wish to lift a hold-off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lift {
    /// There is none, or it is short and ends by itself.
    NotNeeded,
    /// One call may be made.
    Lifted,
    /// The last lifting was too short a time ago; the next is possible then.
    TooSoon { until: Micros },
}

/// Refusals of one call in unknown words, in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusals {
    in_a_row: u32,
    last: Micros,
}

/// A refusal in unknown words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal<'a> {
    pub(crate) endpoint: &'a str,
    /// Whether it is of a kind that lasts, such as HTTP 410.
    pub(crate) lasts: bool,
    /// The refusals in a row that may concern single files or names; more begin a hold-off.
    pub(crate) tolerated: u32,
}

/// The requests of late, and the floods among their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Schedule {
    /// When the requests without an answer were started.
    under_way: Vec<Micros>,
    /// When others were answered, as long as that is within the window.
    recent: Vec<Micros>,
    /// When the long-run rate allows the next start (GCRA's theoretical arrival time).
    due: Micros,
    listing: Option<Micros>,
    folders: BTreeMap<FolderId, Micros>,
    /// When the listings without an answer were started. The service counts from when they arrive,
    /// which is later.
    listings_under_way: BTreeMap<FolderId, Micros>,
    whole_account: Option<Micros>,
    account: Option<Micros>,
    small_download: Option<Micros>,
    silence: Option<Silence>,
    /// Floods in a row: each doubles the hold-off.
    floods: u32,
    /// The part of the configured rate that was left by the last flood, and when that was. Files of
    /// earlier versions know only the time.
    #[serde(default = "half")]
    share: u32,
    slow_since: Option<Micros>,
    /// By the call that met them.
    refusals: BTreeMap<String, Refusals>,
    /// Replies in a row, to any call, that made no sense.
    failures: u32,
    /// When a hold-off was last lifted.
    lifted: Option<Micros>,
}

fn half() -> u32 {
    FULL / 2
}

impl Rules {
    pub(crate) fn scaled(&self, duration: Duration) -> Micros {
        let micros = (duration / self.time_scale.max(1)).as_micros();
        Micros::try_from(micros).unwrap_or(Micros::MAX / 4)
    }

    fn longest_interval(&self) -> Duration {
        SLOWEST.max(self.interval * 2)
    }
}

impl Schedule {
    /// The schedule for an unknown past: as if every lane had just been used.
    pub(crate) fn cautious(now: Micros, rules: &Rules) -> Schedule {
        Schedule {
            recent: vec![now; MAX_IN_WINDOW],
            due: now + rules.scaled(rules.interval),
            listing: Some(now + rules.scaled(SAME_FOLDER - LISTING)),
            whole_account: Some(now),
            account: Some(now),
            small_download: Some(now),
            ..Schedule::default()
        }
    }

    /// Grants a start at `now` and records it, or says what forbids it.
    pub(crate) fn claim(&mut self, lane: Lane, now: Micros, rules: &Rules) -> Result<(), Denied> {
        let silence = self.silence(now).filter(|it| it.probe != Probe::Allowed || !lane.is_call());
        if let Some(silence) = silence {
            let Silence { until, reason, cause, .. } = silence.clone();
            return Err(Denied::HeldOff { until, reason, cause });
        }
        let until = self.lane_free_at(lane, now, rules);
        if until > now {
            return Err(Denied::Lane { until });
        }
        if lane.is_call() {
            let until = self.pace_free_at(now, rules);
            if until > now {
                return Err(Denied::Pace { until });
            }
            self.record_call(now, rules);
            if let Some(silence) = self.silence.as_mut().filter(|silence| silence.until > now) {
                silence.probe = Probe::Sent;
            }
        }
        self.use_lane(lane, now, rules);
        if let Lane::Listing(folder) = lane {
            self.listings_under_way.retain(|_, start| may_arrive(*start, now, rules));
            self.listings_under_way.insert(folder, now);
        }
        Ok(())
    }

    /// The hold-off that is in force at `now`.
    pub(crate) fn silence(&self, now: Micros) -> Option<&Silence> {
        self.silence.as_ref().filter(|silence| silence.until > now)
    }

    fn lane_free_at(&self, lane: Lane, now: Micros, rules: &Rules) -> Micros {
        let after = |start: Option<Micros>, wait: Duration| {
            start.map_or(Micros::MIN, |start| start + rules.scaled(wait))
        };
        match lane {
            Lane::Call => Micros::MIN,
            Lane::Listing(folder) => {
                let arrives = self.listings_under_way.get(&folder).copied();
                let arrives = arrives.filter(|start| may_arrive(*start, now, rules)).map(|_| now);
                let listed = arrives.or_else(|| self.folders.get(&folder).copied());
                after(self.listing, LISTING).max(after(listed, SAME_FOLDER))
            }
            Lane::WholeAccount => {
                after(self.listing, LISTING).max(after(self.whole_account, WHOLE_ACCOUNT))
            }
            Lane::Account => after(self.account, ACCOUNT),
            Lane::SmallDownload => after(self.small_download, SMALL_DOWNLOAD),
        }
    }

    /// One start per interval and one to spare; and never so many that more than three could
    /// reach the service in a window, together with those that are still under way. At a learnt
    /// rate there is none to spare, and one in an interval.
    fn pace_free_at(&self, now: Micros, rules: &Rules) -> Micros {
        let interval = self.interval(now, rules);
        let (most, window, spare) = if self.share(now, rules) < FULL {
            (1, interval, 0)
        } else {
            (MAX_IN_WINDOW, rules.scaled(WINDOW), interval)
        };
        let under_way = self.under_way.iter().filter(|start| may_arrive(**start, now, rules));
        let room = most.saturating_sub(under_way.count());
        let free_at = if room == 0 {
            now + window
        } else {
            let mut latest = self.recent.clone();
            latest.sort_unstable();
            let last_of_the_full = latest.len().checked_sub(room).map(|index| latest[index]);
            last_of_the_full.map_or(Micros::MIN, |time| time + window)
        };
        free_at.max(self.due - spare)
    }

    /// The part of the configured rate that is kept now: what the last flood left, raised for each
    /// span without another.
    fn share(&self, now: Micros, rules: &Rules) -> u32 {
        let Some(since) = self.slow_since else { return FULL };
        let spans = (now - since).max(0) / rules.scaled(RAISE_AFTER).max(1);
        let mut share = self.share.clamp(2, FULL);
        for _ in 0..spans {
            if share >= FULL {
                return FULL;
            }
            share += (share / 2).min(RAISE);
        }
        share.min(FULL)
    }

    fn interval(&self, now: Micros, rules: &Rules) -> Micros {
        let share = Micros::from(self.share(now, rules));
        let interval = rules.scaled(rules.interval).saturating_mul(Micros::from(FULL)) / share;
        interval.min(rules.scaled(rules.longest_interval()))
    }

    fn record_call(&mut self, now: Micros, rules: &Rules) {
        self.due = self.due.max(now) + self.interval(now, rules);
        let window = rules.scaled(WINDOW).max(self.interval(now, rules));
        self.recent.retain(|time| *time + window > now);
        self.under_way.retain(|start| may_arrive(*start, now, rules));
        self.under_way.push(now);
    }

    /// The request that started at `start` has been answered. Until now it may have been on its
    /// way, so that the waits of its rules count from here on.
    pub(crate) fn answered(&mut self, lane: Lane, start: Micros, now: Micros, rules: &Rules) {
        let index = self.under_way.iter().position(|time| *time == start);
        if let Some(index) = index.filter(|_| lane.is_call()) {
            self.under_way.swap_remove(index);
            self.recent.push(now);
        }
        if let Lane::Listing(folder) = lane
            && self.listings_under_way.get(&folder) == Some(&start)
        {
            self.listings_under_way.remove(&folder);
        }
        self.use_lane(lane, now, rules);
    }

    fn use_lane(&mut self, lane: Lane, now: Micros, rules: &Rules) {
        match lane {
            Lane::Call => {}
            Lane::Listing(folder) => {
                self.listing = Some(now);
                // Only times that a rule still needs are kept.
                self.folders.retain(|_, time| *time + rules.scaled(SAME_FOLDER) > now);
                self.folders.insert(folder, now);
            }
            Lane::WholeAccount => {
                self.listing = Some(now);
                self.whole_account = Some(now);
            }
            Lane::Account => self.account = Some(now),
            Lane::SmallDownload => self.small_download = Some(now),
        }
    }

    /// The service answered with a flood: silence, doubling each time, and half the rate. A flood
    /// answer to a call that was under way when the silence began counts once.
    pub(crate) fn flood(
        &mut self,
        now: Micros,
        asked: Option<Duration>,
        why: Why<'_>,
        rules: &Rules,
    ) {
        if self.is_news(now) {
            self.floods = self.floods.saturating_add(1);
            self.slow_down(now, SLOWEST_SHARE, rules);
        }
        let quiet = doubled(self.floods).min(MAX_FLOOD_HOLD_OFF);
        self.hold_off(now, quiet.max(asked.unwrap_or_default()), why, rules);
    }

    /// Halves the rate, but not below this share of the configured one.
    fn slow_down(&mut self, now: Micros, least: u32, rules: &Rules) {
        let share = self.share(now, rules);
        self.share = (share / 2).max(least.min(share));
        self.slow_since = Some(now);
    }

    /// A call was refused in words that are not known: silence, which doubles with each refusal in
    /// a row, up to an hour. It may be a flood, so the rate is halved too, though not as far down.
    pub(crate) fn refused(&mut self, now: Micros, it: Refusal<'_>, reason: &str, rules: &Rules) {
        if !self.is_news(now) {
            return;
        }
        let kept_since = now.saturating_sub(rules.scaled(REFUSALS_KEPT));
        self.refusals.retain(|_, refusals| refusals.last >= kept_since);
        let refusals = self.refusals.entry(it.endpoint.to_owned()).or_default();
        let in_a_row = refusals.in_a_row.saturating_add(1);
        *refusals = Refusals { in_a_row, last: now };
        let cause = HoldOffCause::Refusals { in_a_row };
        if it.lasts {
            self.hold_off(now, LOCK_HOLD_OFF, Why { reason, cause }, rules);
        } else if in_a_row > it.tolerated {
            self.slow_down(now, UNKNOWN_SHARE, rules);
            let quiet = doubled(in_a_row - it.tolerated);
            self.hold_off(now, quiet, Why { reason, cause }, rules);
        }
    }

    /// A reply made no sense. Some in a row may pass; more begin a silence, which doubles.
    pub(crate) fn failed(&mut self, now: Micros, reason: &str, rules: &Rules) {
        if !self.is_news(now) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures > FAILURES_TOLERATED {
            let quiet = doubled(self.failures - FAILURES_TOLERATED).min(MAX_FAILURE_HOLD_OFF);
            self.hold_off(now, quiet, Why { reason, cause: HoldOffCause::Failures }, rules);
        }
    }

    /// Whether an answer of now tells something new: not in a silence, where it belongs to a call
    /// that was under way when the silence began, unless it is that to the probe.
    fn is_news(&self, now: Micros) -> bool {
        self.silence(now).is_none_or(|silence| silence.probe == Probe::Sent)
    }

    /// Silence for `quiet`, an hour at most; a longer one in force stays.
    pub(crate) fn hold_off(&mut self, now: Micros, quiet: Duration, why: Why<'_>, rules: &Rules) {
        let until = now + rules.scaled(quiet.min(LOCK_HOLD_OFF));
        let Why { reason, cause } = why;
        match self.silence.as_mut().filter(|silence| silence.until > now) {
            Some(longer) if longer.until >= until => {
                if longer.probe == Probe::Sent {
                    longer.probe = Probe::None;
                }
            }
            _ => {
                let reason = reason.to_owned();
                self.silence = Some(Silence { until, reason, cause, probe: Probe::None });
            }
        }
    }

    /// Lets one call through in spite of a long silence: somebody has seen to its cause, or wants
    /// to know. A silence after a flood is short, and any call would prolong it, so it stays.
    pub(crate) fn lift(&mut self, now: Micros, rules: &Rules) -> Lift {
        let last = self.lifted;
        let Some(silence) = self.silence.as_mut().filter(|silence| silence.until > now) else {
            return Lift::NotNeeded;
        };
        if silence.cause == HoldOffCause::Flood {
            return Lift::NotNeeded;
        }
        let next = last.map_or(now, |last| last.saturating_add(rules.scaled(LIFT)));
        if next > now {
            return Lift::TooSoon { until: next };
        }
        silence.probe = Probe::Allowed;
        self.lifted = Some(now);
        Lift::Lifted
    }

    /// Ends a hold-off early; the rate stays halved.
    pub(crate) fn end_hold_off(&mut self) {
        self.silence = None;
        self.floods = 0;
    }

    /// An ordinary answer: what the call met before has ended, and long enough after a hold-off
    /// the next one starts short again. Returns whether anything changed.
    pub(crate) fn went_well(&mut self, endpoint: &str, now: Micros, rules: &Rules) -> bool {
        let was_probe = self.silence(now).is_some_and(|silence| silence.probe == Probe::Sent);
        let was_refused = self.refusals.remove(endpoint).is_some();
        let had_failed = self.understood();
        let quiet_since = self.silence.as_ref().map_or(Micros::MIN, |silence| silence.until);
        let calm = self.floods > 0 && now >= quiet_since + rules.scaled(CALM);
        if calm || was_probe {
            self.end_hold_off();
        }
        calm || was_probe || was_refused || had_failed
    }

    /// A reply made sense, be it a refusal. Returns whether others before it did not.
    pub(crate) fn understood(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }

    /// Whether [`Schedule::went_well`] may have something to end.
    pub(crate) fn is_troubled(&self) -> bool {
        self.floods > 0
            || self.failures > 0
            || !self.refusals.is_empty()
            || self.silence.as_ref().is_some_and(|silence| silence.probe == Probe::Sent)
    }

    /// The last reading of the account was refused or never sent: the next may come sooner.
    pub(crate) fn account_unread(&mut self, now: Micros, rules: &Rules) {
        let earlier = now + rules.scaled(ACCOUNT_UNREAD) - rules.scaled(ACCOUNT);
        self.account = self.account.map(|start| start.min(earlier));
    }

    /// Whether a reading of the account at `read` is recent enough to be used instead of a call.
    pub(crate) fn is_account_fresh(read: Micros, now: Micros, rules: &Rules) -> bool {
        now < read.min(now) + rules.scaled(ACCOUNT_FRESH)
    }

    /// Limits stored times to those that their rules can have written: none is in the future, and
    /// no hold-off ends later than the longest one.
    pub(crate) fn clamp(&mut self, now: Micros, rules: &Rules) {
        let lanes = [&mut self.whole_account, &mut self.account, &mut self.small_download];
        let times = lanes.into_iter().chain([&mut self.slow_since, &mut self.lifted]);
        for time in times.flatten().chain(self.folders.values_mut()) {
            *time = (*time).min(now);
        }
        let listings = self.listings_under_way.values_mut();
        for time in self.recent.iter_mut().chain(&mut self.under_way).chain(listings) {
            *time = (*time).min(now);
        }
        // May lie ahead: in `cautious`, and where a start has used the one to spare.
        self.listing = self.listing.map(|time| time.min(now + rules.scaled(SAME_FOLDER)));
        self.due = self.due.min(now + 2 * rules.scaled(rules.longest_interval()));
        for refusals in self.refusals.values_mut() {
            refusals.last = refusals.last.min(now);
        }
        if let Some(silence) = &mut self.silence {
            silence.until = silence.until.min(now + rules.scaled(LOCK_HOLD_OFF));
        }
    }
}

/// What begins a hold-off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Why<'a> {
    pub(crate) reason: &'a str,
    pub(crate) cause: HoldOffCause,
}

/// The hold-off after so many answers in a row that asked for one, an hour at most.
fn doubled(in_a_row: u32) -> Duration {
    let doublings = in_a_row.saturating_sub(1).min(8);
    (FLOOD_HOLD_OFF * 2_u32.pow(doublings)).min(LOCK_HOLD_OFF)
}

/// Whether a request that was started at `start` may still be on its way to the service.
fn may_arrive(start: Micros, now: Micros, rules: &Rules) -> bool {
    now < start.saturating_add(rules.scaled(ARRIVED).max(ARRIVED_AT_LEAST))
}

#[cfg(test)]
mod tests;
