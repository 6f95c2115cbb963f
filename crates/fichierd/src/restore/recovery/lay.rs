//! Lays the newest sound snapshot into the state.

use fichier_api::RemoteFile;
use fichier_state::{Mirror, Writing};

use super::fetch::{Refused, Whole, fetch, judge_state, name_of};
use super::{RecoverError, Recovering, Source, Step, begun, files};
use crate::base::Form;
use crate::base::words::chain;
use crate::remote::{claims, ledger, trust};
use crate::upkeep::FoundSnapshot;
use crate::upkeep::snapshot::{self, CanaryFile};

impl Recovering<'_> {
    /// Tries one after the other, the newest first. `None` if none of them can be used.
    pub(super) async fn lay_newest(
        &mut self,
        unusable: &mut Vec<(String, String)>,
        say: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Option<Source>, RecoverError> {
        let form = &self.order.form;
        let listed = self.place.state.as_ref().map(|state| state.files.clone());
        let all: Vec<RemoteFile> = listed.unwrap_or_default();
        let mut newest_first: Vec<&RemoteFile> =
            all.iter().filter(|file| name_of(file, form).ends_with(".zst")).collect();
        // Their names begin with the time at which they were made.
        newest_first.sort_by_key(|file| std::cmp::Reverse(name_of(file, form)));
        let work = files::make_work(&self.order.state_dir)?;
        let mut put_off = None;
        for file in newest_first {
            say(Step::Reading(name_of(file, form), file.size_bytes));
            let laid = match fetch(self.client, file, &all, (&work, form)).await {
                Ok(whole) => self.lay(&whole, &all),
                Err(refused) => Err(refused),
            };
            let why = match laid {
                Ok(source) => return Ok(Some(source)),
                Err(Refused::Stop(error)) => return Err(error),
                Err(Refused::Unusable(why)) => why,
                Err(Refused::NotNow(error)) => {
                    let why = format!("it does not come: {}", chain(&error));
                    put_off.get_or_insert(error);
                    why
                }
            };
            say(Step::Unusable(name_of(file, form), why.clone()));
            unusable.push((name_of(file, form), why));
        }
        // A snapshot that may come later knows more than the folders.
        put_off.map_or(Ok(None), |error| Err(error.into()))
    }

    fn lay(&mut self, whole: &Whole, all: &[RemoteFile]) -> Result<Source, Refused> {
        if let Some(config) = &whole.facts.config {
            files::write_config(&self.order.state_dir, config).map_err(Refused::Stop)?;
        }
        let from = Source::Snapshot {
            name: whole.facts.name.clone(),
            made_s: whole.facts.made_s,
            program: whole.facts.program.clone(),
        };
        let Recovering { order, store, place, .. } = self;
        let done = tokio::task::block_in_place(|| {
            store.import(&whole.path, |w, mirror| {
                // The folder may have got another name at the service, or in the configuration.
                let source = order.source.clone().unwrap_or_else(|| mirror.source.clone());
                let name = order.name.clone().unwrap_or_else(|| mirror.name.clone());
                let target = order.target.clone();
                w.update_mirror(&Mirror { name, source, target, ..mirror.clone() })?;
                if w.installation()?.is_none()
                    && let Some(installation) = &whole.facts.installation
                {
                    w.set_installation(installation)?;
                }
                begun(&order.target).keep(w, &from)?;
                trust::hold_removals(w, mirror.id, true)?;
                claims::begin_anew(w, mirror.id)?;
                if let Some(own) = &place.own {
                    let state = place.state.as_ref().map(|state| state.id);
                    ledger::remember_folders(w, mirror.id, own.id, state)?;
                }
                adopt_snapshots(w, mirror, whole, (all, &order.form))
            })
        });
        match done {
            Ok(()) => Ok(from),
            Err(fichier_state::Error::AlreadyHere { mirror, target }) => {
                let state_dir = self.order.state_dir.clone();
                Err(Refused::Stop(RecoverError::Known { mirror, target, state_dir }))
            }
            Err(error) => Err(judge_state(error)),
        }
    }
}

/// Puts the snapshots that are there on record again: those that were read, and those that the
/// records knew under the same name, size and hash. Others are left alone (I2).
fn adopt_snapshots(
    w: &mut Writing<'_>,
    mirror: &Mirror,
    whole: &Whole,
    (all, form): (&[RemoteFile], &Form),
) -> Result<(), fichier_state::Error> {
    for row in w.snapshots(mirror.id)?.iter().filter(|row| row.url.is_none()) {
        let there = all.iter().find(|file| {
            name_of(file, form) == row.name
                && file.size_bytes == row.size_bytes
                && file.whirlpool == Some(row.whirlpool)
        });
        match there {
            Some(file) => w.confirm_snapshot(row.id, &file.url)?,
            None => w.forget_snapshots(&[row.id])?,
        }
    }
    let mut base = None;
    for (file, facts) in &whole.parts {
        if let Some(whirlpool) = file.whirlpool {
            let (name, url) = (facts.name.clone(), file.url.clone());
            let (made_s, size_bytes) = (facts.made_s, file.size_bytes);
            let found = FoundSnapshot { name, made_s, url, size_bytes, whirlpool };
            base = Some(snapshot::adopt(w, mirror.id, &found, base)?);
        }
    }
    let canary = CanaryFile::of(form);
    let is_it =
        |file: &&RemoteFile| file.name == canary.name && canary.is(file.size_bytes, file.whirlpool);
    if let Some(file) = all.iter().find(is_it) {
        ledger::canary(mirror.id).keep(w, &canary.at(&file.url))?;
    }
    Ok(())
}
