//! A machine that is off: each of its parts can be replaced before it is started again.

use std::path::Path;
use std::sync::Arc;

use fichier_api::Client;
use fichier_emulator::Emulator;
use fichier_state::Store;
use fichierd::base::{Random, State};
use fichierd::config::MirrorConfig;
use fichierd::disk::Disks;
use fichierd::mirror::{MirrorWorker, Shared};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Bench, client};
use crate::crypt;

/// A machine that is lost or turned off. A test replaces the parts that are lost.
pub struct Lost {
    /// The service, which goes on.
    pub emulator: Emulator,
    /// The configuration.
    pub config: MirrorConfig,
    /// The watched folder.
    pub source: TempDir,
    /// The state folder.
    pub state: TempDir,
    /// How many seconds the clock of the machine is ahead.
    pub ahead_s: i64,
}

impl Lost {
    /// Another machine starts, or the same one, with these parts.
    pub fn start(self) -> Bench {
        let Lost { emulator, config, source, state, ahead_s } = self;
        let shared = open(&emulator, state.path(), ahead_s);
        let mut worker = MirrorWorker::open(config.clone(), &shared.state).unwrap();
        worker.form = crypt::form();
        Bench { emulator, config, shared, worker, source, state }
    }

    /// The state folder is gone, the watched folder is not.
    pub fn with_new_state(self) -> Lost {
        Lost { state: TempDir::new().unwrap(), ..self }
    }

    /// State folder and watched folder are gone; there is a new machine.
    pub fn with_new_disks(self) -> Lost {
        let source = TempDir::new().unwrap();
        let mut lost = self.with_new_state();
        lost.config.source = source.path().to_owned();
        Lost { source, ..lost }
    }

    /// A client as the machine has it.
    pub fn client(&self) -> Client {
        client(&self.emulator, self.state.path())
    }
}

/// The shared parts of the mirrors, opened as the process opens them.
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
