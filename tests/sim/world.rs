//! One machine with one mirror, its disk and its service, and the events of a script.
//!
//! The program is the real one from the loop's schedule down: mirror, cycle, plan, execution,
//! recovery, pace, repeats, the reading of replies, and the state in SQLite. The disk and the road
//! to the service are models; the service is the emulator. All time is the runtime's, which passes
//! only while the program, the road or the script waits.

use std::cell::Cell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use fichier_api::{Client, Clock, PaceConfig, Pacer};
use fichier_emulator::{Emulator, Rules};
use fichier_state::{RelPath, Store};
use fichier_testkit::habits::Which;
use fichier_testkit::{crypt, loopback};
use fichierd::base::{Random, State};
use fichierd::config::{Keep, MaxRemovals, MirrorConfig};
use fichierd::daemon::{Now, Schedule, Wake};
use fichierd::disk::{DirtyQueue, Disks, Due};
use fichierd::mirror::{CycleEnd, MirrorWorker, Patience, Shared, Trouble};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::changes;
use crate::disk::Disk;
use crate::look::{Look, Outcome};
use crate::road::{Road, Witness};
use crate::script::{Change, Event, Place, Script, Setting};
use crate::spoil;

/// The target of the mirror.
pub const TARGET: &str = "/backup/photos";
/// The time at which every scenario begins, in Unix seconds.
const START_S: u64 = 1_750_000_000;
/// The targets and names that a mirror may get.
const TARGETS: [&str; 4] = [TARGET, "/backup/pictures", "/elsewhere/deep/photos", "/photos"];
const NAMES: [&str; 3] = ["photos", "pictures", "images"];

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
    pub(super) config: MirrorConfig,
    pub pacer: Pacer,
    random: Random,
    pub(super) process: Option<Process>,
    remount_at: Option<Instant>,
    setting: Setting,
    /// Habits that the service has for now.
    passing: Vec<Which>,
    /// Events that interrupt the program, or its work: each may cost calls and bytes.
    pub(super) disturbances: u64,
    has_lost_state: bool,
    /// Cycles that a person asked for although the mirror had stopped.
    pub(super) tries_again: u64,
    /// Whether the last cycle said that the mirror is complete.
    pub(super) is_complete: bool,
    /// What it said was not known to be safe.
    pub(super) open: String,
    /// The degraded state that the last cycle ended in, and its cause.
    pub trouble: Option<(&'static str, String)>,
}

