//! One machine with one mirror, its disk and its service, and the events of a script.
//!
//! The program is the real one from the loop's schedule down: mirror, cycle, plan, execution,
//! recovery, pace, repeats, the reading of replies, and the state in SQLite. The disk and the road
//! to the service are models; the service is the emulator. All time is the runtime's, which passes
//! only while the program, the road or the script waits.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use fichier_api::{Client, Clock, PaceConfig, Pacer};
use fichier_emulator::{Emulator, Rules};
use fichier_state::{RelPath, Store};
use fichier_testkit::loopback;
use fichierd::base::{Random, State};
use fichierd::config::{Keep, MaxRemovals, MirrorConfig};
use fichierd::daemon::{Now, Schedule, Wake};
use fichierd::disk::{DirtyQueue, Disks};
use fichierd::mirror::{CycleEnd, MirrorWorker, Shared, Trouble};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::changes;
use crate::disk::Disk;
use crate::look::{Look, Outcome};
use crate::road::{Road, Witness};
use crate::script::{Change, Event, Habit, Script};
use crate::spoil;

/// The target of the mirror.
pub const TARGET: &str = "/backup/photos";
/// The time at which every scenario begins, in Unix seconds.
const START_S: u64 = 1_750_000_000;
/// The largest number of cycles until a mirror must have settled; one that needs more never will.
const MAX_CYCLES: usize = 60;
/// The longest time until a mirror must have settled.
const PATIENCE: Duration = Duration::from_secs(12 * 3600);

/// The state that the road and the script share: the world may change while a request is under way.
pub struct Outside {
    pub disk: Disk,
    pub dirty: DirtyQueue,
    pub look: Look,
    /// Changes that wait for a number of requests.
    pub waiting: Vec<(u64, Change)>,
    pub fresh: u64,
    pub problem: Option<String>,
}

/// The whole simulation.
pub struct World {
    pub emulator: Arc<Emulator>,
    pub road: Road,
    pub outside: Arc<Mutex<Outside>>,
    config: MirrorConfig,
    pub pacer: Pacer,
    random: Random,
    process: Option<Process>,
    remount_at: Option<Instant>,
    /// The degraded state that the last cycle ended in, and its cause.
    pub trouble: Option<(&'static str, String)>,
}

/// The memory of a process, which is lost when it dies.
struct Process {
    shared: Shared,
    worker: MirrorWorker,
    schedule: Schedule,
}

impl Witness for Arc<Mutex<Outside>> {
    fn after_request(&mut self, answered: u64, changes: bool) {
        let mut outside = self.lock().unwrap_or_else(PoisonError::into_inner);
        let Outside { waiting, .. } = &mut *outside;
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(waiting).into_iter().partition(|(at, _)| *at <= answered);
        outside.waiting = later;
        for (_, change) in now {
            outside.change(&change, true);
        }
        let Outside { disk, look, problem, .. } = &mut *outside;
        if changes && problem.is_none() {
            let wrong = look.after_request(disk).err();
            *problem = wrong.map(|wrong| format!("{wrong} (after request {answered})"));
        }
    }
}

impl Outside {
    /// The user changes something; the watcher marks what it saw.
    pub fn change(&mut self, change: &Change, seen: bool) {
        let touched = changes::apply(&self.disk, change, &mut self.fresh);
        if seen {
            for path in touched {
                self.dirty.mark(path);
            }
        }
    }
}

thread_local! {
    /// A state left by an earlier scenario, whose statements are prepared.
    static SPARE: Cell<Option<Store>> = const { Cell::new(None) };
}

/// Building a client opens the list of trusted authorities, so it is done once.
fn client(key: &str) -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let pacer = Pacer::in_memory(PaceConfig::default());
        loopback::client(key, pacer, "http://127.0.0.1:1/v1").build().unwrap()
    })
}

impl World {
    pub fn new(script: &Script) -> World {
        World::with(script, |_| {})
    }

