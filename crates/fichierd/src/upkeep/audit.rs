//! Compares each remote folder with its records, by one listing each within `audit`, and puts right
//! what somebody else, or the service, has changed there (X01 to X08).
//!
//! Listings are spread over the period: with a thousand folders and a week, one is due every ten
//! minutes. A single listing is never believed (I11): a file or folder that it does not show as
//! recorded is looked at again minutes later, and then the service is asked about that very file or
//! folder. Nothing is removed because of a listing; a missing file is sent again, and a file that
//! was moved elsewhere is put back.
//!
//! `compare` finds the differences, and is pure; `heal` puts them right; `round` keeps the counts.

use std::collections::HashMap;
use std::time::Duration;

use fichier_api::FolderListing;
use fichier_state::{Folder, FolderKey, Mirror, MirrorId, Proof, ProofKind, RelPath, Store};

use crate::config::MirrorConfig;
use crate::remote::error::is_gone;
use crate::remote::{Habits, Remote, RemoteError};
use crate::upkeep::Situation;

mod compare;
mod heal;
mod round;

use compare::{Compared, compare};
use round::Round;

/// Folders that one run compares, at most; then changes on disk get their turn.
const MAX_FOLDERS: usize = 20;

/// The least time between the first look at a difference and the second: listings lag behind by up
/// to two minutes (docs/api-notes.md, G.1 row 16).
const SECOND_LOOK_S: i64 = 5 * 60;

/// How many times faster folders are compared while some are overdue, such as after the machine was
/// off.
const CATCH_UP: i64 = 4;

/// How far the audit of a mirror is, for `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditHealth {
    /// Remote folders that are compared.
    pub folders: u64,
    /// How many of them have been compared in the present round.
    pub compared: u64,
    /// When the present round began; Unix seconds.
    pub begun_s: Option<i64>,
    /// Some folder has waited for twice the time that is configured.
    pub is_behind: bool,
    /// The last round that found everything as recorded.
    pub last_good: Option<Proof>,
}

/// Tells how far the audit of a mirror is.
///
/// # Errors
///
/// The state file's.
pub fn health(
    store: &Store,
    mirror: &Mirror,
    config: &MirrorConfig,
    now_s: i64,
) -> Result<AuditHealth, fichier_state::Error> {
    let round = Round::on_record(store, mirror.id)?;
    let (oldest_s, folders) = store.oldest_audit(mirror.id)?.unwrap_or((now_s, 0));
    let compared = match &round {
        Some(round) => store.audited_since(mirror.id, round.begun_s + 1)?,
        None => 0,
    };
    let proofs = store.proofs(mirror.id, ProofKind::Audit)?;
    let late_s = config.audit.map_or(i64::MAX, |period| seconds(period).saturating_mul(2));
    let begun_s = round.as_ref().map(|round| round.begun_s);
    let since_s = begun_s.map_or(oldest_s, |begun_s| oldest_s.max(begun_s - late_s / 2));
    Ok(AuditHealth {
        folders,
        compared,
        begun_s,
        is_behind: now_s.saturating_sub(since_s) > late_s,
        last_good: proofs.into_iter().find(|proof| proof.good),
    })
}

/// How long until a folder is to be compared.
pub(crate) fn due_in(at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
    let Some(period) = at.config.audit else { return Ok(None) };
    let now_s = at.state.now_s();
    let (missed, round, oldest) = at.state.read(|s| {
        Ok((
            s.first_missed(at.mirror.id)?,
            Round::on_record(s, at.mirror.id)?,
            s.oldest_audit(at.mirror.id)?,
        ))
    })?;
    let Some((oldest_s, folders)) = oldest else { return Ok(None) };
    // The run corrects a time of a missed file that was noted while the clock was ahead.
    let again_s = match missed {
        Some(at_s) if at_s > now_s => now_s,
        Some(at_s) => at_s + SECOND_LOOK_S,
        None => i64::MAX,
    };
    let next_s = match round {
        Some(round) if round.paced_s <= now_s => {
            round.paced_s + step_s(period, folders, oldest_s, now_s)
        }
        Some(_) | None => now_s,
    };
    let wait_s = again_s.min(next_s) - now_s;
    Ok(Some(Duration::from_secs(u64::try_from(wait_s).unwrap_or(0))))
}

/// The listings that are due.
pub(crate) fn calls_expected(at: Situation<'_>) -> Result<u64, RemoteError> {
    let Some(period) = at.config.audit else { return Ok(0) };
    let now_s = at.state.now_s();
    at.state
        .read(|s| {
            let again = s.missed_before(at.mirror.id, now_s - SECOND_LOOK_S + 1)?.len();
            let oldest = s.oldest_audit(at.mirror.id)?;
            let (Some(round), Some((oldest_s, folders))) =
                (Round::on_record(s, at.mirror.id)?, oldest)
            else {
                return Ok(again as u64);
            };
            let step_s = step_s(period, folders, oldest_s, now_s);
            let paced_s = round.paced_s.min(now_s);
            let due = usize::try_from((now_s - paced_s) / step_s).unwrap_or(0);
            let room = due.min(MAX_FOLDERS.saturating_sub(again));
            let due = s.audits_due(at.mirror.id, now_s - step_s + 1, room)?.len();
            Ok((again + due) as u64)
        })
        .map_err(RemoteError::State)
}

