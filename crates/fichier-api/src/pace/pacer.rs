//! The pacer: makes each caller wait for its turn, and remembers what the service said.
//!
//! A [`Turn`] is taken at the moment of sending, not reserved beforehand, and kept until the
//! answer: requests that a slow network holds up must not arrive all at once either. The pacer
//! only spaces requests; whether a refused one is sent again is decided in `client::retry`.
//!
//! The start of a small download is spaced too, though it is no call: it has its lane and the
//! hold-offs in common with them, and nothing else.
//!
//! Invariant: every request of every process that shares a memory has had a turn; and from a flood
//! answer until its hold-off ends there are none, also not for callers that already waited.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Mutex as Queue, MutexGuard as QueueGuard, Notify};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::error::{ErrorKind, HoldOffCause};
use crate::pace::lane::Lane;
use crate::pace::memory::{AccountReading, Kept, Memory};
use crate::pace::news::News;
use crate::pace::schedule::{Denied, Lift, Micros, Rules, Schedule};
use crate::pace::tally::Tally;
use crate::pace::{Counts, Noted, Wait, Waiting, Waits};

/// The most calls a second that may be configured (docs/api-notes.md, A.5).
const MAX_CALLS_PER_SECOND: f64 = 3.0;
/// The fewest calls a second that may be configured; a call an hour would look like a hang.
const MIN_CALLS_PER_SECOND: f64 = 0.01;
/// The longest sleep of a caller that waits. After it the caller looks into the memory again:
/// another process may have met a flood.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How fast a [`Pacer`] may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceConfig {
    /// Calls a second in the long run, 3 at most; 1 by default. After a pause two may start at
    /// once. A flood answer halves the rate, which is raised again step by step after hours without
    /// one; until then calls go one at a time.
    pub calls_per_second: f64,
    /// By default 1. Every duration of the service's rules is divided by it, which only an emulator
    /// with an equally scaled clock tolerates.
    pub time_scale: u32,
}

impl Default for PaceConfig {
    fn default() -> PaceConfig {
        PaceConfig { calls_per_second: 1.0, time_scale: 1 }
    }
}

/// A time until which no request is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOff {
    /// When it ends.
    pub until: SystemTime,
    /// The answer of the service that started it.
    pub reason: String,
    /// What kind of answer that was.
    pub cause: HoldOffCause,
}

/// What became of the wish to lift a hold-off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifted {
    /// Nothing is held off, or only for some minutes after a flood, which end by themselves.
    NotNeeded,
    /// One call may be made. If it succeeds, the hold-off has ended.
    ForOneCall(HoldOff),
    /// One was lifted minutes ago. The next time it is possible is this.
    TooSoon(SystemTime),
}

/// Spaces out the requests of one account. Clones share everything.
#[derive(Clone, Debug)]
pub struct Pacer {
    shared: Arc<Shared>,
    tally: Arc<Tally>,
}

#[derive(Debug)]
struct Shared {
    rules: Rules,
    /// Held by the caller that is next to start, while it waits for the common pace. Fair. A caller
    /// that waits for its lane leaves the queue.
    queue: Queue<()>,
    /// Held by the caller that is next to start a small download, from before it asks for the
    /// address.
    small_downloads: Queue<()>,
    // A std mutex: held for one look at the memory, never across an `.await`.
    memory: Mutex<Memory>,
    /// Wakes all callers that wait: a hold-off has begun or ended.
    changed: Notify,
    waits: Waits,
    /// The last answer that begins a hold-off, if it could not be written down.
    owed: Mutex<Option<News>>,
}

/// The right to send one request now. Keep it until the answer has come.
#[derive(Debug)]
#[must_use = "to be kept until the answer has come"]
pub(crate) struct Turn {
    shared: Arc<Shared>,
    lane: Lane,
    start: Micros,
    /// Notes that the answer is waited for.
    _waits: Noted,
}

/// A turn, or the answer that made it unnecessary.
#[derive(Debug)]
pub(crate) enum TurnOr<T> {
    Turn(Turn),
    Known(T),
}

impl Pacer {
    /// A pacer that forgets everything when it is dropped: for tests, and for programs that are
    /// certainly alone.
    pub fn in_memory(config: PaceConfig) -> Pacer {
        Pacer::in_memory_at(config, Clock::system())
    }

    /// A pacer that forgets everything, by another clock than that of this machine.
    pub fn in_memory_at(config: PaceConfig, clock: Clock) -> Pacer {
        Pacer::new(config, Memory::in_memory(clock))
    }

