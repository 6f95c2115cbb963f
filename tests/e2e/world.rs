//! An emulated account, a configuration, folders to mirror, and the program between them.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fichier_emulator::{Builder, Emulator, Rules};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Ran, User, hand_over, program};
use crate::service::Service;
use crate::tree::{self, Tree};
use crate::witness;

/// Service time runs this much faster than the clock.
const TIME_SCALE: u32 = 1_000;
/// Whatever is waited for comes within this, or never.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until `look` finds something.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

pub struct World {
    pub emulator: Emulator,
    pub service: Option<Service>,
    pub user: User,
    /// What the next service finds in its environment.
    pub environment: Vec<(&'static str, String)>,
    time_scale: u32,
    dir: TempDir,
    mirrors: Vec<(String, String)>,
    printed: RefCell<String>,
}

impl World {
    /// One mirror, `photos`, with short waiting times.
    pub fn new() -> World {
        World::with(|emulator| emulator)
    }

    /// The same with another emulator.
    pub fn with(change: impl FnOnce(Builder) -> Builder) -> World {
        World::build(TIME_SCALE, change)
    }

    /// The same with another clock.
    pub fn at_scale(time_scale: u32) -> World {
        World::build(time_scale, |emulator| emulator)
    }

    fn build(time_scale: u32, change: impl FnOnce(Builder) -> Builder) -> World {
        let builder = change(Emulator::builder().rules(Rules::scaled(time_scale)));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let emulator = runtime.block_on(builder.start()).unwrap();
        let dir = TempDir::new().unwrap();
        let world = World {
            emulator,
            service: None,
            user: User::Ours,
            environment: Vec::new(),
            time_scale,
            dir,
            mirrors: Vec::new(),
            printed: RefCell::default(),
        };
        world.write_key(world.emulator.api_key(), 0o600);
        world.with_mirror("photos", "")
    }

    /// One more mirror; `settings` are lines of its block.
    pub fn with_mirror(mut self, name: &str, settings: &str) -> World {
        self.add_mirror(name, settings);
        self
    }

    pub fn add_mirror(&mut self, name: &str, settings: &str) {
        fs::create_dir_all(self.source(name)).unwrap();
        self.mirrors.retain(|(there, _)| there != name);
        self.mirrors.push((name.to_owned(), settings.to_owned()));
        fs::write(self.config(), self.config_text()).unwrap();
    }

    fn config_text(&self) -> String {
        let root = self.dir.path().display();
        let mut text = format!(
            "state_dir = \"{root}/state\"\n\
             control_socket = \"{root}/control.sock\"\n\
             [account]\n\
             api_key_file = \"{root}/api_key\"\n\
             api_url = \"{}\"\n\
             [pace]\n\
             calls_per_second = 2\n\
             time_scale = {}\n",
            self.emulator.api_url(),
            self.time_scale
        );
        for (name, settings) in &self.mirrors {
            write!(text, "[[mirror]]\nname = \"{name}\"\nsource = \"{root}/{name}\"\n").unwrap();
            let defaults = [
                ("target", format!("\"{}\"", target(name))),
                ("settle", "\"100ms\"".to_owned()),
                ("settle_at_most", "\"2s\"".to_owned()),
            ];
            for (key, value) in defaults {
                if !settings.contains(&format!("{key} =")) {
                    writeln!(text, "{key} = {value}").unwrap();
                }
            }
            writeln!(text, "{settings}").unwrap();
        }
        text
    }

