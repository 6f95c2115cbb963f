//! Decides what a receiver is told: the status and what it was told before in, messages out. Pure.
//!
//! A state is told when it has lasted for `after`, once, and again each `remind`; its end is told
//! when it has been gone for as long. States that come and go are told rarely: within a day there
//! are [`MOST_A_DAY`] messages about one cause, unless the state lasts, or is gone, for
//! [`CLEARLY_S`]. All that makes 1fichier unreachable is one cause.
//!
//! A receiver whose silence is an alarm is pinged while everything that it is told of is safe. So
//! a daemon that is dead, stuck or cut off ends in an alarm by itself; no message has to get out for
//! that.
//!
//! Invariant: nothing is pinged as safe while a state stops the work or leaves data unsafe, or while
//! a mirror has a problem or has not been complete since the last ping.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::message::{Message, Told, What, message};
use crate::base::Exit;
use crate::config::{NotifyConfig, Topic};
use crate::status::{DegradedStatus, Kind, Status};

const DAY_S: i64 = 24 * 3600;

/// Messages about one cause within a day; more are told only if the state lasts.
const MOST_A_DAY: usize = 2;
/// How long a state has to last, or to be gone, to be told beyond [`MOST_A_DAY`]; in seconds.
const CLEARLY_S: i64 = 4 * 3600;

/// What a receiver was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// The states that it was told of, and of whose end not yet.
    pub(super) open: Vec<Open>,
    /// The last messages: their cause, and when; Unix seconds.
    recent: Vec<(String, i64)>,
    /// When it was last pinged that all is safe; Unix seconds.
    safe_s: Option<i64>,
    /// Whether it was told of a state since then.
    is_alarmed: bool,
}

/// A state that was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    /// As it was told.
    told: Told,
    /// When it was told last; Unix seconds.
    last_s: i64,
    /// Since when it is gone; Unix seconds.
    gone_s: Option<i64>,
}

/// The time of a look, and how many times faster the clock of an emulator runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Unix seconds.
    pub(super) now_s: i64,
    /// 1 for the real service.
    pub(super) scale: u32,
}

impl Look {
    fn seconds(self, time: Duration) -> i64 {
        i64::try_from(time.as_secs()).unwrap_or(i64::MAX) / i64::from(self.scale.max(1))
    }

    fn scaled(self, seconds: i64) -> i64 {
        seconds / i64::from(self.scale.max(1))
    }
}

/// The messages that are due, and what is remembered of them.
pub(super) fn judge(
    memory: &mut Memory,
    receiver: &NotifyConfig,
    status: &Status,
    look: Look,
    mut id: impl FnMut() -> String,
) -> Vec<Message> {
    let mut due = Vec::new();
    let concerns: Vec<Told> = status
        .degraded
        .iter()
        .filter(|entry| is_told_of(receiver, entry))
        .map(|entry| Told::of(entry, look.now_s))
        .collect();
    memory.recent.retain(|(_, at_s)| (look.now_s - look.scaled(DAY_S)..=look.now_s).contains(at_s));
    for told in &concerns {
        if let Some(what) = memory.of_state(told, receiver, look) {
            due.push((what, told.clone()));
        }
    }
    due.extend(memory.ended(&concerns, receiver, look).map(|told| (What::Over, told)));
    let mut messages: Vec<_> = due
        .into_iter()
        .filter(|(what, _)| *what != What::Over || receiver.on.contains(&Topic::Over))
        .map(|(what, told)| message(what, Some(&told), status, receiver, (id(), look.now_s)))
        .collect();
    if memory.is_ping_due(receiver, status, look) {
        messages.push(message(What::Safe, None, status, receiver, (id(), look.now_s)));
        (memory.safe_s, memory.is_alarmed) = (Some(look.now_s), false);
    }
    messages
}

impl Memory {
    /// What is to be told of a state that is there.
    fn of_state(&mut self, told: &Told, receiver: &NotifyConfig, look: Look) -> Option<What> {
        if let Some(open) = self.open.iter_mut().find(|open| is_same(&open.told, told)) {
            open.gone_s = None;
            let remind = look.seconds(receiver.remind?);
            if look.now_s - open.last_s < remind {
                return None;
            }
            open.last_s = look.now_s;
            return Some(What::LastsOn);
        }
        let lasted_s = look.now_s - told.since_s;
        let is_due = lasted_s >= look.seconds(receiver.after);
        if !is_due || !self.may_tell(told, lasted_s, look) {
            return None;
        }
        self.note(told, look);
        self.is_alarmed |= told.alarms;
        self.open.push(Open { told: told.clone(), last_s: look.now_s, gone_s: None });
        Some(What::Begins)
    }