    /// As [`World::new`], before a service with other rules.
    pub fn with(script: &Script, change: impl FnOnce(&mut Rules)) -> World {
        let clock = Clock::following_runtime(SystemTime::UNIX_EPOCH + Duration::from_secs(START_S));
        let setting = &script.setting;
        let mut rules = Rules { on_name_taken: setting.name_taken, ..Rules::default() };
        match setting.habit {
            Habit::None => {}
            Habit::MoveChangesLink => rules.mv_changes_link = true,
            Habit::BatchOfThree => rules.batch_max = Some(3),
            Habit::AppearsAfterResult => rules.appears_after_result = true,
            Habit::RemoveUnknown(answer) => rules.remove_unknown = answer,
            Habit::ListingsLag => rules.listing_lag = Duration::from_secs(60),
            Habit::UnknownFolderListsEmpty => rules.unknown_folder_lists_empty = true,
        }
        change(&mut rules);
        let start_s = i64::try_from(START_S).unwrap();
        let emulator = Emulator::builder().rules(rules).start_inside(start_s).unwrap();
        let emulator = Arc::new(emulator);
        let disk = Disk::new(clock);
        changes::lay_out(&disk);
        let outside = Outside {
            look: Look::new(Arc::clone(&emulator), setting.clone()),
            disk,
            dirty: DirtyQueue::default(),
            waiting: Vec::new(),
            fresh: 0,
            problem: None,
        };
        let outside = Arc::new(Mutex::new(outside));
        let road = Road::new(Arc::clone(&emulator), Box::new(Arc::clone(&outside)));
        let (share, floor) = match setting.guarded {
            true => (MaxRemovals::Percent(25), 3),
            false => (MaxRemovals::Percent(100), 100),
        };
        let config = MirrorConfig {
            settle: Duration::from_secs(2),
            settle_at_most: Duration::from_secs(60),
            max_removals: share,
            removals_floor: floor,
            keep: if setting.keep_versions { Keep::Forever } else { Keep::None },
            keep_versions: None,
            audit: None,
            drill: None,
            ..MirrorConfig::new("photos", "/source", TARGET)
        };
        let pacer = Pacer::in_memory_at(PaceConfig::default(), clock);
        let random = Random::seeded(script.seed ^ 0x5eed);
        let mut world = World {
            emulator,
            road,
            outside,
            config,
            pacer,
            random,
            process: None,
            remount_at: None,
            trouble: None,
        };
        let clock = fichier_state::Clock::by(clock);
        let mut store = match SPARE.take() {
            Some(store) => store.begin_anew(clock).unwrap(),
            None => Store::in_memory(clock).unwrap(),
        };
        store.write(|w| w.set_note("installation", Some("installation-1"))).unwrap();
        world.start(store);
        world
    }

    pub fn outside(&self) -> std::sync::MutexGuard<'_, Outside> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process on this state.
    fn start(&mut self, store: Store) {
        self.road.revive();
        let road = self.road.clone();
        let state = State::new(store).tapped(Arc::new(move |access| road.tap(access)));
        let carrier = Arc::new(self.road.clone());
        let disk: Arc<Disk> = Arc::new(self.outside().disk.clone());
        let shared = Shared {
            client: client(self.emulator.api_key()).carried_by(carrier, self.pacer.clone()),
            state,
            slots: Arc::new(Semaphore::new(2)),
            parallel_uploads: 2,
            stop: CancellationToken::new(),
            disks: Disks::modelled(disk),
            random: self.random.clone(),
        };
        // A full state disk would keep the service from starting; systemd starts it again.
        let worker = MirrorWorker::open(self.config.clone(), &shared.state).unwrap();
        self.outside().dirty = worker.dirty.clone();
        let schedule = Schedule::starting(Instant::now());
        self.process = Some(Process { shared, worker, schedule });
    }

    /// Ends the scenario, and keeps its state for the next one of this thread, which begins sooner.
    pub fn end(&mut self) {
        let store = self.process.take().and_then(|process| {
            let Process { shared, worker, .. } = process;
            drop(worker);
            shared.state.into_store()
        });
        SPARE.set(store);
    }

    /// Ends the process, and starts another one.
    pub fn restart(&mut self) {
        let Some(process) = self.process.take() else { return };
        let Process { shared, worker, .. } = process;
        drop(worker);
        let store = shared.state.into_store().unwrap();
        self.road.end_faults();
        self.start(store);
    }

    /// The user writes a file into a new folder, and the watcher sees it.
    pub fn add(&self, number: usize) {
        let outside = self.outside();
        let path = RelPath::parse(format!("new-{number}/file").as_bytes()).unwrap();
        outside.disk.write(&path, format!("content {number}").as_bytes());
        outside.dirty.mark(path);
        outside.dirty.mark_everything();
    }

