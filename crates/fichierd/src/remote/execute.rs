//! Carries out a plan: the only place from which the service is changed.
//!
//! Each step writes its intent, makes its call, and writes what came of it; the same code, given
//! an intent that an earlier run left behind, finishes it (`recover`). A refusal that concerns
//! some files becomes a problem of theirs and the plan goes on; anything that concerns the
//! account or the network ends the cycle.
//!
//! Invariants kept here: I1 (a record is written when the service has confirmed), I2, I3 (the
//! intent is on disk first), I4 (the old copy goes after the new one is confirmed).

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fichier_api::names::RemoteName;
use fichier_api::{Client, ErrorKind, FolderId, Remedy};
use fichier_state::{Metadata, MirrorId, RelPath};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::base::random::Random;
use crate::base::state::State;
use crate::base::stop::Stop;
use crate::disk::dirty::DirtyQueue;
use crate::disk::disks::Disks;
use crate::disk::root::{RootIdentity, RootTrouble};
use crate::disk::scan::{Scanner, Seen};
use crate::plan::steps::{Placement, Plan, Step};
use crate::remote::habits::Habits;
use crate::remote::report::CycleReport;

mod arrive;
mod bring;
mod copy;
mod delivery;
mod folders;
mod lost;
mod moving;
mod prune;
mod publish;
mod records;
mod relocate;
mod remove;
mod upload;
mod versions;

pub(crate) use arrive::Arrived;
use arrive::Fate;
pub use arrive::match_arrived;
pub(crate) use bring::{Brought, Parcel};
pub use moving::FolderMove;
pub(crate) use records::other_name;
pub(crate) use relocate::STUCK;
pub(crate) use remove::{Leaving, Removal};
pub(crate) use upload::BANDWIDTH;
pub(crate) use versions::utc_day;

/// Seconds until a path with a problem is tried again, by how often it has been tried.
const PROBLEM_WAITS_S: [i64; 5] = [60, 300, 900, 3600, 6 * 3600];

/// Where a mirror lives on the service; known once `target` has prepared it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The target folder itself.
    pub root: FolderId,
    /// Our staging folder.
    pub incoming: FolderId,
    /// The parent of the versions folders.
    pub versions: FolderId,
}