impl Remote {
    /// Compares the folders that are due, at most [`MAX_FOLDERS`] of them.
    pub(crate) async fn audit(&self, at: Situation<'_>) -> Result<(), RemoteError> {
        let Some(period) = at.config.audit else { return Ok(()) };
        let now_s = self.state.now_s();
        self.state.write(|w| w.correct_missed_times())?;
        let mut round = self.round(at.mirror.id, now_s)?;
        let again = self.state.read(|s| s.missed_before(self.mirror, now_s - SECOND_LOOK_S + 1))?;
        let mut looked_at = 0;
        for folder in again.iter().take(MAX_FOLDERS) {
            if looked_at > 0 && self.gives_way() {
                return Ok(());
            }
            self.audit_folder(*folder, &mut round).await?;
            self.keep(&round)?;
            looked_at += 1;
        }
        let oldest = self.state.read(|s| s.oldest_audit(self.mirror))?;
        let Some((oldest_s, folders)) = oldest else { return Ok(()) };
        let step_s = step_s(period, folders, oldest_s, now_s);
        let due = usize::try_from((now_s - round.paced_s) / step_s).unwrap_or(0);
        let room = due.min(MAX_FOLDERS - looked_at);
        let due = self.state.read(|s| s.audits_due(self.mirror, now_s - step_s + 1, room))?;
        let is_all = due.len() < room;
        for folder in due.iter().filter(|folder| !again.contains(folder)) {
            if looked_at > 0 && self.gives_way() {
                break;
            }
            let most_behind_s = now_s - step_s.saturating_mul(MAX_FOLDERS as i64);
            round.paced_s = (round.paced_s + step_s).clamp(most_behind_s, now_s);
            self.audit_folder(*folder, &mut round).await?;
            self.keep(&round)?;
            looked_at += 1;
        }
        if is_all {
            // The others were compared just now.
            round.paced_s = now_s;
        }
        self.end_round(at.config, round)
    }

    /// The round under way, or a first one.
    fn round(&self, mirror: MirrorId, now_s: i64) -> Result<Round, RemoteError> {
        Ok(match self.state.read(|s| Round::on_record(s, mirror))? {
            Some(round) if round.paced_s <= now_s => round,
            // The clock was set back.
            Some(round) => Round { begun_s: round.begun_s.min(now_s), paced_s: now_s, ..round },
            None => Round { begun_s: now_s, paced_s: now_s, ..Round::default() },
        })
    }

    fn keep(&self, round: &Round) -> Result<(), RemoteError> {
        Ok(self.state.write(|w| round.keep(w, self.mirror))?)
    }

    /// A round ends when every folder has been compared since it began, and nothing is in doubt.
    fn end_round(&self, config: &MirrorConfig, round: Round) -> Result<(), RemoteError> {
        let (oldest, missed) = self
            .state
            .read(|s| Ok((s.oldest_audit(self.mirror)?, s.first_missed(self.mirror)?)))?;
        let is_whole = oldest.is_some_and(|(oldest_s, _)| oldest_s > round.begun_s);
        if !is_whole || missed.is_some() || round.folders == 0 {
            return self.keep(&round);
        }
        let now_s = self.state.now_s();
        let proof = round.proof(now_s);
        let name = &config.name;
        tracing::info!(mirror = %name, "`{name}`: {}", proof.detail);
        let next = Round { begun_s: now_s, paced_s: round.paced_s, ..Round::default() };
        Ok(self.state.write(|w| {
            w.put_proof(self.mirror, ProofKind::Audit, &proof)?;
            w.drop_old_losses(self.mirror)?;
            next.keep(w, self.mirror)
        })?)
    }

