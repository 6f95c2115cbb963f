//! One mirror between its cycles: what it keeps in memory, and what it does about errors.
//!
//! *Work* is repeated here (after minutes, for ever); a *call* is repeated in `fichier-api`. An
//! error concerns one of three things. The error of a file is a problem in the state, and is tried
//! again at its time. The error of a mirror is a [`Trouble`]: the mirror waits, and the others go
//! on. An error of the process ends the daemon.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fichier_api::Client;
use fichier_state::{Mirror, MirrorId, Problem, RelPath};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::{Form, Random, State};
use crate::config::{Keep, MaxRemovals, MirrorConfig};
use crate::disk::{DirtyQueue, Disks, Due, Filter, OnRecord, RootIdentity, Scanner};
use crate::mirror::cycle::{Cycle, CycleOutcome, CycleRequest, MAX_ADDITIONS, Prepared, preview};
use crate::mirror::ends::{ChoresEnd, CycleEnd, OpenError};
use crate::mirror::error::MirrorError;
use crate::mirror::expected::{ExpectedCalls, Opened, Planned, expected_calls};
use crate::mirror::held::Held;
use crate::mirror::leftovers::{Ended, Leftovers};
use crate::mirror::reject::keep_instead;
use crate::mirror::restless::RestlessFiles;
use crate::mirror::trouble::Trouble;
use crate::mirror::{forms, pairs};
use crate::plan::Limit;
use crate::remote::{
    CycleReport, Executor, FolderMove, Places, Remote, RemoteError, Settle, Source, Uploads,
    cut_names, looked, trust,
};
use crate::status::Completeness;
use crate::upkeep::chores::{self, CHORES, Chore};
use crate::upkeep::{Situation, burst, canary, quota, snapshot};

mod history;
mod target;

use self::history::batch_limits;

/// Cycles that removals wait for files that are being written; after that they are carried out.
const MAX_PUT_OFFS: u32 = 3;

/// The things that all mirrors share.
#[derive(Clone)]
pub struct Shared {
    /// The client of the service.
    pub client: Client,
    /// The state file.
    pub state: State,
    /// One permit for each upload that may run at the same time.
    pub slots: Arc<Semaphore>,
    /// The number of these permits.
    pub parallel_uploads: usize,
    /// Cancelled when the process is to stop. It is looked at between steps: a step that has begun
    /// is finished, unless the process is ended meanwhile; then `finish` completes it at the next
    /// start.
    pub stop: CancellationToken,
    /// The disks of the sources.
    pub disks: Disks,
    /// Random numbers, for names that must not repeat and for times that must not coincide.
    pub random: Random,
}

/// One mirror.
pub struct MirrorWorker {
    /// The mirror's part of the configuration.
    pub config: MirrorConfig,
    /// The number of its row in the state.
    pub id: MirrorId,
    /// The paths to look at.
    pub dirty: DirtyQueue,
    /// Decides which entries of the source are mirrored.
    pub filter: Arc<Filter>,
    /// How its files are stored on 1fichier.
    pub form: Form,
    /// Bytes handed to the network, for progress.
    pub sent_bytes: Arc<AtomicU64>,
    /// Bytes that the cycle under way has to send.
    pub planned_bytes: Arc<AtomicU64>,
    /// Additions and touched files that one cycle takes on: [`MAX_ADDITIONS`].
    pub max_additions: usize,
    /// Whether this is a run that is not the service: it believes what the last clean end knew of
    /// the target, and claims it only before its first call.
    pub is_one_shot: bool,
    /// Whether nothing was on record of the mirror when it was opened.
    is_new: bool,
    places: Option<Places>,
    /// The digest of the key with which the target was looked at.
    prepared_with: String,
    /// Whether this process has claimed the target.
    has_claimed: bool,
    restless: RestlessFiles,
    put_offs: u32,
    /// Whether the last cycle has spared a file that may be a renamed one.
    has_spared: bool,
    /// Whether the watch misses no change, so that looks at single paths are enough.
    pub is_watched: bool,
    leftovers: Leftovers,
}