    pub fn write_key(&self, key: &str, mode: u32) {
        let path = self.path("api_key");
        fs::write(&path, format!("{key}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A path in the world's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// The folder that a mirror watches.
    pub fn source(&self, mirror: &str) -> PathBuf {
        self.path(mirror)
    }

    /// Gives everything to the user who runs the program.
    pub fn hand_over(&self) {
        fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        hand_over(self.dir.path(), self.user);
    }

    /// Starts the service, which may end before it answers anybody.
    pub fn launch(&mut self) {
        let program = self.program();
        self.launch_with(program);
    }

    fn launch_with(&mut self, program: Command) {
        let log = self.path("service.log");
        self.service = Some(Service::start(program, &self.config(), &log));
    }

    fn program(&self) -> Command {
        let mut program = program(self.user);
        program.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        program
    }

    pub fn start(&mut self) {
        let program = self.program();
        self.start_with(program);
    }

    /// The same with an environment or limits of its own: `program` runs the program in the end.
    pub fn start_with(&mut self, program: Command) {
        self.launch_with(program);
        until("the service answers", || {
            let running = self.service.as_mut().is_some_and(Service::is_running);
            assert!(running, "the service ended:\n{}", self.log());
            self.status().filter(|status| status["running"] == true)
        });
    }

    /// For a start that comes to nothing: the exit code.
    pub fn start_that_ends(&self) -> Option<i32> {
        let log = self.path("service.log");
        Service::start(program(self.user), &self.config(), &log).ended()
    }

    pub fn service(&self) -> &Service {
        self.service.as_ref().expect("the service was started")
    }

    pub fn take_service(&mut self) -> Service {
        self.service.take().expect("the service was started")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("service.log")).unwrap_or_default()
    }

    /// Runs a command with the world's configuration.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&self.config(), arguments)
    }

    /// The same with another configuration.
    pub fn run_with(&self, config: &Path, arguments: &[&str]) -> Ran {
        let mut command = program(self.user);
        command.arg("--config").arg(config).args(arguments);
        let ran = Ran::of(&command.output().unwrap());
        *self.printed.borrow_mut() += &format!("{}{}", ran.stdout, ran.stderr);
        ran
    }

    /// `status --json`, if it can be had.
    pub fn status(&self) -> Option<Value> {
        let ran = self.run(&["status", "--json"]);
        let status = (ran.code == 0).then(|| serde_json::from_str(&ran.stdout));
        status.map(|parsed| parsed.expect("status --json prints JSON"))
    }

    /// One mirror in the status.
    pub fn mirror(&self, name: &str) -> Value {
        let status = self.status().expect("a status");
        let mirrors = status["mirrors"].as_array().expect("mirrors").iter();
        let mut found = mirrors.filter(|mirror| mirror["name"] == name);
        found.next().unwrap_or_else(|| panic!("no mirror `{name}` in {status}")).clone()
    }

    /// Waits until the account shows what is on disk.
    #[track_caller]
    pub fn until_mirrored(&self, name: &str) {
        let mut left = (Vec::new(), Vec::new());
        let mirrored = self.waits(|| {
            left = (self.differences(name), tree::staged(&self.emulator));
            (left.0.is_empty() && left.1.is_empty()).then_some(())
        });
        let (differences, staged) = left;
        let what = format!("{differences:#?}, in staging: {staged:#?}");
        assert!(mirrored.is_some(), "`{name}` is not mirrored: {what}");
    }

    /// Waits for something that may take long, as long as the service does anything for it.
    #[track_caller]
    pub fn until_done<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.waits(look).unwrap_or_else(|| panic!("it never came to this: {what}"))
    }

    fn waits<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let began = Instant::now();
        let (mut done, mut alive) = ((0, 0), began);
        while alive.elapsed() < PATIENCE && began.elapsed() < PATIENCE * 20 {
            let looking = Instant::now();
            if let Some(found) = look() {
                return Some(found);
            }
            // A look at thousands of files must not take the processor from what is tested.
            std::thread::sleep(LOOK_AGAIN.max(looking.elapsed() * 3));
            let now = (self.emulator.calls(), self.emulator.bytes_received());
            if now != done {
                (done, alive) = (now, Instant::now());
            }
        }
        None
    }

    /// Where disk and account differ, for people.
    pub fn differences(&self, name: &str) -> Vec<String> {
        let local = tree::on_disk(&self.source(name));
        let remote = tree::in_account(&self.emulator, &target(name));
        let mut differences = Vec::new();
        let only = |a: &Tree, b: &Tree, what: &str, into: &mut Vec<String>| {
            let missing = a.keys().filter(|path| !b.contains_key(*path));
            into.extend(missing.map(|path| format!("{what} {path:?}")));
        };
        only(&local, &remote, "missing", &mut differences);
        only(&remote, &local, "too many", &mut differences);
        let both =
            local.iter().filter(|(path, bytes)| remote.get(*path).is_some_and(|r| r != *bytes));
        differences.extend(both.map(|(path, _)| format!("different {path:?}")));
        differences
    }

