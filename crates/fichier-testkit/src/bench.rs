//! A folder, an emulated 1fichier and one mirror between them, driven cycle by cycle.
//!
//! There is no watcher and no schedule: each test says when a cycle runs and what it looks at, so
//! that the calls it makes are the same every time. The service's limits are in force, on a clock
//! that is [`TIME_SCALE`] times as fast.

mod account;
mod client;
mod cycle;
mod disk;
mod lost;
mod restoring;
mod upkeep;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fichier_emulator::{Emulator, Rules};
use fichierd::config::{Keep, MaxRemovals, MirrorConfig};
use fichierd::mirror::{MirrorWorker, Shared};
use tempfile::TempDir;

pub use client::{Way, client, client_by};
pub use lost::Lost;
pub use restoring::OPTIONS;

/// How many seconds of the service's time pass in one second.
pub const TIME_SCALE: u32 = 2_000;

/// The remote folder of the mirror.
pub const TARGET: &str = "/backup/photos";

/// One mirror, its disk and its service.
pub struct Bench {
    /// The service.
    pub emulator: Emulator,
    /// The configuration of the mirror, for the next start too.
    pub config: MirrorConfig,
    /// The parts that the mirrors of a process share: the client, the state, the slots.
    pub shared: Shared,
    /// The mirror.
    pub worker: MirrorWorker,
    source: TempDir,
    state: TempDir,
}

impl Bench {
    /// A mirror of an empty folder; all versions are kept, and removals are not held.
    pub async fn new() -> Bench {
        Bench::with(|_| {}, |_| {}).await
    }

    /// A mirror with other rules of the service, or another configuration.
    pub async fn with(
        rules: impl FnOnce(&mut Rules),
        configure: impl FnOnce(&mut MirrorConfig),
    ) -> Bench {
        let mut set = Rules::scaled(TIME_SCALE);
        rules(&mut set);
        Bench::before(Emulator::builder().rules(set).start().await.unwrap(), configure)
    }

    /// A mirror whose service is reached by its own names, with TLS, through a proxy.
    pub async fn over_tls() -> Bench {
        let builder = Emulator::builder().rules(Rules::scaled(TIME_SCALE)).tls(true);
        Bench::before(builder.start().await.unwrap(), |_| {})
    }

    /// A mirror before this service.
    fn before(emulator: Emulator, configure: impl FnOnce(&mut MirrorConfig)) -> Bench {
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
        Lost { emulator, config, source, state, ahead_s: 0 }.start()
    }

    /// The process ends and starts again, with the same state file.
    pub fn restart(self) -> Bench {
        self.restart_with(|_| {})
    }

    /// The process ends and starts again with a changed configuration.
    pub fn restart_with(self, configure: impl FnOnce(&mut MirrorConfig)) -> Bench {
        let mut lost = self.lose_machine();
        configure(&mut lost.config);
        lost.start()
    }

    /// The process ends, its state folder is copied, and it starts again.
    pub fn save_state(self) -> (Bench, TempDir) {
        let lost = self.lose_machine();
        let saved = TempDir::new().unwrap();
        for entry in std::fs::read_dir(lost.state.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), saved.path().join(entry.file_name())).unwrap();
            }
        }
        (lost.start(), saved)
    }

    /// The process dies, the state folder is replaced by a copy, and it starts again.
    pub fn put_back_state(self, saved: TempDir) -> Bench {
        let lost = self.die();
        // The copy does not remember the calls that were made since, and to put a machine back
        // takes longer than the service's rules reach.
        lost.emulator.forget_calls();
        Lost { state: saved, ..lost }.start()
    }

    /// The process dies without closing its state, and starts again.
    pub fn die_and_start(self) -> Bench {
        self.die().start()
    }

    /// The process dies, the state folder is lost, and it starts again without one.
    pub fn lose_state(self) -> Bench {
        self.die().with_new_state().start()
    }

    /// The machine is turned off, and its process ended as it should.
    pub fn lose_machine(self) -> Lost {
        let Bench { emulator, config, shared, worker, source, state } = self;
        let ahead_s = shared.state.clock().ahead_s();
        drop(worker);
        shared.state.into_store().unwrap().close().unwrap();
        Lost { emulator, config, source, state, ahead_s }
    }

    /// The process ends without closing its state.
    fn die(self) -> Lost {
        let Bench { emulator, config, shared, worker, source, state } = self;
        let ahead_s = shared.state.clock().ahead_s();
        drop((worker, shared));
        Lost { emulator, config, source, state, ahead_s }
    }

    /// The database of the state.
    pub fn state_file(&self) -> PathBuf {
        self.state.path().join("state.db")
    }

    /// The watched folder.
    pub fn source(&self) -> &Path {
        self.source.path()
    }

    /// The mirror and the shared parts, for calls that need both.
    pub fn worker(&mut self) -> (&mut MirrorWorker, &Shared) {
        (&mut self.worker, &self.shared)
    }
}