impl MirrorWorker {
    /// Opens a mirror: finds its row in the state, or makes it.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: an exclude pattern or a password cannot be read, or the state file cannot be
    /// used.
    pub fn open(config: MirrorConfig, state: &State) -> Result<MirrorWorker, OpenError> {
        let filter = Arc::new(Filter::new(&config.source, &config.exclude)?);
        let form = forms::configured(&config)?;
        let (row, is_new) = pairs::row_of(&config, state)?;
        trust::doubt_a_copy(&row, state)?;
        let restless = RestlessFiles::new(config.settle_at_most);
        Ok(MirrorWorker {
            config,
            id: row.id,
            dirty: DirtyQueue::default(),
            filter,
            form,
            sent_bytes: Arc::default(),
            planned_bytes: Arc::default(),
            max_additions: MAX_ADDITIONS,
            is_one_shot: false,
            is_new,
            places: None,
            prepared_with: String::new(),
            has_claimed: false,
            restless,
            put_offs: 0,
            has_spared: false,
            is_watched: false,
            leftovers: Leftovers::default(),
        })
    }

    /// Runs one cycle over the paths that are due, and notes it in the history.
    pub async fn run(&mut self, shared: &Shared, due: &Due) -> CycleEnd {
        let (began, started_s) = (Instant::now(), shared.state.now_s());
        let calls = shared.client.pacer().calls_made();
        // What is shown of a cycle begins with it.
        self.sent_bytes.store(0, Ordering::Relaxed);
        self.planned_bytes.store(0, Ordering::Relaxed);
        let mut report = CycleReport::default();
        let (outcome, trouble) = match self.try_run(shared, due, &mut report).await {
            Ok(outcome) => (outcome, None),
            Err(error) => {
                self.mark_again(due);
                self.doubt_target(shared, &error);
                (CycleOutcome::default(), Some(Trouble::judge(error, shared.state.clock().wall())))
            }
        };
        report.calls = shared.client.pacer().calls_made().saturating_sub(calls);
        let mut end = CycleEnd {
            everything: due.everything,
            more: outcome.left_out > 0 || report.left_for_later > 0,
            completeness: Completeness::default(),
            took: began.elapsed(),
            report,
            outcome,
            trouble,
        };
        self.remember(&end);
        match self.note_end(shared, due, &end, started_s) {
            Ok(completeness) => end.completeness = completeness,
            Err(error) => _ = end.trouble.get_or_insert(Trouble::NoState(error.to_string())),
        }
        end
    }

    /// Plans what a cycle would do now, without a call and without changing anything.
    ///
    /// # Errors
    ///
    /// Those of a cycle.
    pub fn preview(
        &self,
        state: &State,
        disks: &Disks,
    ) -> Result<(Vec<FolderMove>, Prepared), MirrorError> {
        let row = self.row(state)?;
        self.check_root(state, disks, &row)?;
        let force = BTreeSet::new();
        let mut request = self.request(&row, None, &force, state)?;
        // `sync` waits for files that are being written, so they count as quiet here.
        request.settle = Duration::ZERO;
        preview(state, disks, &request, self.keeps_versions())
    }

    /// The calls that a `sync` makes if it finds what [`MirrorWorker::preview`] has found.
    ///
    /// # Errors
    ///
    /// Those of the state file.
    pub fn expected_calls(
        &self,
        state: &State,
        planned: &Planned<'_>,
    ) -> Result<ExpectedCalls, MirrorError> {
        let row = self.row(state)?;
        let opened =
            Opened { config: &self.config, row: &row, form: &self.form, is_new: self.is_new };
        expected_calls(state, &opened, planned)
    }

    /// Keeps the files on 1fichier that are held for removal: they become unmanaged. Returns how
    /// many paths that concerns.
    ///
    /// # Errors
    ///
    /// Those of a cycle.
    pub async fn reject(&mut self, shared: &Shared) -> Result<usize, MirrorError> {
        let (_, prepared) = {
            let row = self.row(&shared.state)?;
            let force = BTreeSet::new();
            let mut request = self.request(&row, None, &force, &shared.state)?;
            // Files that are being written do not delay the decision.
            request.patient = false;
            request.limit = Limit { share: MaxRemovals::Files(u64::MAX), floor: u64::MAX };
            preview(&shared.state, &shared.disks, &request, self.keeps_versions())?
        };
        let executor = self.executor(shared, Places::default(), None)?;
        let notes = keep_instead(prepared.plan);
        let kept = notes.len();
        executor.note(notes)?;
        self.nothing_is_held(shared)?;
        Ok(kept)
    }

