//! The way of one mirror to its target: looked at and claimed by the service at its start, believed
//! until the first call by a one-shot run, and moved where that was approved.

use fichier_state::Mirror;

use super::{MirrorWorker, Shared};
use crate::base::State;
use crate::mirror::error::MirrorError;
use crate::mirror::held::Held;
use crate::mirror::{forms, pairs};
use crate::remote::{Places, RemoteError, claims, retarget, target};

impl MirrorWorker {
    /// Whether the mirror waits for a decision, since it is configured differently than it is on
    /// record. Makes no call.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn undecided(&self, state: &State) -> Result<Option<Held>, MirrorError> {
        let row = self.row(state)?;
        let undecided = state.read(|s| match pairs::undecided(s, &self.config, &row)? {
            None => forms::undecided(s, &row, &self.form),
            refused => Ok(refused),
        });
        Ok(undecided.map_err(RemoteError::State)?.map(Held::Target))
    }

    /// Refuses to work while files are stored in another form than the one that is configured.
    pub(super) fn check_form(&self, state: &State) -> Result<(), MirrorError> {
        let row = self.row(state)?;
        match state.read(|s| forms::undecided(s, &row, &self.form))? {
            Some(refused) => Err(RemoteError::Target(refused).into()),
            // No cycle is to begin with a transaction that changes nothing.
            None if forms::is_recorded(&row, &self.form) => Ok(()),
            None => Ok(state.write(|w| forms::record(w, &row, &self.form))?),
        }
    }

    /// Lets the records follow a changed target, once that is approved; before that the mirror
    /// waits.
    pub(super) async fn follow_change(
        &mut self,
        shared: &Shared,
        row: Mirror,
    ) -> Result<Mirror, MirrorError> {
        let state = &shared.state;
        if let Some(refused) = state.read(|s| pairs::undecided(s, &self.config, &row))? {
            if row.target != self.config.target {
                state.write(|w| retarget::is_wanted(w, &row, &self.config.target))?;
            }
            return Err(RemoteError::Target(refused).into());
        }
        self.check_form(state)?;
        let row = self.row(state)?;
        if row.target == self.config.target {
            return Ok(row);
        }
        let row = {
            let to = &self.config.target;
            retarget::retarget(&shared.client, state, &row, &self.form, to).await?
        };
        // The target was claimed, and is looked at in its new place.
        self.has_claimed = true;
        self.places = None;
        Ok(row)
    }

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
            Some(places) => {
                target::enter(&shared.client, &shared.state, row, &self.form, places).await?
            }
            None => {
                let claims = !self.has_claimed;
                target::prepare(&shared.client, &shared.state, row, &self.form, claims).await?
            }
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
