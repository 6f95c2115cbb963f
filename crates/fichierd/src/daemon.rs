//! The service: one loop over a closed set of events runs all mirrors.
//!
//! Each source of events has a small task of its own that feeds the loop's queue. The loop decides,
//! and waits for nothing but the next event. At most one cycle of a mirror is under way. A cycle
//! takes on a bounded amount of work, so that mirrors take turns and small changes overtake bulk.
//! All mirrors share one pacer and one set of upload slots.
//!
//! A task that panics ends the process with an error: half a daemon is worse than none (K22).
//!
//! Only `cli` may use it; it uses every folder below it. No other folder knows that there is a
//! loop.

pub mod control;
pub mod health;
pub mod sandbox;
pub mod systemd;
pub(crate) mod web;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fichier_state::failpoint;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::words::counted;
use crate::base::{Random, State};
use crate::config::connect::connect;
use crate::config::{Config, MirrorConfig};
use crate::daemon::control::{Call, Identity, Reply};
use crate::daemon::health::Episodes;
use crate::disk::{Disks, MountWatch, Watch};
use crate::mirror::{ChoresEnd, CycleEnd, MirrorWorker, Shared, Trouble};
use crate::remote::claims;
use crate::upkeep::snapshot;

pub mod alerts;
mod answers;
mod counting;
mod drills;
mod error;
mod lifting;
mod linked;
mod pulse;
mod reload;
mod schedule;
mod seen;
mod signals;
mod stopping;
mod waiter;
mod why;

pub use answers::{How, NOTHING_HELD, Work, approve};
pub use error::DaemonError;
pub use lifting::lifted;
pub use schedule::{Now, Schedule, Wake};
use waiter::Waiter;
pub use why::{Unsettled, why};

/// Everything that can happen to the service.
#[derive(Debug)]
enum Event {
    /// A source has changed. The event has no effect of its own: the turn of the loop that it
    /// causes asks the schedule of each mirror whether a cycle is due.
    Dirty,
    /// A file system was mounted or unmounted.
    MountsChanged,
    /// A command asks something through the control socket.
    Asked(Call),
    /// SIGHUP asks to read the configuration again.
    Reload,
    /// SIGUSR1 asks to look at everything now.
    LookNow,
    /// SIGTERM or SIGINT asks to end in an orderly way.
    Stop,
}

/// One mirror as the loop knows it: its worker, its watch, its schedule and its trouble.
pub(crate) struct Seat {
    /// The mirror's part of the configuration.
    pub(crate) config: MirrorConfig,
    /// The number of its row in the state.
    pub(crate) id: fichier_state::MirrorId,
    /// The worker; `None` while a cycle or other work has it.
    worker: Option<MirrorWorker>,
    /// The paths that have to be looked at.
    pub(crate) dirty: crate::disk::DirtyQueue,
    /// The watch; `None` if the source cannot be watched.
    pub(crate) watch: Option<Watch>,
    /// How its files are stored.
    form: crate::base::Form,
    /// Bytes that the running cycle has handed to the network.
    pub(crate) sent_bytes: Arc<std::sync::atomic::AtomicU64>,
    /// The times at which its next cycle and chores are due.
    schedule: Schedule,
    /// Why the last cycle failed; `None` if it succeeded.
    pub(crate) trouble: Option<Trouble>,
    /// Files that the last cycle found being written.
    pub(crate) unsettled: Vec<fichier_state::RelPath>,
    /// Commands that wait for a cycle of this mirror.
    waiting: Vec<Waiter>,
    /// The task that sends [`Event::Dirty`] for this mirror.
    forwarder: Option<tokio::task::AbortHandle>,
    /// Whether the mirror is no longer configured, and is removed when its cycle has ended.
    leaving: bool,
    /// Further facts that the status shows.
    known: seen::Known,
    /// Whether a drill is under way.
    is_drilling: bool,
    /// The time before which no drill begins.
    drill_not_before: Option<Instant>,
}

impl Seat {
    /// Whether a cycle is under way.
    pub(crate) fn is_working(&self) -> bool {
        self.worker.is_none()
    }
}

/// The work that a mirror's worker has ended.
#[derive(Debug)]
enum Ended {
    Cycle(Box<CycleEnd>),
    Chores(ChoresEnd),
    /// Work that a command asked for, with the answer and the channel to the asker.
    Asked(Box<Reply>, oneshot::Sender<Reply>),
}