    /// Removes, or moves to the versions, the files that a newer exclude left unmanaged. Returns
    /// how many.
    ///
    /// # Errors
    ///
    /// Those of a cycle.
    pub async fn prune(&mut self, shared: &Shared) -> Result<u64, MirrorError> {
        let row = self.row(&shared.state)?;
        let places = self.places(shared, &row).await?;
        Ok(self.remote(shared, places).prune(row.root).await?)
    }

    /// Whether the mirror is complete, as far as the records tell.
    ///
    /// # Errors
    ///
    /// The state file's.
    pub fn completeness(&self, shared: &Shared) -> Result<Completeness, fichier_state::Error> {
        let (scale, now_s) = (shared.client.pacer().time_scale(), shared.state.now_s());
        shared.state.read(|s| looked::completeness(s, self.id, scale, now_s))
    }

    /// Does the chores that are due.
    pub async fn chores(&mut self, shared: &Shared) -> ChoresEnd {
        match self.try_chores(shared).await {
            Ok(next) => ChoresEnd { trouble: None, next },
            Err(error) => {
                self.doubt_target(shared, &error);
                ChoresEnd {
                    trouble: Some(Trouble::judge(error, shared.state.clock().wall())),
                    next: chores::LOOK_AGAIN,
                }
            }
        }
    }

    async fn try_chores(&mut self, shared: &Shared) -> Result<Duration, MirrorError> {
        let mut next = chores::LOOK_AGAIN;
        self.check_form(&shared.state)?;
        for chore in CHORES {
            let row = self.row(&shared.state)?;
            let config = self.config.clone();
            let at = Situation { state: &shared.state, mirror: &row, config: &config };
            if self.is_one_shot && chore == Chore::Canary && self.leaves_canary(at)? {
                continue;
            }
            if chore.due_in(at)? == Some(Duration::ZERO) {
                let believed =
                    if chore.needs_service(at)? { None } else { self.believed(shared, &row)? };
                let places = match believed {
                    Some(places) => places,
                    None => self.places(shared, &row).await?,
                };
                let remote = self.remote(shared, places);
                let done = chore.run(&remote, at).await;
                self.look_again_at(shared, remote.dirty.take_noted())?;
                done?;
            }
            if let Some(due_in) = chore.due_in(at)? {
                next = next.min(due_in);
            }
        }
        Ok(next)
    }

    /// Whether a one-shot run leaves the canary to a later one. The first run sends what is new;
    /// whether it comes back can wait until a run works on the target anyway.
    fn leaves_canary(&self, at: Situation<'_>) -> Result<bool, MirrorError> {
        Ok(self.is_new || !self.has_claimed && canary::can_wait(at)?)
    }

    /// Keeps in mind that these paths have to be looked at: a chore has found that their copies are
    /// not as recorded.
    fn look_again_at(
        &mut self,
        shared: &Shared,
        paths: BTreeSet<RelPath>,
    ) -> Result<(), MirrorError> {
        if !paths.is_empty() {
            self.leftovers.mark(paths);
            let left = self.leftovers.to_left(None);
            shared.state.write(|w| looked::keep(w, self.id, &left))?;
        }
        Ok(())
    }

    /// Runs one cycle. `report` gets the counts of what was done, even if the cycle ends with an
    /// error.
    async fn try_run(
        &mut self,
        shared: &Shared,
        due: &Due,
        report: &mut CycleReport,
    ) -> Result<CycleOutcome, MirrorError> {
        let row = self.row(&shared.state)?;
        let row = self.follow_change(shared, row).await?;
        let found = self.check_root(&shared.state, &shared.disks, &row)?;
        self.remember_root(&shared.state, &row, &found)?;
        // The row is read anew, so that a later write of it does not undo the new identity.
        let row = self.row(&shared.state)?;
        let believed = self.believed(shared, &row)?;
        let places = match believed {
            Some(places) => places,
            None => self.places(shared, &row).await?,
        };
        let executor = self.executor(shared, places, Some(found))?;
        if !executor.is_believed(&shared.stop).await? {
            // The whole cycle is still to be done, after the next start.
            return Ok(CycleOutcome::not_begun());
        }
        // While something is held, everything is looked at, so that the text about it stays true.
        let all = Due { everything: true, paths: Vec::new() };
        let due = if row.held.is_some() || self.has_spared { &all } else { due };
        let due_problems = self.due_problems(&shared.state)?;
        let paths = self.paths(&shared.state, due)?;
        let force = self.restless.forced();
        let request = self.request(&row, paths.as_deref(), &force, &shared.state)?;
        let is_to_enter = believed.is_some();
        let cycle = Cycle { executor, request, is_to_enter, entered: None };
        let ran = cycle.run(&shared.stop).await;
        *report = ran.report;
        if let Some(places) = ran.entered {
            self.has_entered(shared, places);
        }
        if ran.outcome.is_ok() {
            self.remote(shared, places).put_off_problems(&due_problems)?;
        }
        ran.outcome
    }

