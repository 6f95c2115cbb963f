//! A folder, an emulated 1fichier and one mirror between them, driven cycle by cycle.
//!
//! No watcher and no clock: each test says when a cycle runs and what it looks at, so that the
//! calls it makes are the same every time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fichier_api::{ApiKey, Client, ClientBuilder, PaceConfig, Pacer};
use fichier_emulator::{Action, Emulator, Fault, Rules};
use fichier_state::{Entry, RelPath, Store};
use fichierd::base::random::Random;
use fichierd::base::state::State;
use fichierd::config::{Keep, MaxRemovals, MirrorConfig};
use fichierd::disk::dirty::Due;
use fichierd::disk::disks::Disks;
use fichierd::mirror::{CycleEnd, MirrorWorker, Shared};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Service time runs this much faster than the clock.
const TIME_SCALE: u32 = 2_000;

/// A mirror that is not at rest after this long never will be. An upload whose reply was lost is
/// given up only after seconds.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

/// The target of the mirror.
pub const TARGET: &str = "/backup/photos";

pub struct World {
    pub emulator: Emulator,
    pub config: MirrorConfig,
    pub shared: Shared,
    pub worker: MirrorWorker,
    source: TempDir,
    state: TempDir,
}

/// A machine that is lost, or turned off. A test says what of it is left.
pub struct Lost {
    pub emulator: Emulator,
    pub config: MirrorConfig,
    pub source: TempDir,
    pub state: TempDir,
    pub ahead_s: i64,
}

impl Lost {
    /// Another machine, or the same one, with the same configuration.
    pub fn start(self) -> World {
        let Lost { emulator, config, source, state, ahead_s } = self;
        let shared = open(&emulator, state.path(), ahead_s);
        let worker = MirrorWorker::open(config.clone(), &shared.state).unwrap();
        World { emulator, config, shared, worker, source, state }
    }

    pub fn client(&self) -> Client {
        client(&self.emulator, self.state.path())
    }
}

impl World {
    pub async fn new() -> World {
        World::with(|_| {}, |_| {}).await
    }

    /// A world with other rules, or another configuration of the mirror.
    pub async fn with(
        rules: impl FnOnce(&mut Rules),
        configure: impl FnOnce(&mut MirrorConfig),
    ) -> World {
        let mut set = Rules::scaled(TIME_SCALE);
        rules(&mut set);
        World::before(Emulator::builder().rules(set).start().await.unwrap(), configure)
    }

    /// A world whose service is reached by its own names, with TLS, through a proxy.
    pub async fn over_tls() -> World {
        let builder = Emulator::builder().rules(Rules::scaled(TIME_SCALE)).tls(true);
        World::before(builder.start().await.unwrap(), |_| {})
    }

