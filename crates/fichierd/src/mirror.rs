//! One mirror between its cycles: what it remembers in memory, and what it does about errors.
//!
//! Repeating *work* lives here (minutes, for ever); repeating a *call* lives in `fichier-api`.
//! An error is of one of three radii. Of a file: a problem in the state, tried again at its
//! time. Of the mirror: [`Trouble`], the mirror waits and the others go on. Of the process: the
//! daemon ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use fichier_api::{Client, ErrorKind, Remedy};
use fichier_state::{Cycle, Mirror, MirrorId, RelPath};
use tokio::sync::Semaphore;

use crate::config::{Keep, MaxRemovals, MirrorConfig};
use crate::cycle::{
    CycleError, CycleRequest, MAX_ADDITIONS, Outcome, Prepared, keep_instead, preview,
};
use crate::dirty::{DirtyQueue, Due};
use crate::execute::{BANDWIDTH, Executor, FolderMove, Places, StepError, now_s};
use crate::filter::{Filter, FilterError};
use crate::guard::{self, Limit};
use crate::plan::BatchLimits;
use crate::report::CycleReport;
use crate::root::{RootIdentity, check_root};
use crate::scan::Scanner;
use crate::state::State;
use crate::stop::Stop;
use crate::target::{self, TargetError};

/// A file that changes while it is read is sent all the same after this many tries.
const TRIES_BEFORE_UNSETTLED: u32 = 3;

/// Removals wait at most this many cycles for files that are not quiet.
const MAX_PUT_OFFS: u32 = 3;

/// A batch is to take about this long, so that one failure does not waste much.
const BATCH_SECONDS: u64 = 60;

/// What all mirrors share.
#[derive(Clone)]
pub struct Shared {
    /// The service.
    pub client: Client,
    /// The state file.
    pub state: State,
    /// Uploads that may run at once.
    pub slots: Arc<Semaphore>,
    /// The same as a number.
    pub parallel_uploads: usize,
    /// Set when the process is to stop.
    pub stop: Stop,
}

/// One mirror.
pub struct MirrorWorker {
    /// As configured.
    pub config: MirrorConfig,
    /// Its row in the state.
    pub id: MirrorId,
    /// Paths to look at.
    pub dirty: DirtyQueue,
    /// Which entries count.
    pub filter: Arc<Filter>,
    /// Bytes handed to the network, for progress.
    pub sent_bytes: Arc<AtomicU64>,
    /// What one cycle takes on: [`MAX_ADDITIONS`].
    pub max_additions: usize,
    places: Option<Places>,
    restless: BTreeMap<RelPath, Restless>,
    put_offs: u32,
}

/// A file that was not quiet when it was due, or changed while it was read.
#[derive(Clone, Copy, Debug)]
struct Restless {
    since: Instant,
    last: Instant,
    tries: u32,
}

/// Why a mirror waits.
#[derive(Debug)]
pub enum Trouble {
    /// A person has to decide; looked at again now and then all the same.
    Held(String),
    /// Nothing may be sent until then.
    HeldOff(SystemTime, String),
    /// The network or the service; tried again soon.
    Unreachable(String),
    /// The key or the account was refused: one look an hour.
    Refused(String),
    /// The state file cannot be used (full disk, I/O error): tried again soon (P03).
    NoState(String),
}

/// How a cycle ended.
#[derive(Debug)]
pub struct CycleEnd {
    /// What was done.
    pub report: CycleReport,
    /// What is left.
    pub outcome: Outcome,
    /// Why it stopped early.
    pub trouble: Option<Trouble>,
    /// How long it took.
    pub took: Duration,
}

