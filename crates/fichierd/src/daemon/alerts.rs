//! Tells people outside of this machine how the mirrors are: `[[notify]]`.
//!
//! ```text
//! Status ──► judge ──► outbox (on record) ──► wire ──► send ──► the receiver
//!            pure       at most 100            pure     10 s
//! ```
//!
//! Everything is said of the one [`Status`] that `fichierd status` shows. Nothing here delays a
//! cycle or makes a call of 1fichier: messages are sent by tasks of their own, one at a time for
//! each receiver.

mod judge;
mod message;
mod outbox;
mod send;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fichier_state::Store;
use jiff::Timestamp;
use tokio::task::JoinSet;

use self::judge::{Look, is_safe_since, judge};
use self::message::{Told, What, message};
use self::outbox::Outbox;
use self::send::Answer;
use self::wire::Outcome;
use crate::base::words::chain;
use crate::base::{Random, State};
use crate::config::{Config, NotifyConfig};
use crate::status::{NotifiedStatus, Status};

/// Seconds between two looks at whether something is to be told, if nothing has begun or ended.
const LOOK_EVERY_S: i64 = 10;

/// Messages that a command sends to one receiver, at most; the rest waits for the next command or
/// for the service.
const MOST_OF_A_COMMAND: usize = 5;

/// The receivers while the service runs.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    outboxes: BTreeMap<String, Outbox>,
    /// The receivers to whom something is being sent.
    busy: BTreeSet<String>,
    sending: JoinSet<Sent>,
    looked_s: i64,
}

/// A message that was sent, or not.
#[derive(Debug)]
pub(super) struct Sent {
    receiver: String,
    id: String,
    /// `None`: this kind of receiver is not told such a thing.
    answer: Option<Answer>,
}

impl Alerts {
    /// Goes on with what an earlier process left.
    pub(super) fn open(state: &State, config: &Config) -> Alerts {
        let mut alerts = Alerts::default();
        alerts.take_up(state, config);
        alerts
    }

    /// Takes up the receivers of a configuration.
    pub(super) fn take_up(&mut self, state: &State, config: &Config) {
        self.outboxes.retain(|name, _| config.notify.iter().any(|it| it.name == *name));
        for receiver in &config.notify {
            let known = || state.read(|s| Outbox::read(s, &receiver.name)).unwrap_or_default();
            self.outboxes.entry(receiver.name.clone()).or_insert_with(known);
        }
        self.looked_s = 0;
    }

    /// Looks at what is to be told, if it is time or there is `news`, and begins to send it.
    pub(super) fn tell(
        &mut self,
        (state, random): (&State, &Random),
        config: &Config,
        status: &Status,
        news: bool,
    ) {
        let scale = config.pace.time_scale;
        let look = Look { now_s: state.now_s(), scale };
        let every_s = (LOOK_EVERY_S / i64::from(scale.max(1))).max(1);
        let is_time = !(self.looked_s..self.looked_s + every_s).contains(&look.now_s);
        if config.notify.is_empty() || !is_time && !news {
            return;
        }
        self.looked_s = look.now_s;
        for receiver in &config.notify {
            let outbox = self.outboxes.entry(receiver.name.clone()).or_default();
            let before = outbox.clone();
            fill(outbox, receiver, status, look, random);
            if *outbox != before {
                keep(state, outbox, &receiver.name);
            }
            self.begin(receiver, look);
        }
    }

    fn begin(&mut self, receiver: &NotifyConfig, look: Look) {
        let Some(outbox) = self.outboxes.get(&receiver.name) else { return };
        let next = outbox.next(look.now_s, look.scale);
        let Some(message) = next.filter(|_| !self.busy.contains(&receiver.name)) else { return };
        self.busy.insert(receiver.name.clone());
        let (receiver, message) = (receiver.clone(), message.clone());
        self.sending.spawn(async move {
            let answer = send::send(&receiver, &message).await;
            Sent { receiver: receiver.name, id: message.id, answer }
        });
    }

    /// The next message that was sent, or not.
    pub(super) async fn sent(&mut self) -> Option<Result<Sent, tokio::task::JoinError>> {
        self.sending.join_next().await
    }