/// The service while it runs.
pub struct Daemon {
    config: Config,
    shared: Shared,
    seats: BTreeMap<String, Seat>,
    cycles: JoinSet<(String, MirrorWorker, Ended)>,
    events: mpsc::Receiver<Event>,
    sender: mpsc::Sender<Event>,
    feeders: JoinSet<()>,
    drills: JoinSet<drills::Drilled>,
    alerts: alerts::Alerts,
    mounts: MountWatch,
    paused: bool,
    progress: systemd::Progress,
    said: String,
    episodes: Episodes,
    /// Why the last reload was refused; `None` if it was not.
    refused_reload: Option<String>,
    /// The difference between this machine's clock and the service's, as last heard.
    clocks_apart: Option<Duration>,
    pulse: pulse::Pulse,
    /// Whether the service has accepted the key since the start.
    accepted: bool,
    /// What the mirrors have done since the start.
    done: counting::Done,
    tellers: web::Tellers,
}

impl Daemon {
    /// Opens the account, the state, the control socket and all mirrors, after trying out the
    /// sandbox. It makes no call.
    ///
    /// # Errors
    ///
    /// [`DaemonError`]; the service has then not begun to work.
    pub async fn open(config: Config) -> Result<Daemon, DaemonError> {
        sandbox::try_out(&config).map_err(DaemonError::Sandbox)?;
        let shared = open_shared(&config)?;
        lifting::at_start(shared.client.pacer());
        let (sender, events) = mpsc::channel(1024);
        let mounts = MountWatch::start().map_err(DaemonError::Setup)?;
        let (paused, known) = shared.state.read(|s| Ok((s.paused()?, health::remembered(s))))?;
        let episodes = Episodes::new(known, config.pace.time_scale);
        let mut daemon = Daemon {
            shared,
            seats: BTreeMap::new(),
            cycles: JoinSet::new(),
            events,
            sender,
            feeders: JoinSet::new(),
            drills: JoinSet::new(),
            alerts: alerts::Alerts::default(),
            mounts,
            paused,
            progress: systemd::Progress::default(),
            said: String::new(),
            episodes,
            refused_reload: None,
            clocks_apart: None,
            pulse: pulse::Pulse::default(),
            accepted: false,
            done: counting::Done::default(),
            tellers: web::Tellers::default(),
            config,
        };
        daemon.alerts = alerts::Alerts::open(&daemon.shared.state, &daemon.config);
        daemon.listen()?;
        daemon.feed_signals()?;
        daemon.feed_mounts();
        daemon.tell_metrics();
        for mirror in daemon.config.mirrors.clone() {
            daemon.add_mirror(mirror)?;
        }
        Ok(daemon)
    }