    /// The states that were told and have ended by now, which are forgotten.
    fn ended(
        &mut self,
        there: &[Told],
        receiver: &NotifyConfig,
        look: Look,
    ) -> impl Iterator<Item = Told> + use<> {
        let mut ended = Vec::new();
        for open in &mut self.open {
            if !there.iter().any(|told| is_same(told, &open.told)) {
                open.gone_s.get_or_insert(look.now_s);
            }
        }
        for open in self.open.clone() {
            let Some(gone_s) = open.gone_s else { continue };
            let for_s = look.now_s - gone_s;
            if for_s >= look.seconds(receiver.after) && self.may_tell(&open.told, for_s, look) {
                self.note(&open.told, look);
                ended.push(open.told);
            }
        }
        self.open.retain(|open| !ended.iter().any(|told| is_same(told, &open.told)));
        ended.into_iter()
    }

    fn may_tell(&self, told: &Told, lasted_s: i64, look: Look) -> bool {
        let cause = cause(told);
        let told_today = self.recent.iter().filter(|(of, _)| *of == cause).count();
        told_today < MOST_A_DAY || lasted_s >= look.scaled(CLEARLY_S)
    }

    fn note(&mut self, told: &Told, look: Look) {
        self.recent.push((cause(told), look.now_s));
    }

    fn is_ping_due(&self, receiver: &NotifyConfig, status: &Status, look: Look) -> bool {
        if !receiver.kind.is_pinged() || !is_safe_since(receiver, status, self.safe_s) {
            return false;
        }
        let every = look.seconds(receiver.every);
        // The end of an alarm is told at once.
        self.is_alarmed
            || self.safe_s.is_none_or(|at_s| !(at_s..at_s + every).contains(&look.now_s))
    }
}

/// Whether nothing stops the mirrors of the receiver, and each is complete or has been since
/// `since_s`.
pub(super) fn is_safe_since(
    receiver: &NotifyConfig,
    status: &Status,
    since_s: Option<i64>,
) -> bool {
    let is_bad = |entry: &DegradedStatus| {
        let concerns = entry.mirror.as_deref().is_none_or(|name| receiver.is_of(name));
        concerns && matches!(topic(entry), Topic::Stopped | Topic::Held | Topic::Overdue)
    };
    if status.paused || status.degraded.iter().any(is_bad) {
        return false;
    }
    let mut mirrors =
        status.mirrors.iter().filter(|mirror| receiver.is_of(&mirror.name)).peekable();
    mirrors.peek().is_some()
        && mirrors.all(|mirror| {
            let last_s = mirror.last_success.map(jiff::Timestamp::as_second);
            // A file that cannot be mirrored is not on its way.
            let was_complete = last_s > since_s && mirror.problem_count == 0;
            last_s.is_some() && (mirror.complete || was_complete)
        })
}

fn is_told_of(receiver: &NotifyConfig, entry: &DegradedStatus) -> bool {
    if entry.kind == Kind::NotifyFailed {
        // The one whom it concerns does not hear it.
        return false;
    }
    let topic = topic(entry);
    let always = receiver.kind.is_pinged() && topic == Topic::Stopped;
    entry.mirror.as_deref().is_none_or(|name| receiver.is_of(name))
        && (always || receiver.on.contains(&topic))
}

fn topic(entry: &DegradedStatus) -> Topic {
    let about = entry.kind.about();
    if entry.kind == Kind::Overdue {
        Topic::Overdue
    } else if about.exit == Some(Exit::Held) {
        Topic::Held
    } else if entry.stops || about.alarms {
        Topic::Stopped
    } else {
        Topic::Degraded
    }
}

fn is_same(told: &Told, other: &Told) -> bool {
    cause(told) == cause(other)
}

/// What a state has its number of messages in common with. 1fichier that cannot be reached fails in
/// several ways, in turn.
fn cause(told: &Told) -> String {
    const AWAY: [Kind; 4] = [Kind::Unreachable, Kind::Failing, Kind::UnknownRefusal, Kind::HoldOff];
    let mirror = told.mirror.as_deref().unwrap_or_default();
    if AWAY.iter().any(|kind| kind.word() == told.state) {
        return format!("{mirror}: away");
    }
    format!("{mirror}: {}", told.state)
}