    async fn audit_folder(&self, key: FolderKey, round: &mut Round) -> Result<(), RemoteError> {
        let folder = self.state.read(|s| s.folder(key))?;
        let Some((folder, spot)) = folder.and_then(|f| f.remote.map(|spot| (f, spot))) else {
            return Ok(self.state.write(|w| w.clear_missed(key))?);
        };
        let path = self.state.read(|s| s.path_of(key))?;
        match self.client.list_folder(spot.id).await {
            Ok(listing) if listing.complete => {
                self.audit_listing(&folder, &path, &listing, round).await
            }
            Ok(_) => {
                round.unreadable += 1;
                tracing::info!(path = %path, "1fichier does not list all of `{path}`, which is \
                    not compared: it holds too many files, or the listing was cut");
                let now_s = self.state.now_s();
                Ok(self.state.write(|w| {
                    w.clear_missed(key)?;
                    w.set_audited(key, now_s)
                })?)
            }
            // If the target itself is gone, `target` looks into it, and the mirror waits for a
            // decision (X05).
            Err(error) if is_gone(&error) && !path.is_root() => {
                self.folder_is_missed(&folder, &path, round)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A folder that is gone at two looks is made again, with all that was in it (X04).
    fn folder_is_missed(
        &self,
        folder: &Folder,
        path: &RelPath,
        round: &mut Round,
    ) -> Result<(), RemoteError> {
        let now_s = self.state.now_s();
        // The folders below it are gone as well: asking for many of them leads to a ban.
        round.paced_s = now_s;
        let is_second = self.is_second_look(folder.key, b"")?;
        if is_second {
            return self.folder_is_lost(folder, path, round);
        }
        Ok(self.state.write(|w| {
            w.set_audited(folder.key, now_s)?;
            w.note_missed(folder.key, b"", now_s)
        })?)
    }

    fn folder_is_lost(
        &self,
        folder: &Folder,
        path: &RelPath,
        round: &mut Round,
    ) -> Result<(), RemoteError> {
        self.state.write(|w| {
            w.clear_missed(folder.key)?;
            w.forget_remote_below(folder.key)
        })?;
        tracing::warn!(path = %path, "folder `{path}` was removed on 1fichier by somebody else; it \
            is made again, and its files are sent again");
        round.lost_folders += 1;
        self.dirty.mark(path.clone());
        Ok(())
    }

    async fn audit_listing(
        &self,
        folder: &Folder,
        path: &RelPath,
        listing: &FolderListing,
        round: &mut Round,
    ) -> Result<(), RemoteError> {
        let now_s = self.state.now_s();
        let is_first = self.is_first_look(folder.key, round)?;
        let (entries, children, known) = self.state.read(|s| {
            let known = s.known_urls(listing.files.iter().map(|file| &file.url))?;
            Ok((s.entries(folder.key)?, s.subfolders(folder.key)?, known))
        })?;
        let fresh_s = self.state.read(|s| Habits::read(s))?.listed_within_s(compare::FRESH_S);
        let found = compare(&entries, &children, listing, &known, now_s, fresh_s);
        self.state.write(|w| {
            w.set_foreign(folder.key, &found.foreign)?;
            found.confirmed.iter().try_for_each(|entry| w.put_entry(entry))
        })?;
        let since = self.state.read(|s| {
            let since = found.odd_names().map(|name| {
                Ok((name.to_vec(), s.missed_since(folder.key, name)?.unwrap_or(now_s)))
            });
            since.collect::<Result<HashMap<Vec<u8>, i64>, fichier_state::Error>>()
        })?;
        let is_second = |since_s: &i64| now_s - since_s >= SECOND_LOOK_S;
        let sure = found.only(|name| since.get(name).is_some_and(is_second));
        self.heal(folder, path, &sure, round).await?;
        if is_first {
            round.folders += 1;
            round.files += found.files;
            round.bytes += found.bytes;
        }
        Ok(self.state.write(|w| {
            w.clear_missed(folder.key)?;
            for (name, since_s) in since.iter().filter(|(_, since_s)| !is_second(since_s)) {
                w.note_missed(folder.key, name, *since_s)?;
            }
            w.set_audited(folder.key, now_s)
        })?)
    }

    /// Whether the folder has not been compared in this round: a second look at what is missed in
    /// it counts no folder and no file again. A folder that was itself missed was not compared.
    fn is_first_look(&self, folder: FolderKey, round: &Round) -> Result<bool, RemoteError> {
        let (audited_s, missed_s) =
            self.state.read(|s| Ok((s.audited_at(folder)?, s.missed_since(folder, b"")?)))?;
        Ok(missed_s.is_some() || audited_s.is_none_or(|at_s| at_s <= round.begun_s))
    }

    fn is_second_look(&self, folder: FolderKey, name: &[u8]) -> Result<bool, RemoteError> {
        let since_s = self.state.read(|s| s.missed_since(folder, name))?;
        Ok(since_s.is_some_and(|since_s| self.state.now_s() - since_s >= SECOND_LOOK_S))
    }
}

/// Seconds between two listings.
fn step_s(period: Duration, folders: u64, oldest_s: i64, now_s: i64) -> i64 {
    let period_s = seconds(period);
    let step_s = period_s / i64::try_from(folders.max(1)).unwrap_or(i64::MAX);
    // Normally the oldest folder is due just when the period ends.
    let is_overdue = oldest_s < now_s.saturating_sub(period_s + period_s / 4);
    (if is_overdue { step_s / CATCH_UP } else { step_s }).max(1)
}

fn seconds(period: Duration) -> i64 {
    i64::try_from(period.as_secs()).unwrap_or(i64::MAX)
}
