//! The way of one mirror to its target: looked at and claimed by the service at its start, and
//! believed until the first call by a one-shot run.

use fichier_state::Mirror;

use super::{MirrorWorker, Shared};
use crate::base::State;
use crate::config::MirrorConfig;
use crate::mirror::error::MirrorError;
use crate::remote::{Places, claims, looked, target};

/// Finds or makes the row of a mirror. Returns whether it was made.
pub(super) fn row_of(
    config: &MirrorConfig,
    state: &State,
) -> Result<(Mirror, bool), fichier_state::Error> {
    let row = state.read(|s| s.mirror(&config.name, &config.target))?;
    let is_new = row.is_none();
    let row = match row {
        Some(row) if row.source == config.source => row,
        Some(row) => {
            // The mirror has another source now. It is compared anew, and files that are there
            // already are not sent (C06).
            let row = Mirror { source: config.source.clone(), identity: None, ..row };
            state.write(|w| {
                looked::begin(w, row.id)?;
                w.update_mirror(&row)
            })?;
            row
        }
        None => state.write(|w| w.add_mirror(&config.name, &config.source, &config.target))?,
    };
    Ok((row, is_new))
}

impl MirrorWorker {
    /// The target, looked at and claimed if this process has not done that yet.
    pub(super) async fn places(
        &mut self,
        shared: &Shared,
        row: &Mirror,
    ) -> Result<Places, MirrorError> {
        // A new key may be that of another account (C02, D06).
        let key = shared.client.key_digest();
        if let Some(places) = self.places.filter(|_| self.prepared_with == key) {
            return Ok(places);
        }
        let places = match self.believed(shared, row)? {
            Some(places) => target::enter(&shared.client, &shared.state, row, places).await?,
            None => target::prepare(&shared.client, &shared.state, row, !self.has_claimed).await?,
        };
        self.has_entered(shared, places);
        Ok(places)
    }

    pub(super) fn has_entered(&mut self, shared: &Shared, places: Places) {
        self.has_claimed = true;
        shared.client.key_digest().clone_into(&mut self.prepared_with);
        self.places = Some(places);
    }

    /// The target as it is on record, if it may be believed until the first call.
    pub(super) fn believed(
        &self,
        shared: &Shared,
        row: &Mirror,
    ) -> Result<Option<Places>, MirrorError> {
        if !self.is_one_shot || self.has_claimed {
            return Ok(None);
        }
        Ok(target::believed(&shared.client, &shared.state, row)?)
    }

    /// After an error that says so, the target is looked at before anything else is done there, by
    /// the next process too.
    pub(super) fn doubt_target(&mut self, shared: &Shared, error: &MirrorError) {
        if !error.doubts_the_target() {
            return;
        }
        self.places = None;
        let doubted = shared.state.write(|w| claims::staging_is_doubted(w, self.id));
        if let Err(error) = doubted {
            tracing::debug!("could not record that the target is in doubt: {error}");
        }
    }
}