    /// A handle that stops the service in an orderly way.
    pub fn stop(&self) -> CancellationToken {
        self.shared.stop.clone()
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    ///
    /// [`DaemonError::Crashed`] after a panic in a task; [`DaemonError::State`] if the state file
    /// is no longer in its place; [`DaemonError::Refused`] if the key is refused before the first
    /// success; [`DaemonError::OtherAccount`].
    pub async fn run(mut self) -> Result<(), DaemonError> {
        self.feeders.spawn(systemd::feed_watchdog(self.progress.clone()));
        systemd::ready("looking at everything once");
        let mirrors = self.seats.len();
        tracing::info!(mirrors, "started with {}", counted(mirrors as u64, "mirror"));
        if let Some(why) = self.config.without_mirrors() {
            tracing::warn!("{why}; then: systemctl reload fichierd");
        }
        let stop = self.shared.stop.clone();
        while !stop.is_cancelled() {
            self.progress.tick();
            failpoint::reached("daemon:turn");
            // A state file that is no longer in its place would lose the records (D02).
            self.shared.state.check_place()?;
            self.begin_due();
            self.feel_pulse();
            self.tell();
            let next = self.next_wake();
            self.pulse.expect(next);
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => break,
                },
                Some(ended) = self.cycles.join_next() => {
                    let (name, worker, end) = ended.map_err(DaemonError::Crashed)?;
                    if let Ended::Cycle(end) = &end {
                        self.check_accepted(end)?;
                    }
                    self.on_end(&name, worker, end);
                }
                Some(ended) = self.drills.join_next() => {
                    self.on_drilled(ended.map_err(DaemonError::Crashed)?);
                }
                Some(sent) = self.alerts.sent() => {
                    let sent = sent.map_err(DaemonError::Crashed)?;
                    self.alerts.on_sent(&self.shared.state, &self.config, sent);
                }
                Some(ended) = self.feeders.join_next() => match ended {
                    // This is the forwarder of a mirror that is no longer configured (C05).
                    Err(error) if error.is_cancelled() => {}
                    ended => ended.map_err(DaemonError::Crashed)?,
                },
                () = tokio::time::sleep_until(next) => {}
                () = stop.cancelled() => {}
            }
        }
        self.wind_down().await
    }

    fn on_event(&mut self, event: Event) {
        match event {
            // The loop turns, and `begin_due` asks the schedules.
            Event::Dirty => self.seats.values_mut().for_each(Seat::note_source),
            Event::MountsChanged => {
                for seat in self.seats.values_mut() {
                    seat.dirty.mark_everything();
                    // A mount may end the wait for a source, but not a wait for the service. A host
                    // with containers has new mounts all the time.
                    if !seat.trouble.as_ref().is_some_and(Trouble::is_of_the_service) {
                        seat.schedule.look_now(Instant::now(), Wake::Mount);
                    }
                }
            }
            Event::LookNow => self.look_at_everything(),
            Event::Reload => self.reload(),
            Event::Stop => self.shared.stop.cancel(),
            Event::Asked(call) => self.answer(call),
        }
    }

    fn look_at_everything(&mut self) {
        for seat in self.seats.values_mut() {
            seat.dirty.mark_everything();
            seat.schedule.look_now(Instant::now(), Wake::Person);
        }
    }

    /// Begins the cycles and chores that are due.
    fn begin_due(&mut self) {
        if self.paused {
            return;
        }
        self.end_waits();
        let now = Instant::now();
        for (name, seat) in &mut self.seats {
            let Some(worker) = seat.worker.as_ref() else { continue };
            let due = seat
                .schedule
                .is_due(now, worker)
                .then(|| seat.schedule.take(now, worker, &self.shared.random));
            if due.is_none() && !seat.schedule.take_chores(now) {
                continue;
            }
            if due.is_some() {
                seat.note_begin();
            }
            let Some(mut worker) = seat.worker.take() else { continue };
            worker.is_watched = seat.misses_nothing();
            let (shared, name) = (self.shared.clone(), name.clone());
            self.cycles.spawn(async move {
                let end = match due {
                    Some(due) => Ended::Cycle(Box::new(worker.run(&shared, &due).await)),
                    None => Ended::Chores(worker.chores(&shared).await),
                };
                (name, worker, end)
            });
        }
    }

    /// Ends the service if the key is refused before the first success, so that an administrator
    /// sees it. A key that is refused later makes the mirror wait (C01).
    fn check_accepted(&mut self, end: &CycleEnd) -> Result<(), DaemonError> {
        match &end.trouble {
            Some(Trouble::OtherAccount(why)) => Err(DaemonError::OtherAccount(why.clone())),
            Some(Trouble::Refused(why)) if !self.accepted => {
                Err(DaemonError::Refused(why.text.clone()))
            }
            Some(_) => Ok(()),
            None => {
                self.accepted = true;
                Ok(())
            }
        }
    }

    fn on_end(&mut self, name: &str, worker: MirrorWorker, end: Ended) {
        match end {
            Ended::Cycle(end) => self.on_cycle_end(name, worker, *end),
            Ended::Chores(end) => self.on_chores_end(name, worker, end),
            Ended::Asked(answer, reply) => {
                self.on_work_end(name, worker);
                // The asker may have gone away.
                reply.send(*answer).ok();
            }
        }
    }

    fn on_work_end(&mut self, name: &str, worker: MirrorWorker) {
        let Some(seat) = self.seats.get_mut(name) else { return };
        if seat.leaving {
            self.seats.remove(name);
            self.add_changed();
            return;
        }
        seat.schedule.rescan_now(Instant::now());
        seat.worker = Some(worker);
    }

    fn on_chores_end(&mut self, name: &str, worker: MirrorWorker, end: ChoresEnd) {
        let Some(seat) = self.seats.get_mut(name) else { return };
        if seat.leaving {
            self.seats.remove(name);
            self.add_changed();
            return;
        }
        let now = Instant::now();
        seat.schedule.after_chores(now, &end, self.shared.client.pacer().time_scale());
        let is_well = end.trouble.is_none();
        seat.note_chores(end.trouble);
        seat.worker = Some(worker);
        if is_well {
            self.begin_drill(name);
        }
    }

    fn on_cycle_end(&mut self, name: &str, worker: MirrorWorker, mut end: CycleEnd) {
        let summary = health::summary(name, &end);
        let state = &self.shared.state;
        let Some(seat) = self.seats.get_mut(name) else { return };
        health::log_end(name, &end);
        self.done.add(seat, &end.report);
        self.tellers.note_change();
        if seat.leaving {
            self.seats.remove(name);
            self.add_changed();
            return;
        }
        let next_problem = state.read(|s| s.next_problem_due(seat.id)).ok().flatten();
        let problem_in = next_problem.map(|at| {
            Duration::from_secs(u64::try_from(at - state.now_s()).unwrap_or(0))
                .max(Duration::from_secs(1))
        });
        let scale = self.shared.client.pacer().time_scale();
        let now = Now::of(state.clock());
        let random = &self.shared.random;
        seat.schedule.after(now, &end, problem_in, scale, &seat.config, random);
        let waiting = std::mem::take(&mut seat.waiting).into_iter();
        for waiter in waiting {
            if let Some((pause, waiter)) = waiter.after(summary.clone(), &end, &seat.config) {
                seat.schedule.rescan_in(now.instant, pause);
                seat.waiting.push(waiter);
            }
        }
        seat.note_end(&end);
        let is_refused = end.trouble.as_ref().is_some_and(Trouble::is_refusal);
        let linked = std::mem::take(&mut end.report.linked);
        let is_there = end.trouble.is_none();
        seat.unsettled.clone_from(&end.outcome.unsettled);
        // A cycle without a call does not prove that the service can be reached again.
        seat.trouble.take_if(|was| end.trouble.is_some() || health::disproves(&end, was.kind()));
        seat.trouble = end.trouble.or_else(|| seat.trouble.take());
        seat.worker = Some(worker);
        if is_there {
            self.watch_seat(name);
        }
        self.look_at_linked(linked);
        if is_refused {
            let others = self.seats.iter_mut().filter(|(other, _)| *other != name);
            others.for_each(|(_, seat)| seat.schedule.wait_refused(now.instant, scale));
        }
    }

    fn next_wake(&self) -> Instant {
        let scale = self.shared.client.pacer().time_scale().max(1);
        let turn = (systemd::longest_turn() / scale).max(Duration::from_secs(1));
        let far = Instant::now() + turn;
        let next = |seat: &Seat| {
            let worker = seat.worker.as_ref()?;
            [seat.schedule.next(worker), seat.schedule.next_chores()].into_iter().flatten().min()
        };
        let due = if self.paused { None } else { self.seats.values().filter_map(next).min() };
        [due, self.episodes.next_end()].into_iter().flatten().fold(far, Instant::min)
    }

    fn add_mirror(&mut self, config: MirrorConfig) -> Result<(), DaemonError> {
        let worker = MirrorWorker::open(config.clone(), &self.shared.state)?;
        let dirty = worker.dirty.clone();
        let (events, changed) = (self.sender.clone(), dirty.clone());
        let forwarder = self.feeders.spawn(async move {
            loop {
                changed.changed().await;
                if events.send(Event::Dirty).await.is_err() {
                    return;
                }
            }
        });
        let seat = Seat {
            id: worker.id,
            sent_bytes: Arc::clone(&worker.sent_bytes),
            form: worker.form.clone(),
            worker: Some(worker),
            dirty,
            watch: None,
            known: seen::Known::default(),
            schedule: Schedule::starting(Instant::now()),
            trouble: None,
            unsettled: Vec::new(),
            waiting: Vec::new(),
            forwarder: Some(forwarder),
            leaving: false,
            is_drilling: false,
            drill_not_before: None,
            config: config.clone(),
        };
        self.seats.insert(config.name.clone(), seat);
        self.watch_seat(&config.name);
        Ok(())
    }

    fn listen(&mut self) -> Result<(), DaemonError> {
        let path = self.config.control_socket.clone();
        control::try_to_leave_link(&self.config.state_dir, &path);
        let listener = control::listen(&path)
            .map_err(|source| DaemonError::Socket { path: path.display().to_string(), source })?;
        let identity = Identity::of(&self.config);
        let (calls, mut asked) = mpsc::channel::<Call>(64);
        let events = self.sender.clone();
        self.feeders.spawn(async move {
            control::serve(listener, identity, calls).await;
        });
        self.feeders.spawn(async move {
            while let Some(call) = asked.recv().await {
                if events.send(Event::Asked(call)).await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    fn feed_mounts(&mut self) {
        let (mounts, events) = (self.mounts.clone(), self.sender.clone());
        self.feeders.spawn(async move {
            loop {
                mounts.changed().await;
                if events.send(Event::MountsChanged).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Opens the account and the state, and takes the state's lock.
///
/// # Errors
///
/// [`DaemonError::Connect`] or [`DaemonError::State`].
pub fn open_shared(config: &Config) -> Result<Shared, DaemonError> {
    let (client, _) = connect(config)?;
    let mut store = fichier_state::Store::open(&config.state_dir)?;
    let installation = store.installation()?.unwrap_or_else(crate::base::machine::id);
    store.write(|w| {
        w.set_installation(&installation)?;
        // A state that was copied from another machine still names that machine.
        w.set_note(claims::MACHINE_NOTE, crate::base::machine::machine().as_deref())?;
        snapshot::remember_config(w, &config.path)
    })?;
    Ok(Shared {
        client,
        state: State::new(store),
        slots: Arc::new(Semaphore::new(config.pace.parallel_uploads)),
        parallel_uploads: config.pace.parallel_uploads,
        stop: CancellationToken::new(),
        disks: Disks::default(),
        random: Random::default(),
    })
}