    /// Checks that the source is still the same folder, and returns its identity.
    fn check_root(
        &self,
        state: &State,
        disks: &Disks,
        row: &Mirror,
    ) -> Result<RootIdentity, MirrorError> {
        let files = state.read(|s| s.totals(self.id))?.files;
        let approved = state.read(|s| s.allowance(self.id))? > 0;
        let on_record = OnRecord { files, approved };
        let identity = row.identity.as_deref().and_then(RootIdentity::parse);
        let found = disks.check_root(&self.config.source, identity.as_ref(), on_record);
        Ok(found.map_err(RemoteError::Root)?)
    }

    /// The paths that are due, with those of problems that are to be tried again; `None` if
    /// everything is due.
    fn paths(&self, state: &State, due: &Due) -> Result<Option<Vec<RelPath>>, MirrorError> {
        if due.everything {
            return Ok(None);
        }
        let now_s = state.now_s();
        let mut paths = due.paths.clone();
        let problems = state.read(|s| s.problems(Some(self.id)))?;
        if problems.iter().any(|problem| problem.is_wide && problem.next_try_s <= now_s) {
            return Ok(None);
        }
        paths.extend(state.read(|s| s.problems_due(self.id, now_s))?);
        paths.sort();
        paths.dedup();
        Ok(Some(paths))
    }

    fn due_problems(&self, state: &State) -> Result<Vec<Problem>, MirrorError> {
        let now_s = state.now_s();
        let mut problems = state.read(|s| s.problems(Some(self.id)))?;
        problems.retain(|problem| problem.next_try_s <= now_s);
        Ok(problems)
    }