    /// A world before this service.
    fn before(emulator: Emulator, configure: impl FnOnce(&mut MirrorConfig)) -> World {
        let (source, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut config = MirrorConfig {
            settle: Duration::ZERO,
            max_removals: MaxRemovals::Percent(100),
            keep: Keep::Forever,
            keep_versions: None,
            audit: None,
            drill: None,
            drill_bytes: 1 << 20,
            ..MirrorConfig::new("photos", source.path(), TARGET)
        };
        configure(&mut config);
        let shared = open(&emulator, state.path(), 0);
        let worker = MirrorWorker::open(config.clone(), &shared.state).unwrap();
        World { emulator, config, shared, worker, source, state }
    }

    /// The process ends and starts again, with the same state file.
    pub fn restart(self) -> World {
        self.restart_with(|_| {})
    }

    /// The same, with a changed configuration.
    pub fn restart_with(self, configure: impl FnOnce(&mut MirrorConfig)) -> World {
        let World { emulator, mut config, shared, worker, source, state } = self;
        let ahead_s = shared.state.clock().ahead_s();
        drop(worker);
        shared.state.into_store().unwrap().close().unwrap();
        configure(&mut config);
        let shared = open(&emulator, state.path(), ahead_s);
        let worker = MirrorWorker::open(config.clone(), &shared.state).unwrap();
        World { emulator, config, shared, worker, source, state }
    }

    /// The process ends, its state folder is copied, and it starts again.
    pub fn save_state(self) -> (World, TempDir) {
        let World { emulator, config, shared, worker, source, state } = self;
        let ahead_s = shared.state.clock().ahead_s();
        drop(worker);
        shared.state.into_store().unwrap().close().unwrap();
        let saved = TempDir::new().unwrap();
        for entry in fs::read_dir(state.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), saved.path().join(entry.file_name())).unwrap();
        }
        let shared = open(&emulator, state.path(), ahead_s);
        let worker = MirrorWorker::open(config.clone(), &shared.state).unwrap();
        (World { emulator, config, shared, worker, source, state }, saved)
    }

    /// The process ends, the state folder is replaced by a copy, and it starts again.
    pub fn put_back_state(self, saved: TempDir) -> World {
        let World { emulator, config, shared, worker, source, state } = self;
        let ahead_s = shared.state.clock().ahead_s();
        drop((worker, shared, state));
        // The copy does not remember the calls that were made since, and to put a machine back
        // takes longer than the service's rules reach.
        emulator.forget_calls();
        let shared = open(&emulator, saved.path(), ahead_s);
        let worker = MirrorWorker::open(config.clone(), &shared.state).unwrap();
        World { emulator, config, shared, worker, source, state: saved }
    }

    /// The state file is lost.
    pub fn lose_state(self) -> World {
        let World { emulator, config, shared, worker, source, state } = self;
        let ahead_s = shared.state.clock().ahead_s();
        drop((worker, shared, state));
        let state = TempDir::new().unwrap();
        let shared = open(&emulator, state.path(), ahead_s);
        let worker = MirrorWorker::open(config.clone(), &shared.state).unwrap();
        World { emulator, config, shared, worker, source, state }
    }

    /// The machine is lost. What is left is the service, and what may be known of the machine.
    pub fn lose_machine(self) -> Lost {
        let World { emulator, config, shared, worker, source, state } = self;
        let ahead_s = shared.state.clock().ahead_s();
        drop(worker);
        shared.state.into_store().unwrap().close().unwrap();
        Lost { emulator, config, source, state, ahead_s }
    }

    pub fn state_file(&self) -> PathBuf {
        self.state.path().join("state.db")
    }

    pub fn source(&self) -> &Path {
        self.source.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.source.path().join(path)
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// One file holds each path as its content, so that all differ.
    pub fn write_many(&self, paths: impl IntoIterator<Item = String>) {
        for path in paths {
            self.write(&path, format!("content of {path}"));
        }
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::create_dir_all(self.path(to).parent().unwrap()).unwrap();
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    pub fn remove_tree(&self, path: &str) {
        fs::remove_dir_all(self.path(path)).unwrap();
    }

    /// From now on the service is reached in another way.
    pub fn reach(&mut self, settings: impl FnOnce(ClientBuilder) -> ClientBuilder) {
        let pacer = self.shared.client.pacer().clone();
        self.shared.client = client_with(&self.emulator, pacer, settings);
    }

    /// How often an endpoint was asked.
    pub fn asked(&self, endpoint: &str) -> usize {
        self.emulator.calls_since(0).iter().filter(|call| *call == endpoint).count()
    }

    /// A cycle over everything.
    pub async fn cycle(&mut self) -> CycleEnd {
        self.worker.run(&self.shared, &Due { everything: true, paths: Vec::new() }).await
    }

    /// A cycle over some paths.
    pub async fn cycle_over(&mut self, paths: &[&str]) -> CycleEnd {
        let paths = paths.iter().map(|path| RelPath::parse(path.as_bytes()).unwrap()).collect();
        self.worker.run(&self.shared, &Due { everything: false, paths }).await
    }

    pub fn worker(&mut self) -> (&mut MirrorWorker, &Shared) {
        (&mut self.worker, &self.shared)
    }

    /// Runs a cycle and ends it the hard way at its `n`th request (from 0): when it was sent, or
    /// when the service has carried it out but has not answered. Whether it came that far.
    pub async fn kill_at(&mut self, n: usize, carried_out: bool) -> bool {
        let mark = self.stall_at(n, carried_out);
        let due = Due { everything: true, paths: Vec::new() };
        let reached = tokio::select! {
            _ = self.worker.run(&self.shared, &due) => false,
            () = request_is_there(&self.emulator, mark, carried_out) => true,
        };
        self.emulator.clear_faults();
        reached
    }

    /// The same for what is done between cycles.
    pub async fn kill_chores_at(&mut self, n: usize, carried_out: bool) -> bool {
        let mark = self.stall_at(n, carried_out);
        let all = async { while self.worker.chores(&self.shared).await.next == Duration::ZERO {} };
        let reached = tokio::select! {
            () = all => false,
            () = request_is_there(&self.emulator, mark, carried_out) => true,
        };
        self.emulator.clear_faults();
        reached
    }

    /// The `n`th request from now on gets no answer. Its number among all requests.
    fn stall_at(&self, n: usize, carried_out: bool) -> usize {
        let action = if carried_out {
            Action::Delay(Duration::from_secs(600))
        } else {
            Action::StallHeaders
        };
        self.emulator.inject(Fault::once("*", action).after(n));
        self.emulator.calls() + n
    }

    /// Runs a cycle; the `n`th request (from 0) is carried out, but neither its reply nor anything
    /// after it comes through. Whether it came that far.
    pub async fn cut_off_at(&mut self, n: usize) -> bool {
        let mark = self.emulator.calls() + n;
        self.emulator.inject(Fault::once("*", Action::DoItThenReset).after(n));
        self.emulator.inject(Fault::always("*", Action::Reset).after(n + 1));
        self.cycle().await;
        self.emulator.clear_faults();
        self.emulator.calls() > mark
    }

    /// Cycles until nothing is left to do. The last one's end.
    pub async fn settle(&mut self) -> CycleEnd {
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let end = self.cycle().await;
            if end.trouble.is_none()
                && !end.report.changed_something()
                && end.report.problems == 0
                && self.worker.dirty.is_empty()
                && end.report.uploads_pending == 0
                && !end.more
            {
                return end;
            }
            assert!(
                Instant::now() < deadline,
                "the mirror does not come to rest: {end:?} {:?}",
                self.problems()
            );
            self.worker.dirty.take_settled(Duration::ZERO, Duration::ZERO);
        }
    }

    /// What could not be mirrored, with the path.
    pub fn problems(&self) -> Vec<(String, String)> {
        let problems = self.shared.state.read(|s| s.problems(Some(self.worker.id))).unwrap();
        problems.into_iter().map(|problem| (problem.path.to_string(), problem.what)).collect()
    }

    /// The record of a file or link.
    pub fn record_of(&self, path: &str) -> Option<Entry> {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        let record = self.shared.state.read(|s| {
            let Some(folder) = s.folder_at(self.worker.id, &path.parent().unwrap())? else {
                return Ok(None);
            };
            s.entry(folder.key, path.name())
        });
        record.unwrap()
    }

    /// The calls of one cycle, by endpoint.
    pub async fn calls_of_cycle(&mut self) -> Vec<String> {
        let before = self.emulator.calls();
        let end = self.cycle().await;
        assert!(end.trouble.is_none(), "{:?}", end.trouble);
        self.emulator.calls_since(before)
    }

    /// How many requests a first cycle with the file `name` makes before the first to `endpoint`.
    pub async fn calls_to(mut self, endpoint: &str, name: &str) -> usize {
        self.write(name, "content");
        let calls = self.calls_of_cycle().await;
        calls.iter().position(|call| call == endpoint).unwrap()
    }

    /// What the target shows: paths below it with their contents. Panics on two files of one
    /// path.
    pub fn remote(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for (path, content) in self.visible() {
            assert!(found.insert(path.clone(), content).is_none(), "`{path}` is there twice");
        }
        found
    }

    /// The same, at a moment when two files of one path may be there.
    pub fn visible(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.emulator.files();
        let below = files.iter().filter_map(|file| Some((file.path.strip_prefix(TARGET)?, file)));
        below
            .filter(|(folder, _)| !folder.starts_with("/.fichierd"))
            .map(|(folder, file)| {
                let path = format!("{folder}/{}", file.name).trim_start_matches('/').to_owned();
                (path, self.emulator.content(&file.link).unwrap())
            })
            .collect()
    }

    /// Bytes that arrived at the service, without those of snapshots.
    pub fn sent_bytes(&self) -> u64 {
        let folder = format!("{TARGET}/.fichierd/state");
        let files = self.emulator.files().into_iter().filter(|file| file.path == folder);
        self.emulator.bytes_received() - files.map(|file| file.size).sum::<u64>()
    }

    /// What the versions hold, by name.
    pub fn versions(&self) -> Vec<(String, Vec<u8>)> {
        let versions = format!("{TARGET}/.fichierd/versions");
        let mut found: Vec<_> = self
            .emulator
            .files()
            .into_iter()
            .filter(|file| file.path.starts_with(&versions))
            .map(|file| (file.name.clone(), self.emulator.content(&file.link).unwrap()))
            .collect();
        found.sort();
        found
    }

    /// What the disk holds that the service can hold: paths, encoded as there, with contents.
    pub fn local(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        walk(self.source(), "", &mut found);
        found
    }

    /// The folders of the target, relative to it.
    pub fn remote_folders(&self) -> Vec<String> {
        let all = self.emulator.folders();
        let below = all.iter().filter_map(|path| path.strip_prefix(TARGET));
        below
            .filter(|path| !path.is_empty() && !path.starts_with("/.fichierd"))
            .map(|path| path.trim_start_matches('/').to_owned())
            .collect()
    }

    /// Remote equals disk, nothing lies in staging or outside of the target, no rule is broken.
    pub fn assert_mirrored(&self) {
        let (local, remote) = (self.local(), self.remote());
        let names = |map: &BTreeMap<String, Vec<u8>>| map.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&local), names(&remote));
        assert!(local == remote, "contents differ");
        let mut folders = self.remote_folders();
        folders.sort();
        assert!(folders.windows(2).all(|two| two[0] != two[1]), "one is there twice: {folders:?}");
        let staging = format!("{TARGET}/.fichierd/incoming");
        for file in self.emulator.files().iter().filter(|file| !file.anonymous) {
            assert!(!file.path.starts_with(&staging), "`{}` was left in staging", file.name);
            assert!(file.path.starts_with(TARGET), "`{}` lies in {}", file.name, file.path);
        }
        self.emulator.assert_no_violations();
    }
}