impl MirrorWorker {
    /// Opens a mirror: finds its row in the state, or makes it.
    ///
    /// # Errors
    ///
    /// A filter pattern that cannot be read, or the state file's.
    pub fn open(config: MirrorConfig, state: &State) -> Result<MirrorWorker, OpenError> {
        let filter = Arc::new(Filter::new(&config.source, &config.exclude)?);
        let row = state.read(|s| s.mirror(&config.name, &config.target))?;
        let row = match row {
            Some(row) if row.source == config.source => row,
            Some(row) => {
                // Another folder under the same name: compared anew, nothing is sent that is
                // there (C06).
                let row = Mirror { source: config.source.clone(), identity: None, ..row };
                state.write(|w| w.update_mirror(&row))?;
                row
            }
            None => state.write(|w| w.add_mirror(&config.name, &config.source, &config.target))?,
        };
        doubt_a_copy(&row, state)?;
        Ok(MirrorWorker {
            config,
            id: row.id,
            dirty: DirtyQueue::default(),
            filter,
            sent_bytes: Arc::default(),
            max_additions: MAX_ADDITIONS,
            places: None,
            restless: BTreeMap::new(),
            put_offs: 0,
        })
    }

    /// Runs one cycle over what is due, and notes it in the history.
    pub async fn run(&mut self, shared: &Shared, due: &Due) -> CycleEnd {
        let (began, started_s) = (Instant::now(), now_s());
        let calls = shared.client.pacer().calls_made();
        let mut end = match self.try_run(shared, due).await {
            Ok((report, outcome)) => {
                CycleEnd { report, outcome, trouble: None, took: began.elapsed() }
            }
            Err(Failure { report, error }) => {
                self.mark_again(due);
                CycleEnd {
                    report,
                    outcome: Outcome::default(),
                    trouble: Some(self.judge(error)),
                    took: began.elapsed(),
                }
            }
        };
        end.report.calls = shared.client.pacer().calls_made().saturating_sub(calls);
        self.remember(&end);
        if let Err(error) = self.note_end(shared, &end, started_s) {
            end.trouble.get_or_insert(Trouble::NoState(error.to_string()));
        }
        end
    }

    /// What a cycle would do now, without a call and without changing anything.
    ///
    /// # Errors
    ///
    /// As a cycle's.
    pub fn preview(&self, shared: &Shared) -> Result<(Vec<FolderMove>, Prepared), CycleError> {
        let row = self.row(&shared.state)?;
        let scanner = self.scanner()?;
        let force = BTreeSet::new();
        let request = self.request(&row, None, &force, &shared.state)?;
        preview(&shared.state, &scanner, &request, self.keeps_versions())
    }

    /// Keeps on 1fichier what is held for removal: it becomes unmanaged. Returns how much.
    ///
    /// # Errors
    ///
    /// As a cycle's.
    pub async fn reject(&mut self, shared: &Shared) -> Result<usize, CycleError> {
        let (_, prepared) = {
            let row = self.row(&shared.state)?;
            let scanner = self.scanner()?;
            let force = BTreeSet::new();
            let mut request = self.request(&row, None, &force, &shared.state)?;
            request.limit = Limit { share: guard::MaxRemovals::Files(u64::MAX), floor: u64::MAX };
            preview(&shared.state, &scanner, &request, self.keeps_versions())?
        };
        let executor = self.executor(shared, Places::default(), None)?;
        let notes = keep_instead(prepared.plan);
        let kept = notes.len();
        executor.note(notes)?;
        self.set_held(shared, None)?;
        Ok(kept)
    }

    /// Removes, or retires, what a newer exclude left unmanaged. Returns how many files.
    ///
    /// # Errors
    ///
    /// As a cycle's.
    pub async fn prune(&mut self, shared: &Shared) -> Result<u64, CycleError> {
        let row = self.row(&shared.state)?;
        let places = self.places(shared, &row).await?;
        let executor = self.executor(shared, places, None)?;
        Ok(executor.prune(row.root).await?)
    }