    /// A pacer whose memory is the file at `path`, made if absent (mode 0600).
    ///
    /// Give the same path to all programs of one account on a machine. The file is small, locked
    /// (flock) while it is looked at, and may be deleted while no program runs.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn at(path: &Path, config: PaceConfig) -> io::Result<Pacer> {
        Ok(Pacer::new(config, Memory::at(path, &rules(config))?))
    }

    /// The hold-off in force, if any. Also one that another process met.
    pub fn hold_off(&self) -> Option<HoldOff> {
        let silence = self.update(|kept, now| {
            let silence = kept.schedule.silence(now)?;
            Some((span(now, silence.until), silence.reason.clone(), silence.cause))
        });
        let (wait, reason, cause) = silence.ok().flatten()?;
        Some(HoldOff { until: self.clock().wall() + wait, reason, cause })
    }

    /// Lets one call through in spite of a long hold-off, because its cause may have ended: at the
    /// start of a service, or when a person asks for it. At most once in five minutes, for all
    /// processes, so that starting over and over does not hammer the service.
    pub fn lift_hold_off(&self) -> Lifted {
        let Some(hold_off) = self.hold_off() else { return Lifted::NotNeeded };
        let rules = self.shared.rules;
        let lifted = self.update(|kept, now| match kept.schedule.lift(now, &rules) {
            Lift::TooSoon { until } => Err(span(now, until)),
            Lift::Lifted => Ok(true),
            Lift::NotNeeded => Ok(false),
        });
        self.shared.changed.notify_waiters();
        match lifted {
            Ok(Ok(true)) => Lifted::ForOneCall(hold_off),
            Ok(Err(wait)) => Lifted::TooSoon(self.clock().wall() + wait),
            Ok(Ok(false)) => Lifted::NotNeeded,
            Err(error) => {
                tracing::warn!("cannot lift a hold-off in the record of recent calls: {error}");
                Lifted::NotNeeded
            }
        }
    }

    /// Ends a hold-off early, for all processes. The service may answer with a longer one.
    pub fn end_hold_off(&self) {
        self.note("end a hold-off", |schedule, _| schedule.end_hold_off());
    }

    /// What a request of this process waits for: of several, the one that waits longest.
    pub fn waiting(&self) -> Option<Waiting> {
        self.shared.waits.longest()
    }

    /// Notes that a call is repeated after this pause, because of this error.
    pub(crate) fn note_repeat(&self, error: String, pause: Duration) -> Noted {
        self.shared.waits.note(Wait::Repeat(error), Some(Instant::now() + pause))
    }

    /// How many requests this process has made, uploads and retries included.
    pub fn calls_made(&self) -> u64 {
        self.tally.calls.load(Ordering::Relaxed)
    }

    /// What this process has asked, how that ended and how long it waited.
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// This pacer, which goes on with the counts of the one that it replaces.
    #[must_use]
    pub fn counting_on(self, former: &Pacer) -> Pacer {
        Pacer { tally: Arc::clone(&former.tally), ..self }
    }

    /// Counts the answer to one request; its error, if it failed.
    pub(crate) fn count(&self, endpoint: &str, error: Option<&ErrorKind>) {
        self.tally.answered(endpoint, error);
    }

    /// The clock that paces and hold-offs go by.
    pub fn clock(&self) -> Clock {
        lock(&self.shared.memory).system()
    }

    /// What every duration of the service is divided by; 1 but for an emulator.
    pub fn time_scale(&self) -> u32 {
        self.shared.rules.time_scale
    }

    fn new(config: PaceConfig, memory: Memory) -> Pacer {
        let shared = Shared {
            rules: rules(config),
            queue: Queue::new(()),
            small_downloads: Queue::new(()),
            memory: Mutex::new(memory),
            changed: Notify::new(),
            waits: Waits::default(),
            owed: Mutex::new(None),
        };
        Pacer { shared: Arc::new(shared), tally: Arc::default() }
    }

    /// Waits until one request may be sent, and counts it as sent if it is a call.
    ///
    /// Waits as long as the lane demands: up to 30 s for a folder, five minutes for the account, an
    /// hour for the whole account. Cancel-safe: a caller that stops waiting has taken no turn.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::HeldOff`] at once in a hold-off, and when one begins while waiting;
    /// [`ErrorKind::PaceMemory`].
    pub(crate) async fn turn(&self, lane: Lane) -> Result<Turn, ErrorKind> {
        match self.turn_unless(lane, || None::<Infallible>).await? {
            TurnOr::Turn(turn) => Ok(turn),
            TurnOr::Known(never) => match never {},
        }
    }

    /// A turn to read the account, or its description by the service, to the same key, less than
    /// ten minutes ago. Other errors and waits as for [`Pacer::turn`].
    pub(crate) async fn account_turn(&self, key: &str) -> Result<TurnOr<String>, ErrorKind> {
        self.turn_unless(Lane::Account, || self.remembered_account(key)).await
    }

    /// Waits until all small downloads of this process that came before have started. Keep what it
    /// returns until the turn in [`Lane::SmallDownload`]: an address is good for five minutes only
    /// (docs/api-notes.md, D), so hundreds of callers must not ask for one at once and then wait.
    pub(crate) async fn next_small_download(&self) -> QueueGuard<'_, ()> {
        self.shared.small_downloads.lock().await
    }

    /// Waits for a turn, unless `known` gives the answer first.
    async fn turn_unless<T>(
        &self,
        lane: Lane,
        known: impl Fn() -> Option<T>,
    ) -> Result<TurnOr<T>, ErrorKind> {
        let mut noted: Option<Noted> = None;
        let _waits = Waited { tally: &self.tally, since: Instant::now() };
        loop {
            let queue = if lane.is_call() { Some(self.shared.queue.lock().await) } else { None };
            loop {
                // Before the look: a change after it must wake the sleeper.
                let changed = self.shared.changed.notified();
                if let Some(known) = known() {
                    return Ok(TurnOr::Known(known));
                }
                let wait = match self.claim(lane)? {
                    Ok(turn) => return Ok(TurnOr::Turn(turn)),
                    Err(wait) => wait,
                };
                let until = Instant::now() + wait.duration;
                let waits_for = Wait::of(lane, wait.in_queue);
                let noted = noted
                    .get_or_insert_with(|| self.shared.waits.note(waits_for.clone(), Some(until)));
                noted.is_for(waits_for, until);
                if !wait.in_queue {
                    drop(queue);
                    sleep_or(wait.duration, changed).await;
                    break;
                }
                sleep_or(wait.duration, changed).await;
            }
        }
    }

    /// Takes a turn now, or says how long to wait before the next look.
    fn claim(&self, lane: Lane) -> Result<Result<Turn, Denial>, ErrorKind> {
        let rules = self.shared.rules;
        self.settle_owed().map_err(ErrorKind::PaceMemory)?;
        let claimed = self.update(|kept, now| (kept.schedule.claim(lane, now, &rules), now));
        let (claimed, now) = claimed.map_err(ErrorKind::PaceMemory)?;
        match claimed {
            Ok(()) => {
                self.tally.calls.fetch_add(u64::from(lane.is_call()), Ordering::Relaxed);
                let waits = self.shared.waits.note(Wait::Answer, None);
                Ok(Ok(Turn { shared: Arc::clone(&self.shared), lane, start: now, _waits: waits }))
            }
            Err(Denied::HeldOff { until, reason, cause }) => {
                let wait = span(now, until);
                Err(ErrorKind::HeldOff { until: self.clock().wall() + wait, wait, reason, cause })
            }
            Err(Denied::Lane { until }) => {
                Ok(Err(Denial { duration: span(now, until), in_queue: false }))
            }
            Err(Denied::Pace { until }) => {
                Ok(Err(Denial { duration: span(now, until), in_queue: true }))
            }
        }
    }

    /// Tells the pacer about a failed request: floods, locks and refusals in unknown words begin a
    /// hold-off.
    pub(crate) fn note_failure(&self, endpoint: &'static str, kind: &ErrorKind) {
        let Some(news) = News::of(endpoint, kind) else { return };
        if matches!(news, News::Understood) && !self.is_troubled() {
            return;
        }
        let rules = self.shared.rules;
        let mut begins = false;
        let written = self.note("begin a hold-off", |schedule, now| {
            let was_silent = schedule.silence(now).is_some();
            news.tell(schedule, now, &rules);
            begins = !was_silent && schedule.silence(now).is_some();
        });
        if begins {
            self.tally.held_off();
        }
        if !written {
            *lock(&self.shared.owed) = Some(news);
        }
    }

    /// Tells the pacer about an ordinary answer.
    pub(crate) fn note_ok(&self, endpoint: &'static str) {
        if !self.is_troubled() {
            return;
        }
        let rules = self.shared.rules;
        match self.update(|kept, now| kept.schedule.went_well(endpoint, now, &rules)) {
            Ok(_) => {}
            Err(error) => tracing::warn!("cannot record that the service is calm again: {error}"),
        }
    }

    fn is_troubled(&self) -> bool {
        lock(&self.shared.memory).last_seen().schedule.is_troubled()
    }

    fn remembered_account(&self, key: &str) -> Option<String> {
        let rules = self.shared.rules;
        let found = self.update(|kept, now| {
            let reading = kept.account.as_ref()?;
            let fresh = Schedule::is_account_fresh(reading.read, now, &rules);
            (fresh && reading.key == key).then(|| reading.reply.clone())
        });
        found.ok().flatten()
    }

    /// Keeps a description of the account for [`Pacer::account_turn`].
    pub(crate) fn remember_account(&self, key: &str, reply: &str) {
        let (key, reply) = (key.to_owned(), reply.to_owned());
        let kept = self.update(|kept, now| {
            kept.account = Some(AccountReading { read: now, key, reply });
        });
        if let Err(error) = kept {
            tracing::warn!("cannot remember the account's description: {error}");
        }
        self.shared.changed.notify_waiters();
    }

    /// Forgets the account's description: it has been changed.
    pub(crate) fn forget_account(&self) {
        if let Err(error) = self.update(|kept, _| kept.account = None) {
            tracing::warn!("cannot forget the account's description: {error}");
        }
    }

    /// A reading of the account was refused or never sent, so that the next is possible sooner.
    pub(crate) fn account_unread(&self) {
        let rules = self.shared.rules;
        self.note("forget a reading", |schedule, now| schedule.account_unread(now, &rules));
    }

    /// What could not be written down, because the disk was full, say, is written before the next
    /// turn is taken; until then there is none.
    fn settle_owed(&self) -> io::Result<()> {
        let mut owed = lock(&self.shared.owed);
        if let Some(news) = owed.as_ref() {
            let rules = self.shared.rules;
            self.update(|kept, now| news.tell(&mut kept.schedule, now, &rules))?;
            *owed = None;
        }
        Ok(())
    }

    /// Changes the schedule and wakes all callers that wait. Returns whether it is written down.
    fn note(&self, what: &str, change: impl FnOnce(&mut Schedule, Micros)) -> bool {
        let noted = self.update(|kept, now| change(&mut kept.schedule, now));
        let written = noted.and_then(|()| lock(&self.shared.memory).sync());
        if let Err(error) = &written {
            tracing::warn!("cannot {what} in the record of recent calls: {error}");
        }
        self.shared.changed.notify_waiters();
        written.is_ok()
    }

    fn update<T>(&self, change: impl FnOnce(&mut Kept, Micros) -> T) -> io::Result<T> {
        lock(&self.shared.memory).update(&self.shared.rules, change)
    }
}