    /// Carries out an event.
    pub async fn happen(&mut self, event: &Event) -> Outcome {
        self.road.note(&format!("{event:?}"));
        match event {
            Event::Change { change, seen } => self.outside().change(change, *seen),
            Event::ChangeDuring { change, requests } => {
                let at = self.road.answered() + u64::from(*requests);
                self.outside().waiting.push((at, change.clone()));
            }
            Event::Ambush { reads, how } => self.outside().disk.ambush(u32::from(*reads), *how),
            Event::Wait(time) => self.run(Instant::now() + *time).await,
            Event::Overflow => self.outside().dirty.mark_everything(),
            Event::Kill(place) => {
                self.road.die_at(*place);
                self.run(Instant::now() + Duration::from_secs(300)).await;
                self.restart();
            }
            Event::Restart => self.restart(),
            Event::Spoil { endpoint, skip, how } => {
                spoil::inject(&self.emulator, *endpoint, *skip, *how);
            }
            Event::Offline(time) => self.road.go_offline(Instant::now() + *time),
            Event::StateFull(time) => self.road.fill_state_disk(Instant::now() + *time),
            Event::Unmounted(time) => self.unmount(*time),
            Event::LockOut { folder } => {
                let folders = self.outside().disk.paths(true);
                if let Some(path) = changes::chosen(&folders, *folder) {
                    self.outside().disk.lock_out(&path);
                }
            }
            Event::BreakFile { file } => {
                let files = self.outside().disk.paths(false);
                if let Some(path) = changes::chosen(&files, *file) {
                    self.outside().disk.break_file(&path);
                }
            }
            Event::EndFaults => self.end_faults(),
            Event::AddedThere { name } => self.outside().look.add_there(*name),
            Event::Rest => return self.rest().await,
        }
        match self.outside().problem.take() {
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }

    fn unmount(&mut self, time: Duration) {
        self.outside().disk.set_mounted(false);
        self.mounts_changed();
        self.remount_at = Some(Instant::now() + time);
    }

    fn mounts_changed(&mut self) {
        self.outside().dirty.mark_everything();
        if let Some(process) = &mut self.process {
            process.schedule.look_now(Instant::now(), Wake::Mount);
        }
    }

    fn end_faults(&mut self) {
        self.remount_at = None;
        self.outside().disk.end_faults();
        self.mounts_changed();
    }

    /// Does the work that is due until then, as the service's loop does, or until the process dies.
    pub async fn run(&mut self, until: Instant) {
        loop {
            let now = Instant::now();
            if self.remount_at.is_some_and(|at| at <= now) {
                self.remount_at = None;
                self.outside().disk.set_mounted(true);
                self.mounts_changed();
            }
            let Some(process) = &mut self.process else { return };
            if process.schedule.is_due(now, &process.worker) {
                let end = tokio::select! {
                    biased;
                    () = self.road.death() => None,
                    end = process.cycle() => Some(end),
                };
                match end {
                    None => self.restart(),
                    Some(end) => {
                        let told = |trouble: Trouble| (trouble.kind().word(), trouble.cause());
                        self.trouble = end.trouble.map(told);
                    }
                }
                continue;
            }
            let next = process.schedule.next(&process.worker).unwrap_or(until);
            let next = self.remount_at.map_or(next, |at| next.min(at)).min(until);
            if now >= until {
                return;
            }
            tokio::time::sleep_until(next.max(now + Duration::from_millis(1))).await;
        }
    }

    /// Ends the faults and runs cycles until there is nothing left to do; then every invariant must
    /// hold.
    pub async fn rest(&mut self) -> Outcome {
        self.emulator.clear_faults();
        self.road.end_faults();
        self.end_faults();
        let (mut cycles, deadline) = (0, Instant::now() + PATIENCE);
        loop {
            let waiting = std::mem::take(&mut self.outside().waiting);
            for (_, change) in waiting {
                self.outside().change(&change, true);
            }
            let Some(process) = &mut self.process else { return Err("no process".to_owned()) };
            process.schedule.rescan_now(Instant::now());
            let end = process.cycle().await;
            if let Some(problem) = self.outside().problem.take() {
                return Err(problem);
            }
            if self.approves(&end) {
                continue;
            }
            let is_dirty = !self.outside().dirty.is_empty();
            let at_rest = end.trouble.is_none()
                && !end.report.changed_something()
                && end.report.problems == 0
                && end.report.uploads_pending == 0
                && !end.more
                && !is_dirty
                && self.problems().is_empty();
            if at_rest {
                break;
            }
            cycles += 1;
            if cycles > MAX_CYCLES || Instant::now() > deadline {
                let problems = self.problems();
                return Err(format!(
                    "the mirror does not settle: {:?} {:?} dirty: {is_dirty} {problems:?}",
                    end.report, end.trouble
                ));
            }
            // Time for files to settle, for listings to show them, and for a lock to end.
            tokio::time::sleep(Duration::from_secs(20 * u64::try_from(cycles).unwrap())).await;
        }
        let calls = self.road.answered();
        if let Some(process) = &mut self.process {
            process.schedule.rescan_now(Instant::now());
            process.cycle().await;
        }
        if self.road.answered() != calls {
            return Err("an idle cycle makes calls".to_owned());
        }
        let outside = &mut *self.outside();
        outside.look.at_rest(&outside.disk)
    }

    /// Approves the removals that are held, as a person would.
    fn approves(&mut self, end: &CycleEnd) -> bool {
        let Some(process) = &self.process else { return false };
        if end.outcome.held.is_none() {
            return false;
        }
        matches!(fichierd::daemon::approve(&process.shared.state, &self.config, false), Ok(Ok(_)))
    }

    fn problems(&self) -> BTreeMap<RelPath, String> {
        let Some(process) = &self.process else { return BTreeMap::new() };
        let found = process.shared.state.read(|s| s.problems(None)).unwrap_or_default();
        found.into_iter().map(|problem| (problem.path, problem.what)).collect()
    }
}

impl Process {
    /// Runs one cycle, and treats its end as the loop does.
    async fn cycle(&mut self) -> CycleEnd {
        let Process { shared, worker, schedule } = self;
        let due = schedule.take(Instant::now(), worker, &shared.random);
        let end = worker.run(shared, &due).await;
        let state = &shared.state;
        let next = state.read(|s| s.next_problem_due(worker.id)).ok().flatten();
        let problem_in = next
            .map(|at| Duration::from_secs(u64::try_from(at - state.now_s()).unwrap_or(0).max(1)));
        let now = Now::of(state.clock());
        schedule.after(now, &end, problem_in, 1, &worker.config, &shared.random);
        end
    }
}