/// The memory of a process, which is lost when it dies.
pub(super) struct Process {
    pub(super) shared: Shared,
    pub(super) worker: MirrorWorker,
    pub(super) schedule: Schedule,
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
        self.look.follow(&self.disk);
        for path in changes::apply(&self.disk, change, &mut self.fresh) {
            self.look.touch(&path, &self.disk);
            if seen {
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
        let mut rules = rules_of(setting, &[]);
        change(&mut rules);
        let start_s = i64::try_from(START_S).unwrap();
        let emulator = Emulator::builder().rules(rules).start_inside(start_s).unwrap();
        let emulator = Arc::new(emulator);
        let disk = Disk::new(clock);
        changes::lay_out(&disk);
        let outside = Outside {
            look: Look::new(Arc::clone(&emulator), script),
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
            setting: setting.clone(),
            passing: Vec::new(),
            disturbances: 0,
            has_lost_state: false,
            tries_again: 0,
            is_complete: false,
            open: String::new(),
            trouble: None,
        };
        let clock = fichier_state::Clock::by(clock);
        let mut store = match SPARE.take() {
            Some(store) => store.begin_anew(clock).unwrap(),
            None => Store::in_memory(clock).unwrap(),
        };
        store.write(|w| w.set_note("installation", Some("installation-1"))).unwrap();
        world.inject_habits();
        world.start(store);
        world
    }

    fn inject_habits(&self) {
        for which in self.setting.habits.iter().chain(&self.passing) {
            if let Some(fault) = which.habit().fault() {
                self.emulator.inject(fault);
            }
        }
    }

    /// The service has the habits of the setting and these.
    fn have_habits(&mut self, passing: Vec<Which>) {
        self.passing = passing;
        self.emulator.set_rules(rules_of(&self.setting, &self.passing));
        self.emulator.clear_faults();
        self.inject_habits();
    }

    /// All faults of the service end, and the habits that began within the scenario.
    pub(super) fn end_passing(&mut self) {
        self.have_habits(Vec::new());
    }

    /// The service behaves as it is documented.
    pub(super) fn end_habits(&mut self) {
        self.setting.habits.clear();
        self.end_passing();
    }

    pub(super) fn has_habits(&self) -> bool {
        !self.setting.habits.is_empty()
    }

    pub(super) fn keeps_versions(&self) -> bool {
        self.setting.keep_versions
    }

    pub(super) fn is_to_be_left_alone(&self) -> bool {
        self.setting.left_alone
    }

    pub(super) fn habits(&self) -> &[Which] {
        &self.setting.habits
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
        let mut worker = MirrorWorker::open(self.config.clone(), &shared.state).unwrap();
        worker.form = crypt::seeded_form(|| self.random.number());
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
        if let Some(store) = self.stop() {
            self.start(store);
        }
    }

    fn stop(&mut self) -> Option<Store> {
        let Process { shared, worker, .. } = self.process.take()?;
        drop(worker);
        self.road.end_faults();
        Some(shared.state.into_store().unwrap())
    }

    /// The process and its records are lost; another one starts.
    fn lose_state(&mut self) {
        let Some(store) = self.stop() else { return };
        self.has_lost_state = true;
        self.outside().look.lose_records();
        let base = self.outside().look.base().to_owned();
        self.outside().look.want(&base);
        self.config.target = base;
        let clock = store.clock().clone();
        let mut store = store.begin_anew(clock).unwrap();
        let installation = format!("installation-{}", 2 + self.road.answered());
        store.write(|w| w.set_note("installation", Some(&installation))).unwrap();
        self.start(store);
    }

    /// Whether the target of the configuration is not the one on record.
    fn is_moving(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let rows = process.shared.state.read(|s| s.mirrors()).unwrap_or_default();
        rows.iter().any(|row| row.id == process.worker.id && row.target != self.config.target)
    }

    /// Runs `sync` as long as a person would wait for it, in a process of its own.
    async fn one_shot(&mut self, dies: Option<Place>) -> Outcome {
        self.restart();
        if let Some(process) = &mut self.process {
            process.worker.is_one_shot = true;
        }
        if let Some(place) = dies {
            self.road.die_at(place);
        }
        let mut patience = Patience::new(&self.config, 1);
        loop {
            let Some(process) = &mut self.process else { return Ok(()) };
            process.worker.dirty.take_settled(Duration::ZERO, Duration::ZERO);
            let everything = Due { everything: true, paths: Vec::new() };
            begins(&self.outside, &everything);
            let end = tokio::select! {
                biased;
                () = self.road.death() => return Ok(()),
                end = process.worker.run(&process.shared, &everything) => end,
            };
            ended(&self.outside, &end)?;
            let Some(pause) = patience.goes_on(&end, &self.config) else { return Ok(()) };
            tokio::time::sleep(pause).await;
        }
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
        self.disturbances += u64::from(event.disturbs());
        match event {
            Event::Change { change, seen } => self.outside().change(change, *seen),
            Event::ChangeDuring { change, requests } => {
                let at = self.road.answered() + u64::from(*requests);
                self.outside().waiting.push((at, change.clone()));
            }
            Event::Ambush { reads, how } => self.outside().disk.ambush(u32::from(*reads), *how),
            Event::Wait(time) => self.run(Instant::now() + *time).await?,
            Event::Overflow => self.outside().dirty.mark_everything(),
            Event::Kill(place) => {
                self.road.die_at(*place);
                self.run(Instant::now() + Duration::from_secs(300)).await?;
                self.restart();
            }
            Event::Restart => self.restart(),
            Event::OneShots { runs, dies } => {
                for number in 0..*runs {
                    self.one_shot(dies.filter(|_| number == 0)).await?;
                }
                self.restart();
            }
            // With other records, or another name too, a target begins anew beside the former one.
            Event::Retarget { .. } if self.has_lost_state => {}
            Event::Rename { .. } if self.is_moving() => {}
            Event::Retarget { to } => {
                let to = TARGETS[usize::from(*to) % TARGETS.len()];
                to.clone_into(&mut self.config.target);
                self.outside().look.want(to);
                self.restart();
            }
            Event::Rename { to } => {
                NAMES[usize::from(*to) % NAMES.len()].clone_into(&mut self.config.name);
                self.restart();
            }
            Event::LoseState => self.lose_state(),
            Event::Approve => self.approve(),
            Event::Begin(which) => {
                let passing = self.passing.iter().copied().chain([*which]).collect();
                self.have_habits(passing);
            }
            Event::End { first } => {
                let mut passing = self.passing.clone();
                if *first && !passing.is_empty() {
                    passing.remove(0);
                } else {
                    passing.pop();
                }
                self.have_habits(passing);
            }
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
            Event::Rest => return self.pause().await,
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

    pub(super) fn end_faults(&mut self) {
        self.remount_at = None;
        self.outside().disk.end_faults();
        self.mounts_changed();
    }

    /// Does the work that is due until then, as the service's loop does, or until the process dies.
    pub async fn run(&mut self, until: Instant) -> Outcome {
        loop {
            let now = Instant::now();
            if self.remount_at.is_some_and(|at| at <= now) {
                self.remount_at = None;
                self.outside().disk.set_mounted(true);
                self.mounts_changed();
            }
            let Some(process) = &mut self.process else { return Ok(()) };
            if process.schedule.is_due(now, &process.worker) {
                let end = tokio::select! {
                    biased;
                    () = self.road.death() => None,
                    end = process.cycle(&self.outside) => Some(end),
                };
                match end {
                    None => self.restart(),
                    Some(end) => {
                        ended(&self.outside, &end)?;
                        let told = |trouble: Trouble| (trouble.kind().word(), trouble.cause());
                        self.trouble = end.trouble.map(told);
                    }
                }
                continue;
            }
            let next = process.schedule.next(&process.worker).unwrap_or(until);
            let next = self.remount_at.map_or(next, |at| next.min(at)).min(until);
            if now >= until {
                return Ok(());
            }
            tokio::time::sleep_until(next.max(now + Duration::from_millis(1))).await;
        }
    }
}

impl Process {
    /// Runs one cycle, and treats its end as the loop does.
    pub(super) async fn cycle(&mut self, outside: &Arc<Mutex<Outside>>) -> CycleEnd {
        let Process { shared, worker, schedule } = self;
        let due = schedule.take(Instant::now(), worker, &shared.random);
        begins(outside, &due);
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

/// The rules of a service with the habits of the setting and these.
fn rules_of(setting: &Setting, passing: &[Which]) -> Rules {
    let mut rules = Rules { on_name_taken: setting.name_taken, ..Rules::default() };
    for which in setting.habits.iter().chain(passing) {
        which.habit().change(&mut rules);
    }
    rules
}

/// The witness notes what is on disk when everything is looked at.
fn begins(outside: &Arc<Mutex<Outside>>, due: &Due) {
    if due.everything {
        outside.lock().unwrap_or_else(PoisonError::into_inner).disk.await_look();
    }
}

/// If the program says that the mirror is complete, it is.
pub(super) fn ended(outside: &Arc<Mutex<Outside>>, end: &CycleEnd) -> Outcome {
    let mut outside = outside.lock().unwrap_or_else(PoisonError::into_inner);
    let Outside { disk, look, .. } = &mut *outside;
    look.follow(disk);
    if end.trouble.is_none() && end.completeness.is_complete() {
        look.complete(disk)?;
    }
    Ok(())
}
