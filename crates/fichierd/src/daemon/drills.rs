//! The drills of a running service. They run beside the cycles, one at a time for each mirror.
//!
//! A drill only reads the state and downloads, so it needs no worker and delays no cycle.

use std::error::Error;
use std::time::Duration;

use fichier_state::{Proof, ProofKind};
use tokio::time::Instant;

use super::Daemon;
use crate::base::State;
use crate::base::words::{chain, duration};
use crate::config::MirrorConfig;
use crate::restore::drill::due_in;
use crate::restore::{Drill, Keyring, RestoreError};

/// How long a mirror waits for its next drill after one without a result.
const TRY_AGAIN: Duration = Duration::from_secs(3600);

/// A drill that has ended.
#[derive(Debug)]
pub(super) struct Drilled {
    mirror: String,
    /// The result; `None` if there was no file to restore.
    outcome: Result<Option<Proof>, RestoreError>,
}

/// What is known of a drill before it begins.
enum Prepared {
    NotDue,
    /// `None` if there is no file to restore.
    Due(Option<Box<Drill>>),
}

impl Daemon {
    /// Begins the drill of a mirror, if it is due.
    pub(super) fn begin_drill(&mut self, name: &str) {
        let Some(seat) = self.seats.get(name) else { return };
        let waits = seat.drill_not_before.is_some_and(|at| Instant::now() < at);
        if seat.is_drilling || waits {
            return;
        }
        let (config, state) = (seat.config.clone(), self.shared.state.clone());
        // The keys are those that the mirrors work with: no password is read again for it.
        let mut keyring = Keyring::default();
        for crypt in self.seats.values().filter_map(|seat| seat.form.crypt()) {
            keyring.add(crypt.keys());
        }
        let drill = match prepare(&keyring, &config, &state) {
            Ok(Prepared::NotDue) => return,
            Ok(Prepared::Due(drill)) => drill,
            Err(error) => {
                let text = chain(error.as_ref());
                tracing::warn!(mirror = name, "the drill of `{name}` cannot be prepared: {text}");
                return;
            }
        };
        if let Some(seat) = self.seats.get_mut(name) {
            seat.is_drilling = true;
        }
        let (client, folder) = (self.shared.client.clone(), self.config.state_dir.clone());
        let mirror = name.to_owned();
        let drill = drill.map(|drill| drill.paid(self.config.account.use_cdn));
        self.drills.spawn(async move {
            let outcome = match drill {
                Some(drill) => drill.run(client, &folder, state.now_s()).await.map(Some),
                None => Ok(None),
            };
            Drilled { mirror, outcome }
        });
    }

    /// Records the result of a drill.
    pub(super) fn on_drilled(&mut self, drilled: Drilled) {
        let Drilled { mirror: name, outcome } = drilled;
        let Some(seat) = self.seats.get_mut(&name) else { return };
        seat.is_drilling = false;
        let proof = match outcome {
            Ok(Some(proof)) => proof,
            Ok(None) => {
                seat.drill_not_before = Some(Instant::now() + TRY_AGAIN);
                return;
            }
            Err(error) => {
                seat.drill_not_before = Some(Instant::now() + TRY_AGAIN);
                let (text, again) = (chain(&error), duration(TRY_AGAIN));
                tracing::warn!(
                    mirror = %name,
                    "the drill of `{name}` came to no result; next try in {again}: {text}"
                );
                return;
            }
        };
        tracing::info!(mirror = %name, "drill of `{name}`: {}", proof.detail);
        let id = seat.id;
        if let Err(error) = self.shared.state.write(|w| w.put_proof(id, ProofKind::Drill, &proof)) {
            let text = chain(&error);
            tracing::warn!(mirror = %name, "the drill of `{name}` cannot be recorded: {text}");
        }
    }
}

fn prepare(
    keyring: &Keyring,
    mirror: &MirrorConfig,
    state: &State,
) -> Result<Prepared, Box<dyn Error>> {
    let row = state.read(|store| {
        let row = store.mirror_of(&mirror.name, &mirror.source, &mirror.target)?;
        let Some(row) = row else { return Ok(None) };
        let is_due = due_in(store, &row, mirror)? == Some(Duration::ZERO);
        Ok(is_due.then_some(row))
    })?;
    let Some(row) = row else { return Ok(Prepared::NotDue) };
    let drill = state.read(|store| Drill::prepare(store, &row, keyring, mirror.drill_bytes))?;
    Ok(Prepared::Due(drill.map(Box::new)))
}