    /// Takes in what became of a message.
    pub(super) fn on_sent(&mut self, state: &State, config: &Config, sent: Sent) {
        let Sent { receiver, id, answer } = sent;
        self.busy.remove(&receiver);
        let Some(outbox) = self.outboxes.get_mut(&receiver) else { return };
        let look = Look { now_s: state.now_s(), scale: config.pace.time_scale };
        settle(outbox, &id, answer, look);
        keep(state, outbox, &receiver);
        if let Some(receiver) = config.notify.iter().find(|it| it.name == receiver) {
            self.begin(receiver, look);
        }
    }
}

/// Tells each receiver how the mirrors are after a command that mirrored without the service. What it
/// met is told at once, since it lasts until the next command. A receiver that does not answer keeps
/// the command for 10 seconds.
pub async fn tell_once(state: &State, random: &Random, config: &Config, status: &Status) {
    let look = Look { now_s: state.now_s(), scale: config.pace.time_scale };
    for receiver in &config.notify {
        let receiver = &NotifyConfig { after: Duration::ZERO, ..receiver.clone() };
        let mut outbox = state.read(|s| Outbox::read(s, &receiver.name)).unwrap_or_default();
        fill(&mut outbox, receiver, status, look, random);
        keep(state, &outbox, &receiver.name);
        for _ in 0..MOST_OF_A_COMMAND {
            let Some(message) = outbox.next(state.now_s(), look.scale).cloned() else { break };
            let answer = send::send(receiver, &message).await;
            settle(&mut outbox, &message.id, answer, Look { now_s: state.now_s(), ..look });
            keep(state, &outbox, &receiver.name);
        }
    }
}

/// Sends a test, which neither says that all is safe while it is not nor ends an alarm. Returns what the receiver answered, for a person, or in `Err` why it did not take
/// it.
///
/// # Errors
///
/// The reason, for a person.
pub async fn test(
    receiver: &NotifyConfig,
    status: &Status,
    random: &Random,
) -> Result<String, String> {
    let now_s = Timestamp::now().as_second();
    let not_safe = (!is_safe_since(receiver, status, None)).then(|| Told::not_safe(now_s));
    let id = (new_id(random), now_s);
    let message = message(What::Test, not_safe.as_ref(), status, receiver, id);
    let Some(Answer { outcome, text }) = send::send(receiver, &message).await else {
        return Ok(String::new());
    };
    match outcome {
        Outcome::Delivered => Ok(text),
        Outcome::Later { why, .. } | Outcome::Refused { why } if text.is_empty() => Err(why),
        Outcome::Later { why, .. } | Outcome::Refused { why } => Err(format!("{why} ({text})")),
    }
}

/// What the status shows of each receiver.
///
/// # Errors
///
/// The state file's.
pub fn notified(
    store: &Store,
    config: &[NotifyConfig],
) -> fichier_state::Result<Vec<NotifiedStatus>> {
    let now_s = store.clock().now_s();
    let of = |receiver: &NotifyConfig| {
        let outbox = Outbox::read(store, &receiver.name)?;
        let age_s = outbox.told_s.map(|told_s| u64::try_from(now_s - told_s).unwrap_or(0));
        Ok(NotifiedStatus {
            name: receiver.name.clone(),
            told: outbox.told_s.and_then(|told_s| Timestamp::from_second(told_s).ok()),
            told_age_s: age_s,
            waiting: outbox.waiting() as u64,
            trouble: outbox.trouble().map(ToOwned::to_owned),
        })
    };
    config.iter().map(of).collect()
}

fn fill(
    outbox: &mut Outbox,
    receiver: &NotifyConfig,
    status: &Status,
    look: Look,
    random: &Random,
) {
    let messages = judge(&mut outbox.memory, receiver, status, look, || new_id(random));
    outbox.push(messages);
}

fn settle(outbox: &mut Outbox, id: &str, answer: Option<Answer>, look: Look) {
    match answer {
        Some(answer) => outbox.after(id, answer.outcome, look.now_s, look.scale),
        None => outbox.skip(id),
    }
}

fn keep(state: &State, outbox: &Outbox, name: &str) {
    if let Err(error) = state.write(|w| outbox.keep(w, name)) {
        // Most likely that is what is to be told: it is, and only a restart would forget it.
        tracing::debug!("what `{name}` is told cannot be kept: {}", chain(&error));
    }
}

fn new_id(random: &Random) -> String {
    format!("msg_{:016x}{:016x}", random.number(), random.number())
}
