//! When the next request may start: the rules of pace, without clock or I/O.
//!
//! Every rule keeps the time of what it spaces, first when it starts and then when it is answered
//! (it reached the service somewhere in between), and has a longest wait. Times are microseconds of
//! the pacer's own clock (`clock`), which never runs backward. All durations of the service are
//! divided by the time scale before they come here.
//!
//! Invariants: a claim is granted only if every rule of its lane allows it, and is on record
//! from then on; in a hold-off nothing is granted; a stored time is never waited for longer than
//! its rule's longest wait, whatever the stored number says ([`Schedule::clamp`]).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{FLOOD_HOLD_OFF, LOCK_HOLD_OFF};
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
/// The longest hold-off after floods; further floods do not double it.
const MAX_FLOOD_HOLD_OFF: Duration = Duration::from_secs(15 * 60);
/// The time for which the rate stays halved after a flood.
const SLOW: Duration = Duration::from_secs(24 * 60 * 60);
/// The most halvings of the rate; further floods leave it as it is.
const MAX_HALVINGS: u32 = 3;

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
    HeldOff { until: Micros, reason: String },
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
    whole_account: Option<Micros>,
    account: Option<Micros>,
    small_download: Option<Micros>,
    silence: Option<Silence>,
    /// Floods in a row: each doubles the hold-off.
    floods: u32,
    /// Halvings of the rate, and since when.
    halvings: u32,
    slow_since: Option<Micros>,
}

impl Rules {
    pub(crate) fn scaled(&self, duration: Duration) -> Micros {
        let micros = (duration / self.time_scale.max(1)).as_micros();
        Micros::try_from(micros).unwrap_or(Micros::MAX / 4)
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
        if let Some(silence) = self.silence(now) {
            let Silence { until, reason } = silence.clone();
            return Err(Denied::HeldOff { until, reason });
        }
        let until = self.lane_free_at(lane, rules);
        if until > now {
            return Err(Denied::Lane { until });
        }
        if lane.is_call() {
            let until = self.pace_free_at(now, rules);
            if until > now {
                return Err(Denied::Pace { until });
            }
            self.record_call(now, rules);
        }
        self.use_lane(lane, now, rules);
        Ok(())
    }

    /// The hold-off that is in force at `now`.
    pub(crate) fn silence(&self, now: Micros) -> Option<&Silence> {
        self.silence.as_ref().filter(|silence| silence.until > now)
    }

    fn lane_free_at(&self, lane: Lane, rules: &Rules) -> Micros {
        let after = |start: Option<Micros>, wait: Duration| {
            start.map_or(Micros::MIN, |start| start + rules.scaled(wait))
        };
        match lane {
            Lane::Call => Micros::MIN,
            Lane::Listing(folder) => after(self.listing, LISTING)
                .max(after(self.folders.get(&folder).copied(), SAME_FOLDER)),
            Lane::WholeAccount => {
                after(self.listing, LISTING).max(after(self.whole_account, WHOLE_ACCOUNT))
            }
            Lane::Account => after(self.account, ACCOUNT),
            Lane::SmallDownload => after(self.small_download, SMALL_DOWNLOAD),
        }
    }

    /// One start per interval and one to spare; and never so many that more than three could
    /// reach the service in a window, together with those that are still under way.
    fn pace_free_at(&self, now: Micros, rules: &Rules) -> Micros {
        let under_way = self.under_way.iter().filter(|start| may_arrive(**start, now, rules));
        let room = MAX_IN_WINDOW.saturating_sub(under_way.count());
        let window = if room == 0 {
            now + rules.scaled(WINDOW)
        } else {
            let mut latest = self.recent.clone();
            latest.sort_unstable();
            let last_of_the_full = latest.len().checked_sub(room).map(|index| latest[index]);
            last_of_the_full.map_or(Micros::MIN, |time| time + rules.scaled(WINDOW))
        };
        window.max(self.due - self.interval(now, rules))
    }

    fn interval(&self, now: Micros, rules: &Rules) -> Micros {
        let slow = self.slow_since.is_some_and(|since| now < since + rules.scaled(SLOW));
        let halvings = if slow { self.halvings.min(MAX_HALVINGS) } else { 0 };
        rules.scaled(rules.interval) << halvings
    }

    fn record_call(&mut self, now: Micros, rules: &Rules) {
        self.due = self.due.max(now) + self.interval(now, rules);
        self.recent.retain(|time| *time + rules.scaled(WINDOW) > now);
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

    /// The service answered with a flood: silence, doubling each time, and half the rate for a
    /// day. A flood answer to a call that was under way when the silence began counts once.
    pub(crate) fn flood(
        &mut self,
        now: Micros,
        asked: Option<Duration>,
        reason: &str,
        rules: &Rules,
    ) {
        if self.silence(now).is_none() {
            self.floods = self.floods.saturating_add(1);
            let recent = self.slow_since.is_some_and(|since| now < since + rules.scaled(SLOW));
            self.halvings = if recent { (self.halvings + 1).min(MAX_HALVINGS) } else { 1 };
            self.slow_since = Some(now);
        }
        let doublings = self.floods.saturating_sub(1).min(8);
        let quiet = (FLOOD_HOLD_OFF * 2_u32.pow(doublings)).min(MAX_FLOOD_HOLD_OFF);
        self.hold_off(now, quiet.max(asked.unwrap_or_default()), reason, rules);
    }

    /// Silence for `quiet`, an hour at most; a longer one in force stays.
    pub(crate) fn hold_off(&mut self, now: Micros, quiet: Duration, reason: &str, rules: &Rules) {
        let until = now + rules.scaled(quiet.min(LOCK_HOLD_OFF));
        if self.silence(now).is_none_or(|silence| silence.until < until) {
            self.silence = Some(Silence { until, reason: reason.to_owned() });
        }
    }

    /// Ends a hold-off early; the rate stays halved.
    pub(crate) fn end_hold_off(&mut self) {
        self.silence = None;
        self.floods = 0;
    }

    /// An ordinary answer: long enough after a hold-off, the next one starts short again.
    /// Returns whether anything changed.
    pub(crate) fn calm(&mut self, now: Micros, rules: &Rules) -> bool {
        let quiet_since = self.silence.as_ref().map_or(Micros::MIN, |silence| silence.until);
        let calm = self.floods > 0 && now >= quiet_since + rules.scaled(MAX_FLOOD_HOLD_OFF);
        if calm {
            self.end_hold_off();
        }
        calm
    }

    /// Whether [`Schedule::calm`] may have something to end.
    pub(crate) fn is_troubled(&self) -> bool {
        self.floods > 0
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
        let times = lanes.into_iter().chain([&mut self.slow_since]);
        for time in times.flatten().chain(self.folders.values_mut()) {
            *time = (*time).min(now);
        }
        for time in self.recent.iter_mut().chain(&mut self.under_way) {
            *time = (*time).min(now);
        }
        // May lie ahead: in `cautious`, and where a start has used the one to spare.
        self.listing = self.listing.map(|time| time.min(now + rules.scaled(SAME_FOLDER)));
        let longest = 2 * (rules.scaled(rules.interval) << MAX_HALVINGS);
        self.due = self.due.min(now + longest);
        if let Some(silence) = &mut self.silence {
            silence.until = silence.until.min(now + rules.scaled(LOCK_HOLD_OFF));
        }
    }
}

/// Whether a request that was started at `start` may still be on its way to the service.
fn may_arrive(start: Micros, now: Micros, rules: &Rules) -> bool {
    now < start.saturating_add(rules.scaled(ARRIVED).max(ARRIVED_AT_LEAST))
}

#[cfg(test)]
mod tests;