/// Why a step, and with it the cycle, could not go on.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The service: see the error's remedy.
    #[error(transparent)]
    Api(#[from] fichier_api::Error),
    /// The state file. Nothing may be changed on the service without it (P03).
    #[error("cannot use the state file")]
    State(#[from] fichier_state::Error),
    /// The watched folder is not what it was; nothing may be removed.
    #[error(transparent)]
    Root(#[from] RootTrouble),
    /// The target folder needs a decision.
    #[error(transparent)]
    Target(Box<crate::remote::target::TargetError>),
}

/// Executes steps for one mirror.
pub struct Executor {
    /// The service.
    pub client: Client,
    /// The state file.
    pub state: State,
    /// The mirror's row.
    pub mirror: MirrorId,
    /// The watched folder.
    pub source: PathBuf,
    /// What `source` must still be before anything is removed.
    pub identity: Option<RootIdentity>,
    /// Where things go.
    pub places: Places,
    /// Where the source lies.
    pub disks: Disks,
    /// Opens files below `source`.
    pub scanner: Arc<Scanner>,
    /// For names that must not repeat.
    pub chance: Random,
    /// Uploads that may run at once, in the whole process.
    pub slots: Arc<Semaphore>,
    /// How many of them this mirror may use.
    pub parallel_uploads: usize,
    /// Paths to look at again.
    pub dirty: DirtyQueue,
    /// How long a path must be quiet before it is due, and how long it may be put off.
    pub settle: (Duration, Duration),
    /// Whether what goes is kept as a version (`keep`), or removed.
    pub keep_versions: bool,
    /// Files that would not rest and are sent as they are read.
    pub restless: BTreeSet<RelPath>,
    /// Sub-folders by name of parents that had to be listed before something was made there.
    pub names_there: Mutex<HashMap<FolderId, HashMap<RemoteName, FolderId>>>,
    /// When the cycle began: nothing was read before.
    pub started: SystemTime,
    /// What has been done so far.
    pub report: Mutex<CycleReport>,
    /// Bytes handed to the network, for progress.
    pub sent_bytes: Arc<AtomicU64>,
    /// Bytes that this cycle has to send, for progress.
    pub planned_bytes: Arc<AtomicU64>,
}

impl Executor {
    /// Executes `plan`, step by step; uploads side by side.
    ///
    /// # Errors
    ///
    /// What stops all further work of this mirror: the account, the network, the state file, or
    /// a root that is not what it was. What was done until then is on record.
    pub async fn execute(&self, plan: Plan, stop: &Stop) -> Result<(), StepError> {
        let mut uploads = Vec::new();
        let mut steps = plan.steps.into_iter().peekable();
        while let Some(step) = steps.next() {
            if stop.is_set() {
                return Ok(());
            }
            if let Step::Upload(files) = step {
                uploads.push(files);
                if !matches!(steps.peek(), Some(Step::Upload(_))) {
                    self.upload_all(std::mem::take(&mut uploads), stop).await?;
                }
            } else {
                self.step(step).await?;
            }
        }
        Ok(())
    }

    async fn step(&self, step: Step) -> Result<(), StepError> {
        if step.removes() {
            self.check_claim().await?;
        }
        match step {
            Step::Note(notes) => self.note(notes),
            Step::MakeFolder(path) => self.make_folder(&path).await,
            Step::Adopt(place, file) => self.adopt(&place, file).await,
            Step::Relocate(files) => self.relocate(files).await,
            Step::Copy(place, from) => self.copy(place, &from).await,
            Step::Upload(files) => self.upload(files).await,
            Step::Retire(files) => self.retire(files).await,
            Step::RetireFolder(path, folder) => self.retire_folder(&path, &folder).await,
            Step::RemoveFolder(path, folder) => self.remove_folder(&path, &folder).await,
        }
    }

    /// Sends batches side by side. After an error, and when something small is waiting, those
    /// under way finish and no other begins; the next cycle takes up the rest.
    async fn upload_all(&self, batches: Vec<Vec<Placement>>, stop: &Stop) -> Result<(), StepError> {
        let (failed, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
        let send = async |files: Vec<Placement>| {
            let is_first = begun.fetch_add(1, Ordering::Relaxed) < self.parallel_uploads.max(1);
            if stop.is_set() || failed.load(Ordering::Relaxed) || !is_first && self.gives_way() {
                self.report(|report| report.left_for_later += files.len() as u64);
                return Ok(());
            }
            self.upload(files).await.inspect_err(|_| failed.store(true, Ordering::Relaxed))
        };
        let mut running =
            stream::iter(batches).map(send).buffer_unordered(self.parallel_uploads.max(1));
        let mut outcome = Ok(());
        while let Some(done) = running.next().await {
            outcome = outcome.and(done);
        }
        outcome
    }

    /// How many links go into one call, as far as that is known of the service.
    pub(crate) fn links_per_call(&self) -> Result<usize, StepError> {
        Ok(self.state.read(|s| Habits::read(s))?.links_per_call())
    }

    /// Whether a change that was noticed meanwhile is due: it goes before bulk.
    pub(crate) fn gives_way(&self) -> bool {
        let (settle, at_most) = self.settle;
        self.dirty.next_due(settle, at_most).is_some_and(|due| due <= Instant::now())
    }

    /// Whether an error concerns only the files of the step that met it.
    pub(crate) fn is_local(error: &fichier_api::Error) -> bool {
        matches!(error.remedy(), Remedy::GiveUp)
    }

    /// Notes that `path` could not be mirrored, and when to look again.
    pub(crate) fn problem(&self, path: &RelPath, what: &str, hint: &str) -> Result<(), StepError> {
        let tries = self.state.read(|s| s.tries(self.mirror, path))?;
        let (now_s, wait_s) = (
            self.state.now_s(),
            PROBLEM_WAITS_S[PROBLEM_WAITS_S.len().min(tries as usize + 1) - 1],
        );
        let next_s = now_s + wait_s / i64::from(self.client.pacer().time_scale().max(1));
        self.state.write(|w| w.put_problem(self.mirror, path, what, hint, now_s, next_s))?;
        self.report(|report| report.problems += 1);
        if tries == 0 {
            tracing::warn!(path = %path, "cannot mirror `{path}`: {what}; {hint}");
        } else {
            tracing::debug!(path = %path, tries, "still cannot mirror `{path}`: {what}; {hint}");
        }
        Ok(())
    }

    /// What is at `path` now; an error means that the folder cannot be trusted.
    fn look(&self, path: &RelPath) -> Result<Option<Seen>, StepError> {
        self.scanner.look(path).map_err(|error| {
            let source_path = self.source.join(path.as_path());
            StepError::Root(RootTrouble::Unreadable { source_path, error })
        })
    }

    /// Metadata with what a listing does not tell: the extended attributes that `path` has now,
    /// and the holes of a sparse file. Without them if they cannot be read.
    pub(crate) fn whole_metadata(&self, path: &RelPath, metadata: &Metadata) -> Metadata {
        let xattrs = self.scanner.xattrs(path).unwrap_or_default();
        let holes = self.scanner.holes(path).unwrap_or_default();
        Metadata { xattrs, holes, ..metadata.clone() }
    }

    pub(crate) fn report(&self, change: impl FnOnce(&mut CycleReport)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Whether an error is about the account, the pace or the network, so that nothing else can
/// succeed now.
pub(crate) fn stops_everything(error: &fichier_api::Error) -> bool {
    match error.remedy() {
        Remedy::HoldOff(_) | Remedy::AskOperator => true,
        Remedy::TryAgain => matches!(error.kind, ErrorKind::Unreachable(_)),
        Remedy::GiveUp => false,
    }
}

/// Whether an error says that the thing asked for is not there.
pub(crate) fn is_gone(error: &fichier_api::Error) -> bool {
    matches!(error.kind, ErrorKind::NotFound)
}