/// A client whose pacer remembers in a state folder.
pub fn client(emulator: &Emulator, state_dir: &Path) -> Client {
    let pace = PaceConfig { calls_per_second: 3.0, time_scale: TIME_SCALE };
    let pacer = Pacer::at(&state_dir.join("pace"), pace).unwrap();
    client_with(emulator, pacer, |client| client)
}

/// A client with other settings.
pub fn client_with(
    emulator: &Emulator,
    pacer: Pacer,
    settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Client {
    let builder = Client::builder(ApiKey::new(emulator.api_key()).unwrap(), pacer);
    let builder = match (emulator.ca_pem(), emulator.proxy_url()) {
        (Some(ca), Some(proxy)) => builder.extra_root_pem(ca.into()).proxy(&proxy),
        _ => builder.api_url(&emulator.api_url()),
    };
    settings(builder).build().unwrap()
}

/// As the process opens it; its clock is so many seconds ahead.
fn open(emulator: &Emulator, state_dir: &Path, ahead_s: i64) -> Shared {
    let client = client(emulator, state_dir);
    let mut store = Store::open(state_dir).unwrap();
    store.clock().set_ahead(ahead_s);
    store.write(|w| w.set_note("installation", Some("installation-1"))).unwrap();
    Shared {
        client,
        state: State::new(store),
        slots: Arc::new(Semaphore::new(2)),
        parallel_uploads: 2,
        stop: CancellationToken::new(),
        disks: Disks::default(),
        random: Random::default(),
    }
}

/// Returns when a request is on record, and carried out if that is asked for.
async fn request_is_there(emulator: &Emulator, number: usize, carried_out: bool) {
    loop {
        if emulator.requests().get(number).is_some_and(|r| !carried_out || r.status != 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn walk(folder: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    use std::os::unix::ffi::OsStrExt;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = fichier_api::names::RemoteName::encode(entry.file_name().as_bytes());
        let path = format!("{below}{}", name.as_str());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found);
        } else if kind.is_file() && entry.metadata().unwrap().len() > 0 {
            found.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}
