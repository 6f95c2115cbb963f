//! The service: one loop over a closed set of events runs all mirrors.
//!
//! Each source of events has a small task of its own that feeds the loop's queue; the loop
//! decides, and never waits for anything but the next event. At most one cycle of a mirror is
//! under way. A cycle takes on a bounded amount of work, so that mirrors take turns and small
//! changes overtake bulk; all of them share one pacer and one set of upload slots.
//!
//! A task that panics ends the process with an error: half a daemon is worse than none (K22).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fichier_state::failpoint;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};

use crate::account::connect;
use crate::chores::ChoresEnd;
use crate::config::{Config, MirrorConfig};
use crate::control::{self, Call};
use crate::exit::Exit;
use crate::mirror::{CycleEnd, MirrorWorker, Shared, Trouble, chain};
use crate::snapshot;
use crate::state::State;
use crate::status::Status;
use crate::stop::Stop;
use crate::systemd;
use crate::view;
use crate::watch::{MountWatch, Watch};

mod answers;
mod drills;
mod schedule;
mod signals;
mod stopping;
mod waiter;

pub use answers::{Work, approve, why};
use schedule::Schedule;
use waiter::Waiter;

/// Everything that can happen to the service.
#[derive(Debug)]
enum Event {
    /// A mirror has something to look at; when, its schedule says.
    Dirty,
    /// Something was mounted or unmounted somewhere.
    MountsChanged,
    /// A command.
    Asked(Call),
    /// SIGHUP.
    Reload,
    /// SIGUSR1: look at everything now.
    LookNow,
    /// SIGTERM or SIGINT.
    Stop,
}

/// One mirror, its watch, and what is going on with it.
pub(crate) struct Seat {
    /// As configured.
    pub(crate) config: MirrorConfig,
    /// Its row in the state.
    pub(crate) id: fichier_state::MirrorId,
    /// The mirror itself; away while a cycle runs.
    worker: Option<MirrorWorker>,
    /// What is to be looked at.
    pub(crate) dirty: crate::dirty::DirtyQueue,
    /// The watch, if the source could be watched.
    pub(crate) watch: Option<Watch>,
    /// Bytes handed to the network.
    pub(crate) sent_bytes: Arc<std::sync::atomic::AtomicU64>,
    schedule: Schedule,
    /// How the last cycle ended, if it did not end well.
    pub(crate) trouble: Option<Trouble>,
    /// What the last cycle left over.
    pub(crate) unsettled: Vec<fichier_state::RelPath>,
    waiting: Vec<Waiter>,
    forwarder: Option<tokio::task::AbortHandle>,
    /// Set when the mirror is no longer configured and only its cycle has to end.
    leaving: bool,
    /// A drill is under way.
    is_drilling: bool,
    /// None begins before.
    drill_not_before: Option<Instant>,
}

impl Seat {
    /// Whether a cycle is under way.
    pub(crate) fn is_working(&self) -> bool {
        self.worker.is_none()
    }
}

/// What a mirror's worker has come back from.
#[derive(Debug)]
enum Ended {
    Cycle(Box<CycleEnd>),
    Chores(ChoresEnd),
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
    mounts: MountWatch,
    paused: bool,
    progress: systemd::Progress,
    said: String,
    /// Whether the service has accepted the key since the start.
    accepted: bool,
}

