//! What waits to be told to a receiver, and what was told: kept in the state, so that neither a
//! restart nor a crash loses or repeats a message.
//!
//! A message is on record before it is sent, and taken away when the receiver has it. After a crash
//! in between it is sent once more, with the same id.

use std::collections::VecDeque;
use std::time::Duration;

use fichier_state::{Records, Writing};
use serde::{Deserialize, Serialize};

use super::judge::Memory;
use super::message::{Message, What};
use super::wire::Outcome;
use crate::base::Fact;

/// Messages that wait at most; the oldest goes if there is one more.
const MOST: usize = 100;
/// The first wait before a message is sent again; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait before a message is sent again.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Failures from which on it is a degraded state that a receiver cannot be told.
const FAILURES_TOLD: u32 = 2;

/// The outbox of one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Outbox {
    /// What was told, and what is to be told of it.
    pub(super) memory: Memory,
    queue: VecDeque<Message>,
    /// When it was last told something; Unix seconds.
    pub(super) told_s: Option<i64>,
    /// Why it cannot be told; nothing while it can.
    failure: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Failure {
    /// How often in a row.
    times: u32,
    /// Why, the last time.
    why: String,
    /// When it is tried again; Unix seconds.
    again_s: i64,
}

impl Outbox {
    /// Puts messages behind those that wait. Of pings that all is safe only the last one counts.
    pub(super) fn push(&mut self, messages: Vec<Message>) {
        for message in messages {
            if message.what == What::Safe {
                self.queue.retain(|it| it.what != What::Safe);
            }
            self.queue.push_back(message);
            if self.queue.len() > MOST {
                self.queue.pop_front();
            }
        }
    }

    /// The message to send now.
    pub(super) fn next(&self, now_s: i64, scale: u32) -> Option<&Message> {
        let longest_s = seconds(LONGEST_WAIT, scale);
        // A time further away was written while the clock was wrong.
        let waits = self
            .failure
            .as_ref()
            .is_some_and(|failure| failure.again_s > now_s && failure.again_s - now_s <= longest_s);
        self.queue.front().filter(|_| !waits)
    }

    /// Takes in what became of the first message.
    pub(super) fn after(&mut self, id: &str, outcome: Outcome, now_s: i64, scale: u32) {
        if self.queue.front().is_none_or(|message| message.id != id) {
            return;
        }
        match outcome {
            Outcome::Delivered => {
                self.queue.pop_front();
                (self.failure, self.told_s) = (None, Some(now_s));
            }
            Outcome::Later { why, wait } => self.fail(why, wait, now_s, scale),
            Outcome::Refused { why } => {
                // The next one may be taken; a receiver that is gone refuses that as well.
                self.queue.pop_front();
                self.fail(why, Some(LONGEST_WAIT), now_s, scale);
                if let Some(failure) = &mut self.failure {
                    failure.times = failure.times.max(FAILURES_TOLD);
                }
            }
        }
    }

    fn fail(&mut self, why: String, wait: Option<Duration>, now_s: i64, scale: u32) {
        let times = self.failure.as_ref().map_or(0, |failure| failure.times);
        let doubled = FIRST_WAIT.saturating_mul(1 << times.min(12));
        let wait = wait.unwrap_or(doubled).min(LONGEST_WAIT);
        let again_s = now_s + seconds(wait, scale).max(1);
        self.failure = Some(Failure { times: times.saturating_add(1), why, again_s });
    }

    /// Forgets the first message: this kind of receiver is not told such a thing.
    pub(super) fn skip(&mut self, id: &str) {
        if self.queue.front().is_some_and(|message| message.id == id) {
            self.queue.pop_front();
        }
    }

    /// Why the receiver cannot be told, if it failed more than once.
    pub(super) fn trouble(&self) -> Option<&str> {
        let failure = self.failure.as_ref().filter(|it| it.times >= FAILURES_TOLD)?;
        Some(&failure.why)
    }

    /// How many messages wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Reads the outbox of a receiver.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub(super) fn read(records: &Records, name: &str) -> fichier_state::Result<Outbox> {
        Ok(fact(name).read(records)?.unwrap_or_default())
    }

    /// Keeps it.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub(super) fn keep(&self, w: &mut Writing<'_>, name: &str) -> fichier_state::Result<()> {
        fact(name).keep(w, self)
    }
}

fn seconds(time: Duration, scale: u32) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX) / i64::from(scale.max(1))
}

fn fact(name: &str) -> Fact<Outbox> {
    Fact::about(format!("alerts to {name}"))
}