    /// Everything is mirrored, nothing is left over anywhere, and looking at it again is free.
    #[track_caller]
    pub fn assert_at_rest(&self) {
        self.run(&["sync"]).expect(0);
        for (name, _) in &self.mirrors {
            self.until_chores_done(name);
        }
        let before = self.emulator.calls();
        self.run(&["sync"]).expect(0);
        let calls = self.emulator.calls_since(before);
        if self.service.is_none() {
            assert!(World::is_start(&calls), "{calls:?}");
        } else {
            // After many starts what is left of them is being tidied up.
            assert!(World::is_tidying(&calls), "{calls:?}");
        }
        self.assert_mirrored();
    }

    /// Whether these are the calls of a process that finds nothing to do: it looks once where it
    /// stands, and claims the target; some of many tidy up what is left of that.
    pub fn is_start(calls: &[String]) -> bool {
        let start = ["folder/ls.cgi", "folder/ls.cgi", "folder/mkdir.cgi"].map(str::to_owned);
        calls.strip_prefix(&start).is_some_and(World::is_tidying)
    }

    fn is_tidying(calls: &[String]) -> bool {
        calls.chunks(2).all(|calls| calls == ["folder/ls.cgi", "folder/rm.cgi"])
    }

    /// Waits until the service has done what it does after a first mirror: a copy of the records
    /// is in its place, and the canary was fetched.
    #[track_caller]
    pub fn until_chores_done(&self, name: &str) {
        let folder = format!("{}/.fichierd/state", target(name));
        self.until_done("the records are there too, and the canary came", || {
            let is_there = tree::snapshots(&self.emulator).iter().any(|f| f.path == folder);
            (is_there && !self.mirror(name)["proofs"]["canary"].is_null()).then_some(())
        });
    }

    /// Everything is mirrored, and nothing is left over anywhere.
    #[track_caller]
    pub fn assert_mirrored(&self) {
        for (name, _) in &self.mirrors {
            assert_eq!(self.differences(name), Vec::<String>::new(), "in `{name}`");
        }
        assert_eq!(tree::staged(&self.emulator), Vec::<String>::new(), "left in staging");
        let strays = self.emulator.files().into_iter().filter(|file| {
            !self.mirrors.iter().any(|(name, _)| file.path.starts_with(&target(name)))
        });
        assert_eq!(strays.map(|file| file.name).collect::<Vec<_>>(), Vec::<String>::new());
        self.emulator.assert_no_violations();
    }

    /// What commands and service have printed must not contain a secret (invariant I10).
    fn assert_no_secret_was_printed(&self) {
        let all = [self.log(), self.printed.borrow().clone()].concat();
        assert!(!all.contains(self.emulator.api_key()), "the API key was printed");
        let ids = self.emulator.files().into_iter().map(|file| file.link);
        for link in ids {
            let id = link.rsplit('?').next().expect("a link has an id").to_owned();
            assert!(!all.contains(&id), "a file link was printed");
        }
    }

    /// Where disk and account are the same, rclone says so too, if there is one.
    fn assert_rclone_agrees(&self) {
        let Some(rclone) = witness::rclone() else { return };
        for (name, _) in &self.mirrors {
            match self.differences(name).first() {
                Some(difference) => {
                    let short: String = difference.chars().take(60).collect();
                    witness::let_go(name, &format!("not at rest: {short}"));
                }
                None => witness::assert_agrees(&rclone, &self.emulator, name, &self.source(name)),
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.service = None;
        if std::thread::panicking() {
            let log = self.log();
            let skip = log.len().saturating_sub(8_000);
            let tail = log.get(skip..).unwrap_or(&log);
            eprintln!("--- the service's log:\n{tail}\n--- violations:");
            eprintln!("{:#?}", self.emulator.violations());
        } else {
            self.assert_no_secret_was_printed();
            self.assert_rclone_agrees();
        }
    }
}

/// The remote folder of a mirror.
pub fn target(mirror: &str) -> String {
    format!("/backup/{mirror}")
}

/// Writes a file and its folders.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