impl Drop for Turn {
    /// The answer has come, or the caller has stopped waiting for it.
    fn drop(&mut self) {
        let Turn { shared, lane, start, .. } = self;
        let answered = lock(&shared.memory).update(&shared.rules, |kept, now| {
            kept.schedule.answered(*lane, *start, now, &shared.rules);
        });
        if let Err(error) = answered {
            tracing::warn!("cannot record an answer in the record of recent calls: {error}");
        }
    }
}

/// Locks a value that no panic can leave half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the time until it is dropped as time that a request waited.
struct Waited<'a> {
    tally: &'a Tally,
    since: Instant,
}

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        self.tally.waited(self.since.elapsed());
    }
}

/// How long to wait, and whether with a place in the queue.
struct Denial {
    duration: Duration,
    in_queue: bool,
}

async fn sleep_or(duration: Duration, changed: impl Future<Output = ()>) {
    tokio::select! {
        // In one order always, so that a simulation can be replayed.
        biased;
        () = tokio::time::sleep(duration.min(LOOK_AGAIN)) => {}
        () = changed => {}
    }
}

fn rules(config: PaceConfig) -> Rules {
    let PaceConfig { calls_per_second: rate, time_scale } = config;
    let rate = if rate.is_nan() { 1.0 } else { rate };
    let rate = rate.clamp(MIN_CALLS_PER_SECOND, MAX_CALLS_PER_SECOND);
    Rules { interval: Duration::from_secs_f64(1.0 / rate), time_scale: time_scale.max(1) }
}

/// From `now` to `until`, both of the pacer's clock.
fn span(now: Micros, until: Micros) -> Duration {
    Duration::from_micros(u64::try_from(until.saturating_sub(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests;
