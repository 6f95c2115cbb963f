//! The end of the service: running work is brought to a safe point, and records that are in no
//! snapshot yet are written to one.

use std::time::{Duration, Instant};

use super::{Daemon, DaemonError};
use crate::daemon::systemd;
use crate::upkeep::snapshot;

/// How long an orderly stop may take; a transfer that takes longer is cut off, and the next start
/// asks the service for its outcome.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// The part of that time that is reserved for closing the state; no snapshot is begun in it.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

impl Daemon {
    /// Lets cycles come to a safe point, and closes the state.
    pub(super) async fn wind_down(mut self) -> Result<(), DaemonError> {
        systemd::stopping("finishing what is under way");
        tracing::info!("stopping");
        let deadline = tokio::time::Instant::now() + STOP_WITHIN;
        while !self.cycles.is_empty() {
            match tokio::time::timeout_at(deadline, self.cycles.join_next()).await {
                Ok(Some(ended)) => {
                    let (name, worker, end) = ended.map_err(DaemonError::Crashed)?;
                    self.on_end(&name, worker, end);
                }
                Ok(None) => break,
                Err(_) => {
                    // The intents of the transfer are on disk, and the next start goes on from
                    // them.
                    tracing::info!("a transfer was cut off; the next start finds out its outcome");
                    self.cycles.shutdown().await;
                }
            }
        }
        self.drills.shutdown().await;
        self.feeders.shutdown().await;
        self.write_snapshots(deadline.into_std() - CLOSE_WITHIN);
        let state = self.shared.state.clone();
        drop(self);
        if let Some(store) = state.into_store() {
            store.close()?;
        }
        tracing::info!("stopped");
        Ok(())
    }

    /// Writes a snapshot beside the state for each mirror with records that are in no snapshot at
    /// 1fichier, as far as there is time for it.
    fn write_snapshots(&self, deadline: Instant) {
        let rows = self.shared.state.read(|s| s.mirrors()).unwrap_or_default();
        for row in &rows {
            let seat = self.seats.values().find(|seat| seat.id == row.id);
            let Some(seat) = seat else { continue };
            let (state, client) = (&self.shared.state, &self.shared.client);
            tokio::task::block_in_place(|| {
                snapshot::write_at_stop(state, client, (row, &seat.form), deadline);
            });
        }
    }
}