    fn request<'a>(
        &'a self,
        row: &'a Mirror,
        paths: Option<&'a [RelPath]>,
        force: &'a BTreeSet<RelPath>,
        state: &State,
    ) -> Result<CycleRequest<'a>, MirrorError> {
        Ok(CycleRequest {
            mirror: row,
            source: &self.config.source,
            filter: Arc::clone(&self.filter),
            paths,
            settle: self.config.settle,
            force,
            limit: Limit { share: self.config.max_removals, floor: self.config.removals_floor },
            patient: self.put_offs < MAX_PUT_OFFS,
            hold_removals: state.read(|s| trust::holds_removals(s, self.id))?,
            numbers_versions: self.config.keep_versions.is_some(),
            batch: batch_limits(state)?,
            max_additions: self.max_additions,
            form: &self.form,
        })
    }

    fn remote(&self, shared: &Shared, places: Places) -> Remote {
        Remote {
            client: shared.client.clone(),
            state: shared.state.clone(),
            mirror: self.id,
            places,
            form: self.form.clone(),
            keep_versions: self.keeps_versions(),
            slots: Arc::clone(&shared.slots),
            random: shared.random.clone(),
            dirty: self.dirty.noting(),
            settle: Settle { quiet: self.config.settle, at_most: self.config.settle_at_most },
            names_there: Mutex::default(),
            report: Mutex::default(),
        }
    }

    fn executor(
        &self,
        shared: &Shared,
        places: Places,
        identity: Option<RootIdentity>,
    ) -> Result<Executor, MirrorError> {
        let source = Source {
            path: self.config.source.clone(),
            identity,
            disks: shared.disks.clone(),
            scanner: Arc::new(self.scanner(&shared.disks)?),
            restless: self.restless.unsettled(),
            started: shared.state.clock().wall(),
        };
        let uploads = Uploads {
            parallel: shared.parallel_uploads,
            sent_bytes: Arc::clone(&self.sent_bytes),
            planned_bytes: Arc::clone(&self.planned_bytes),
        };
        Ok(Executor { remote: self.remote(shared, places), source, uploads })
    }

    fn remember(&mut self, end: &CycleEnd) {
        self.restless.remember(&end.outcome.unsettled, &end.report.restless);
        if !end.outcome.put_off.is_empty() {
            self.put_offs += 1;
        } else if end.trouble.is_none() {
            self.put_offs = 0;
        }
        if end.trouble.is_none() {
            self.has_spared = end.outcome.spared;
        }
        for path in end.outcome.unsettled.iter().chain(&end.outcome.put_off) {
            self.dirty.mark(path.clone());
        }
    }

    fn mark_again(&self, due: &Due) {
        if due.everything {
            self.dirty.mark_everything();
        }
        for path in &due.paths {
            self.dirty.mark(path.clone());
        }
    }

    fn row(&self, state: &State) -> Result<Mirror, MirrorError> {
        let rows = state.read(|s| s.mirrors())?;
        let row = rows.into_iter().find(|row| row.id == self.id);
        row.ok_or(MirrorError::Remote(RemoteError::State(fichier_state::Error::Missing("mirror"))))
    }

    fn scanner(&self, disks: &Disks) -> Result<Scanner, MirrorError> {
        let scanner = disks.scanner(&self.config.source, Arc::clone(&self.filter));
        scanner.map_err(MirrorError::source_at(&self.config.source))
    }

    fn keeps_versions(&self) -> bool {
        self.config.keep != Keep::None
    }

    /// Records the identity of the source again after each good check, since its top-level entries
    /// come and go.
    fn remember_root(
        &self,
        state: &State,
        row: &Mirror,
        found: &RootIdentity,
    ) -> Result<(), MirrorError> {
        let text = found.to_text();
        if row.identity.as_deref() != Some(&text) {
            let row = Mirror { identity: Some(text), ..row.clone() };
            state.write(|w| w.update_mirror(&row))?;
        }
        Ok(())
    }

    fn nothing_is_held(&self, shared: &Shared) -> Result<(), MirrorError> {
        let row = Mirror { held: None, ..self.row(&shared.state)? };
        Ok(shared.state.write(|w| w.update_mirror(&row))?)
    }

    /// Records the cycle in the history, what is held and what is left open; and the time of the
    /// last success, if the mirror is complete. Returns whether it is.
    fn note_end(
        &mut self,
        shared: &Shared,
        due: &Due,
        end: &CycleEnd,
        started_s: i64,
    ) -> Result<Completeness, MirrorError> {
        let success = end.trouble.is_none();
        let uploads = shared.state.read(|s| s.uploads(self.id))?;
        self.leftovers.note(Ended {
            due,
            report: &end.report,
            outcome: &end.outcome,
            pending: uploads.into_iter().flat_map(|upload| upload.files).map(|f| f.path).collect(),
            is_cut: !success || shared.stop.is_cancelled(),
            is_watched: self.is_watched,
        });
        let now_s = shared.state.now_s();
        let left = self.leftovers.to_left(success.then_some(now_s));
        let scale = shared.client.pacer().time_scale();
        let row = self.row(&shared.state)?;
        let held = match (&end.outcome.held, &end.trouble) {
            (Some(held), _) => Some(Held::Removals(*held).to_json()),
            (None, Some(Trouble::Held(held))) => Some(held.to_json()),
            (None, Some(_)) => row.held.clone(),
            (None, None) => None,
        };
        let is_news = end.report.changed_something() || !success;
        // After a recovery removals are held until disk and records have been found the same.
        let outcome = &end.outcome;
        let is_same = success && end.everything && !end.more && !end.has_restless();
        let is_same = is_same && outcome.held.is_none() && outcome.put_off.is_empty();
        Ok(shared.state.write(|w| {
            looked::keep(w, self.id, &left)?;
            let completeness = looked::completeness(w, self.id, scale, now_s)?;
            let complete_s = (success && completeness.is_complete()).then_some(now_s);
            let last_success_s = complete_s.or(row.last_success_s);
            w.update_mirror(&Mirror { held: held.clone(), last_success_s, ..row.clone() })?;
            snapshot::sent_by_cycle(w, self.id, end.report.uploaded_bytes)?;
            quota::sent_by_cycle(w, end.report.uploaded_bytes, now_s)?;
            if end.report.changed_something() {
                burst::look(w, self.id)?;
            }
            if due.everything && success {
                cut_names::note(w, self.id, &self.form)?;
            }
            if is_same && trust::holds_removals(w, self.id)? {
                trust::hold_removals(w, self.id, false)?;
            }
            if is_news {
                w.add_cycle(&self.history_row(end, &completeness, started_s..now_s))?;
            }
            Ok(completeness)
        })?)
    }
}