/// Why the service could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The key, or the program's view of the network.
    #[error(transparent)]
    Connect(#[from] crate::account::ConnectError),
    /// The state file.
    #[error("cannot use the state file")]
    State(#[from] fichier_state::Error),
    /// A mirror's filter.
    #[error(transparent)]
    Open(#[from] crate::mirror::OpenError),
    /// The control socket.
    #[error("cannot listen on the control socket {path}")]
    Socket {
        /// Where.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The kernel's list of mounts, or the handlers for signals.
    #[error("cannot set up the service")]
    Setup(#[source] std::io::Error),
    /// The key or the account was refused, before anything was ever done: somebody has to look.
    #[error("{0}")]
    Refused(String),
    /// A part of the service crashed; whatever it did is on disk and will be gone through.
    #[error("a part of the service crashed")]
    Crashed(#[source] JoinError),
}

impl DaemonError {
    /// The process's exit code.
    pub fn exit(&self) -> Exit {
        match self {
            DaemonError::Connect(error) => error.exit(),
            DaemonError::State(fichier_state::Error::Locked { .. }) => Exit::TryLater,
            DaemonError::State(fichier_state::Error::FromTheFuture { .. })
            | DaemonError::Open(crate::mirror::OpenError::Filter(_)) => Exit::Config,
            DaemonError::Refused(_) => Exit::Refused,
            DaemonError::State(_)
            | DaemonError::Open(_)
            | DaemonError::Socket { .. }
            | DaemonError::Setup(_)
            | DaemonError::Crashed(_) => Exit::Failed,
        }
    }
}

impl Daemon {
    /// Opens everything: config is checked, state is sound, mirrors are known, the socket
    /// listens. No call is made.
    ///
    /// # Errors
    ///
    /// [`DaemonError`]: nothing was changed.
    pub async fn open(config: Config) -> Result<Daemon, DaemonError> {
        let shared = open_shared(&config)?;
        let (sender, events) = mpsc::channel(1024);
        let mounts = MountWatch::start().map_err(DaemonError::Setup)?;
        let paused = shared.state.read(|s| s.paused())?;
        let mut daemon = Daemon {
            shared,
            seats: BTreeMap::new(),
            cycles: JoinSet::new(),
            events,
            sender,
            feeders: JoinSet::new(),
            drills: JoinSet::new(),
            mounts,
            paused,
            progress: systemd::Progress::default(),
            said: String::new(),
            accepted: false,
            config,
        };
        daemon.listen()?;
        daemon.feed_signals()?;
        daemon.feed_mounts();
        for mirror in daemon.config.mirrors.clone() {
            daemon.add_mirror(mirror)?;
        }
        Ok(daemon)
    }

    /// A handle that stops the service in an orderly way.
    pub fn stop(&self) -> Stop {
        self.shared.stop.clone()
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    ///
    /// [`DaemonError::Crashed`], after a panic anywhere.
    pub async fn run(mut self) -> Result<(), DaemonError> {
        self.feeders.spawn(systemd::feed_watchdog(self.progress.clone()));
        systemd::ready("looking at everything once");
        tracing::info!(mirrors = self.seats.len(), "started");
        let stop = self.shared.stop.clone();
        while !stop.is_set() {
            self.progress.tick();
            failpoint::reached("daemon:turn");
            self.begin_due();
            self.say_status();
            let next = self.next_wake();
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.on_event(event).await,
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
                Some(ended) = self.feeders.join_next() => ended.map_err(DaemonError::Crashed)?,
                () = tokio::time::sleep_until(next.into()) => {}
                () = stop.wait() => {}
            }
        }
        self.wind_down().await
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Dirty => {}
            Event::MountsChanged => {
                for seat in self.seats.values_mut() {
                    seat.dirty.mark_everything();
                    // A mount may end the wait for a source; the service knows nothing of it, and
                    // where containers run there are mounts all the time.
                    if !seat.trouble.as_ref().is_some_and(Trouble::is_of_the_service) {
                        seat.schedule.look_now();
                    }
                }
            }
            Event::LookNow => self.look_at_everything(),
            Event::Reload => self.reload(),
            Event::Stop => self.shared.stop.set(),
            Event::Asked(call) => self.answer(call).await,
        }
    }

    fn look_at_everything(&mut self) {
        for seat in self.seats.values_mut() {
            seat.dirty.mark_everything();
            seat.schedule.look_now();
        }
    }

    /// Begins the cycles whose time has come.
    fn begin_due(&mut self) {
        if self.paused {
            return;
        }
        let now = Instant::now();
        for (name, seat) in &mut self.seats {
            let Some(worker) = seat.worker.as_ref() else { continue };
            let due = seat.schedule.is_due(now, worker).then(|| seat.schedule.take(now, worker));
            if due.is_none() && !seat.schedule.take_chores(now) {
                continue;
            }
            let Some(mut worker) = seat.worker.take() else { continue };
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

    /// A key that is refused at the start ends the service, so that an administrator sees it; one
    /// that is refused later makes it wait (C01).
    fn check_accepted(&mut self, end: &CycleEnd) -> Result<(), DaemonError> {
        match &end.trouble {
            Some(Trouble::Refused(why)) if !self.accepted => Err(DaemonError::Refused(why.clone())),
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
        }
    }

    fn on_chores_end(&mut self, name: &str, worker: MirrorWorker, end: ChoresEnd) {
        let Some(seat) = self.seats.get_mut(name) else { return };
        if seat.leaving {
            self.seats.remove(name);
            self.add_changed(name);
            return;
        }
        seat.schedule.after_chores(&end, self.shared.client.pacer().time_scale());
        if let Some(trouble) = &end.trouble {
            tracing::warn!(
                mirror = name,
                "`{name}`: what is done between cycles waits: {}",
                trouble.text()
            );
        }
        seat.worker = Some(worker);
        if end.trouble.is_none() {
            self.begin_drill(name);
        }
    }

    fn on_cycle_end(&mut self, name: &str, worker: MirrorWorker, end: CycleEnd) {
        let summary = view::summary(name, &end);
        let state = &self.shared.state;
        let Some(seat) = self.seats.get_mut(name) else { return };
        view::log_end(name, &end, seat.trouble.as_ref());
        if seat.leaving {
            self.seats.remove(name);
            self.add_changed(name);
            return;
        }
        let next_problem = state.read(|s| s.next_problem_due(seat.id)).ok().flatten();
        let problem_in = next_problem.map(|at| {
            Duration::from_secs(u64::try_from(at - state.now_s()).unwrap_or(0))
                .max(Duration::from_secs(1))
        });
        let scale = self.shared.client.pacer().time_scale();
        seat.schedule.after(&end, problem_in, scale, &seat.config);
        let waiting = std::mem::take(&mut seat.waiting).into_iter();
        seat.waiting = waiting.filter_map(|waiter| waiter.after(summary.clone(), &end)).collect();
        if !seat.waiting.is_empty() {
            let pause = if end.has_restless() { seat.config.settle } else { Duration::ZERO };
            seat.schedule.rescan_in(pause);
        }
        seat.unsettled = end.outcome.unsettled;
        seat.trouble = end.trouble;
        seat.worker = Some(worker);
    }

    /// A mirror whose configuration changed while a cycle was under way begins anew after it.
    fn add_changed(&mut self, name: &str) {
        if let Some(config) = self.config.mirror(name).cloned()
            && let Err(error) = self.add_mirror(config)
        {
            tracing::error!(mirror = name, "cannot take up `{name}`: {}", chain(&error));
        }
    }

    fn next_wake(&self) -> Instant {
        let far = Instant::now() + systemd::longest_rest();
        let next = |seat: &Seat| {
            let worker = seat.worker.as_ref()?;
            [seat.schedule.next(worker), seat.schedule.next_chores()].into_iter().flatten().min()
        };
        let due = if self.paused { None } else { self.seats.values().filter_map(next).min() };
        due.map_or(far, |due| due.min(far))
    }

    fn add_mirror(&mut self, config: MirrorConfig) -> Result<(), DaemonError> {
        let worker = MirrorWorker::open(config.clone(), &self.shared.state)?;
        let dirty = worker.dirty.clone();
        let watch = self.watch(&config, &worker);
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
            worker: Some(worker),
            dirty,
            watch,
            schedule: Schedule::starting(),
            trouble: None,
            unsettled: Vec::new(),
            waiting: Vec::new(),
            forwarder: Some(forwarder),
            leaving: false,
            is_drilling: false,
            drill_not_before: None,
            config: config.clone(),
        };
        self.seats.insert(config.name, seat);
        Ok(())
    }

    fn watch(&self, config: &MirrorConfig, worker: &MirrorWorker) -> Option<Watch> {
        let filter = Arc::clone(&worker.filter);
        let is_excluded =
            Arc::new(move |path: &fichier_state::RelPath, is_dir| filter.is_excluded(path, is_dir));
        let (dirty, mounts) = (worker.dirty.clone(), self.mounts.clone());
        match Watch::start(&config.source, config.rescan, is_excluded, dirty, mounts) {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!(mirror = %config.name, "not watching: {}", chain(&error));
                None
            }
        }
    }

    /// Takes up a changed configuration; a bad one is refused and the old one stays.
    fn reload(&mut self) {
        systemd::reloading();
        match Config::load(Some(&self.config.path)) {
            Ok(config) => match self.take_up(config) {
                Ok(()) => tracing::info!("configuration reloaded"),
                Err(error) => tracing::error!("reload refused: {}", chain(&error)),
            },
            Err(error) => tracing::error!("reload refused, the old configuration stays: {error}"),
        }
        self.said.clear();
        systemd::ready("");
    }

    fn take_up(&mut self, config: Config) -> Result<(), DaemonError> {
        // The key is read again in any case: it may have been replaced (C02).
        let (client, _) = connect(&config)?;
        self.shared.client = client;
        if config.pace.parallel_uploads != self.shared.parallel_uploads {
            self.shared.parallel_uploads = config.pace.parallel_uploads;
            self.shared.slots = Arc::new(Semaphore::new(config.pace.parallel_uploads));
        }
        let names: Vec<String> = self.seats.keys().cloned().collect();
        for name in names {
            let same = config
                .mirrors
                .iter()
                .any(|mirror| self.seats.get(&name).is_some_and(|seat| seat.config == *mirror));
            if !same {
                self.remove_seat(&name);
            }
        }
        for mirror in &config.mirrors {
            if !self.seats.contains_key(&mirror.name) {
                self.add_mirror(mirror.clone())?;
            }
        }
        for seat in self.seats.values_mut() {
            seat.schedule.look_now();
        }
        self.config = config;
        Ok(())
    }

    /// A mirror that is no longer configured keeps all it has on 1fichier (C05).
    fn remove_seat(&mut self, name: &str) {
        let Some(seat) = self.seats.get_mut(name) else { return };
        if let Some(forwarder) = seat.forwarder.take() {
            forwarder.abort();
        }
        seat.watch = None;
        if seat.is_working() {
            // A cycle of the old configuration is under way under this name.
            seat.leaving = true;
        } else {
            self.seats.remove(name);
        }
    }

    fn listen(&mut self) -> Result<(), DaemonError> {
        let path = self.config.control_socket.clone();
        let listener = control::listen(&path)
            .map_err(|source| DaemonError::Socket { path: path.display().to_string(), source })?;
        let (calls, mut asked) = mpsc::channel::<Call>(64);
        let events = self.sender.clone();
        self.feeders.spawn(async move {
            control::serve(listener, calls).await;
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

    /// One line for `systemctl status`, when it changes.
    fn say_status(&mut self) {
        let line = view::line(&self.status());
        if line != self.said {
            systemd::status(&line);
            self.said = line;
        }
    }

    fn status(&self) -> Status {
        view::live(&self.shared, self.seats.values(), self.paused)
    }
}

/// Opens the account and the state; takes the state's lock.
///
/// # Errors
///
/// [`DaemonError`].
pub fn open_shared(config: &Config) -> Result<Shared, DaemonError> {
    let (client, _) = connect(config)?;
    let mut store = fichier_state::Store::open(&config.state_dir)?;
    let installation = store.installation()?.unwrap_or_else(crate::installation::id);
    store.write(|w| {
        w.set_note("installation", Some(&installation))?;
        snapshot::remember_config(w, &config.path)
    })?;
    Ok(Shared {
        client,
        state: State::new(store),
        slots: Arc::new(Semaphore::new(config.pace.parallel_uploads)),
        parallel_uploads: config.pace.parallel_uploads,
        stop: Stop::default(),
    })
}