    async fn try_run(
        &mut self,
        shared: &Shared,
        due: &Due,
    ) -> Result<(CycleReport, Outcome), Failure> {
        let row = self.row(&shared.state).map_err(Failure::early)?;
        let recorded = shared.state.read(|s| s.totals(self.id)).map_err(Failure::early)?.files;
        let approved = shared.state.read(|s| s.allowance(self.id)).map_err(Failure::early)? > 0;
        // An approval covers a source that was emptied on purpose.
        let recorded = if approved { 0 } else { recorded };
        let identity = row.identity.as_deref().and_then(RootIdentity::parse);
        let found = check_root(&self.config.source, identity.as_ref(), recorded)
            .map_err(|trouble| Failure::early(StepError::Root(trouble)))?;
        self.remember_root(&shared.state, &row, &found).map_err(Failure::early)?;
        let places = self.places(shared, &row).await.map_err(Failure::target)?;
        let executor = self.executor(shared, places, Some(found)).map_err(Failure::early)?;
        // What is said about held removals is to stay true.
        let everything = due.everything || row.held.is_some();
        let due = Due { everything, ..due.clone() };
        let paths = self.paths(&shared.state, &due).map_err(Failure::early)?;
        let force = self.forced();
        let request =
            self.request(&row, paths.as_deref(), &force, &shared.state).map_err(Failure::early)?;
        let outcome = executor.cycle(&request, &shared.stop).await;
        let report = executor.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(outcome) => Ok((report, outcome)),
            Err(error) => Err(Failure { report, error: FailureKind::Cycle(error) }),
        }
    }

    /// What is due, with the problems whose time has come; nothing for everything.
    fn paths(&self, state: &State, due: &Due) -> Result<Option<Vec<RelPath>>, CycleError> {
        if due.everything {
            return Ok(None);
        }
        let mut paths = due.paths.clone();
        paths.extend(state.read(|s| s.problems_due(self.id, now_s()))?);
        paths.sort();
        paths.dedup();
        Ok(Some(paths))
    }

    fn request<'a>(
        &'a self,
        row: &'a Mirror,
        paths: Option<&'a [RelPath]>,
        force: &'a BTreeSet<RelPath>,
        state: &State,
    ) -> Result<CycleRequest<'a>, CycleError> {
        Ok(CycleRequest {
            mirror: row,
            source: &self.config.source,
            filter: Arc::clone(&self.filter),
            paths,
            settle: self.config.settle,
            force,
            limit: Limit {
                share: share(self.config.max_removals),
                floor: self.config.removals_floor,
            },
            patient: self.put_offs < MAX_PUT_OFFS,
            batch: batch_limits(state)?,
            max_additions: self.max_additions,
        })
    }

    fn executor(
        &self,
        shared: &Shared,
        places: Places,
        identity: Option<RootIdentity>,
    ) -> Result<Executor, CycleError> {
        Ok(Executor {
            client: shared.client.clone(),
            state: shared.state.clone(),
            mirror: self.id,
            source: self.config.source.clone(),
            identity,
            places,
            scanner: Arc::new(self.scanner()?),
            slots: Arc::clone(&shared.slots),
            parallel_uploads: shared.parallel_uploads,
            dirty: self.dirty.clone(),
            keep_versions: self.keeps_versions(),
            restless: self.unsettled_now(),
            started: SystemTime::now(),
            report: Mutex::default(),
            sent_bytes: Arc::clone(&self.sent_bytes),
        })
    }

    /// Files that have been restless for so long that they are read as they are.
    fn forced(&self) -> BTreeSet<RelPath> {
        let is_due =
            |file: &Restless| file.tries > 0 || file.since.elapsed() >= self.config.settle_at_most;
        self.restless
            .iter()
            .filter(|(_, file)| is_due(file))
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Those of them that have had their tries, and are sent as they are read.
    fn unsettled_now(&self) -> BTreeSet<RelPath> {
        let is_due = |file: &Restless| file.tries >= TRIES_BEFORE_UNSETTLED;
        self.restless
            .iter()
            .filter(|(_, file)| is_due(file))
            .map(|(path, _)| path.clone())
            .collect()
    }

    fn remember(&mut self, end: &CycleEnd) {
        let now = Instant::now();
        let fresh = Restless { since: now, last: now, tries: 0 };
        for path in end.outcome.unsettled.iter().chain(&end.report.restless) {
            self.restless.entry(path.clone()).or_insert(fresh).last = now;
        }
        for path in &end.report.restless {
            if let Some(file) = self.restless.get_mut(path) {
                // One that was sent as it was read starts anew, and waits its time again.
                let was_sent = file.tries >= TRIES_BEFORE_UNSETTLED;
                *file = if was_sent { fresh } else { Restless { tries: file.tries + 1, ..*file } };
            }
        }
        self.restless.retain(|_, file| file.last.elapsed() < self.config.settle_at_most * 2);
        if !end.outcome.put_off.is_empty() {
            self.put_offs += 1;
        } else if end.trouble.is_none() {
            self.put_offs = 0;
        }
        for path in end.outcome.unsettled.iter().chain(&end.outcome.put_off) {
            self.dirty.mark(path.clone());
        }
        if end.outcome.left_out > 0 {
            self.dirty.mark_everything();
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

    async fn places(&mut self, shared: &Shared, row: &Mirror) -> Result<Places, TargetError> {
        if let Some(places) = self.places {
            return Ok(places);
        }
        let places = target::prepare(&shared.client, &shared.state, row).await?;
        self.places = Some(places);
        Ok(places)
    }

    fn row(&self, state: &State) -> Result<Mirror, CycleError> {
        let row = state.read(|s| s.mirror(&self.config.name, &self.config.target))?;
        row.ok_or(CycleError::Step(StepError::State(fichier_state::Error::Missing("mirror"))))
    }

    fn scanner(&self) -> Result<Scanner, CycleError> {
        Scanner::open(&self.config.source, Arc::clone(&self.filter)).map_err(CycleError::Source)
    }

    fn keeps_versions(&self) -> bool {
        self.config.keep != Keep::None
    }

    /// The identity is refreshed while all is well: top-level entries come and go.
    fn remember_root(
        &self,
        state: &State,
        row: &Mirror,
        found: &RootIdentity,
    ) -> Result<(), CycleError> {
        let text = found.to_text();
        if row.identity.as_deref() != Some(&text) {
            let row = Mirror { identity: Some(text), ..row.clone() };
            state.write(|w| w.update_mirror(&row))?;
        }
        Ok(())
    }

    fn set_held(&self, shared: &Shared, held: Option<String>) -> Result<(), CycleError> {
        let row = Mirror { held, ..self.row(&shared.state)? };
        Ok(shared.state.write(|w| w.update_mirror(&row))?)
    }

    /// Writes the history, the time of the last success, and what is held.
    fn note_end(&self, shared: &Shared, end: &CycleEnd, started_s: i64) -> Result<(), CycleError> {
        let row = self.row(&shared.state)?;
        let held = match (&end.outcome.held, &end.trouble) {
            (Some(held), _) => Some(held.text(&self.config.name)),
            (None, Some(Trouble::Held(why))) => Some(why.clone()),
            (None, Some(_)) => row.held.clone(),
            (None, None) => None,
        };
        let success = end.trouble.is_none();
        let last_success_s = if success { Some(now_s()) } else { row.last_success_s };
        let is_news = end.report.changed_something() || !success;
        let cycle = self.history_row(end, started_s);
        if row.held != held {
            match &held {
                Some(why) => tracing::warn!(mirror = %self.config.name, "{why}"),
                None => tracing::info!(mirror = %self.config.name, "nothing is held any more"),
            }
        }
        Ok(shared.state.write(|w| {
            w.update_mirror(&Mirror { held, last_success_s, ..row.clone() })?;
            if is_news { w.add_cycle(&cycle) } else { Ok(()) }
        })?)
    }

    fn history_row(&self, end: &CycleEnd, started_s: i64) -> Cycle {
        let outcome = match &end.trouble {
            Some(trouble) => trouble.text().to_owned(),
            None => "done".to_owned(),
        };
        Cycle {
            mirror: self.id,
            started_s,
            ended_s: now_s(),
            outcome,
            looked_at: end.report.looked_at,
            uploaded_files: end.report.uploaded_files,
            uploaded_bytes: end.report.uploaded_bytes,
            relocated: end.report.relocated + end.report.moved_folders,
            copied: end.report.copied,
            retired: end.report.retired,
            problems: end.report.problems,
            calls: end.report.calls,
        }
    }

    /// What an error means for this mirror.
    fn judge(&mut self, error: FailureKind) -> Trouble {
        let text = chain(&error);
        let step = match error {
            FailureKind::Cycle(CycleError::Step(step)) => step,
            FailureKind::Cycle(CycleError::Survey(_) | CycleError::Source(_)) => {
                return Trouble::Held(text);
            }
            FailureKind::Target(TargetError::Step(step)) => step,
            FailureKind::Target(TargetError::OwnedByAnother { .. } | TargetError::Gone { .. }) => {
                return Trouble::Held(text);
            }
        };
        match step {
            StepError::Api(error) => {
                // Where the service stands is looked at again after any doubt.
                if matches!(error.kind, ErrorKind::NotFound) {
                    self.places = None;
                }
                match (error.remedy(), &error.kind) {
                    (_, ErrorKind::HeldOff { until, .. }) => Trouble::HeldOff(*until, text),
                    (Remedy::HoldOff(wait), _) => Trouble::HeldOff(SystemTime::now() + wait, text),
                    (Remedy::AskOperator, _) => Trouble::Refused(text),
                    (Remedy::TryAgain | Remedy::GiveUp, _) => Trouble::Unreachable(text),
                }
            }
            StepError::State(_) => Trouble::NoState(text),
            StepError::Root(_) | StepError::Target(_) => Trouble::Held(text),
        }
    }
}

impl Trouble {
    /// For people.
    pub fn text(&self) -> &str {
        match self {
            Trouble::Held(text)
            | Trouble::HeldOff(_, text)
            | Trouble::Unreachable(text)
            | Trouble::Refused(text)
            | Trouble::NoState(text) => text,
        }
    }
}

impl crate::cycle::Held {
    /// What is held, and what to do.
    pub fn text(&self, mirror: &str) -> String {
        format!(
            "{} removals are held: more than {} within 24 hours. If they are meant: fichierd \
             approve {mirror}. If not: fichierd reject {mirror}, and put the files back",
            self.removals, self.limit
        )
    }
}

/// Why a mirror could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An exclude pattern.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The state file.
    #[error("cannot use the state file")]
    State(#[from] fichier_state::Error),
}

struct Failure {
    report: CycleReport,
    error: FailureKind,
}

#[derive(Debug, thiserror::Error)]
enum FailureKind {
    #[error(transparent)]
    Cycle(#[from] CycleError),
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl Failure {
    fn early(error: impl Into<CycleError>) -> Failure {
        Failure { report: CycleReport::default(), error: FailureKind::Cycle(error.into()) }
    }

    fn target(error: TargetError) -> Failure {
        Failure { report: CycleReport::default(), error: FailureKind::Target(error) }
    }
}

/// A state file that was put back from a backup may be older than what is on the service (P09):
/// the folders are listed again before anything goes there, so that what is there is adopted.
fn doubt_a_copy(row: &Mirror, state: &State) -> Result<(), fichier_state::Error> {
    let note = format!("state file of mirror {}", row.name);
    let now = state.read(|s| s.inode())?.to_string();
    let before = state.read(|s| s.note(&note))?;
    if before.as_ref() == Some(&now) {
        return Ok(());
    }
    if before.is_some() {
        tracing::warn!(
            mirror = %row.name,
            "the state file is a copy, which may be older than what is on 1fichier; `{}` looks \
             into its remote folders again before it sends anything there",
            row.name
        );
    }
    state.write(|w| {
        w.doubt_listings(row.id)?;
        w.set_note(&note, Some(&now))
    })
}

/// An error with its causes, each thing said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn share(configured: MaxRemovals) -> guard::MaxRemovals {
    match configured {
        MaxRemovals::Percent(percent) => guard::MaxRemovals::Percent(percent),
        MaxRemovals::Files(files) => guard::MaxRemovals::Files(files),
    }
}

fn batch_limits(state: &State) -> Result<BatchLimits, CycleError> {
    let measured = state.read(|s| s.note(BANDWIDTH))?.and_then(|text| text.parse::<u64>().ok());
    let limits = BatchLimits::default();
    Ok(match measured {
        Some(per_second) => {
            let bytes = per_second.saturating_mul(BATCH_SECONDS).clamp(16 << 20, 64 << 30);
            BatchLimits { bytes, ..limits }
        }
        None => limits,
    })
}
