//! The target on 1fichier, and the only hand that changes it: intent, call, record.
//!
//! May be used by `upkeep` and what stands above it; uses `plan` and what stands below it. Only this
//! folder and `upkeep` make calls that change the service. Each of them is written down before it
//! is made (I3), and recorded when the service has confirmed it (I1).

pub mod claims;
pub mod cut_names;
pub mod error;
pub mod execute;
pub mod finish;
pub(crate) mod folders;
pub mod habits;
pub mod layout;
pub mod ledger;
pub mod looked;
pub mod owner;
pub mod probe;
mod report;
pub mod retarget;
mod source;
pub mod target;
pub mod trust;
pub mod unconfirmed;

mod bring;
mod folder_move;
mod lost;
pub(crate) mod marker;
mod nodes;
mod prune;
pub(crate) mod rename_folders;
mod stored_names;
mod strays;
pub(crate) mod versions;

pub(crate) use self::bring::{Brought, Parcel};
pub(crate) use self::claims::Fence;
pub use self::error::{RemoteError, TargetRefused, unreachable};
pub(crate) use self::execute::{Arrived, Leaving, Removal, calls_for_names, has_begun};
pub use self::execute::{Executor, Uploads};
pub use self::folder_move::FolderMove;
pub(crate) use self::folders::SubFolder;
pub use self::habits::{
    By, Download, FolderTaken, FullFolder, Habits, Learnt, LinkAfterMove, NameTaken, RemoveUnknown,
};
pub use self::layout::Places;
pub use self::ledger::Canary;
pub(crate) use self::ledger::{Ledger, Made, UnderWay};
pub(crate) use self::nodes::{Refusal, is_refusal, nodes_refuse};
pub use self::probe::{Found, Said};
pub use self::report::{CycleReport, Linked};
pub use self::source::Source;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_api::{Client, FolderId};
use fichier_state::{MirrorId, NewProblem, Problem, RelPath};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::base::{Form, Random, State};
use crate::disk::DirtyQueue;

/// Seconds until a path with a problem is tried again, by how often it has been tried.
const PROBLEM_WAITS_S: [i64; 5] = [60, 300, 900, 3600, 6 * 3600];

/// One mirror's side of the service: everything that a change there needs, and nothing of the disk.
pub struct Remote {
    /// The service.
    pub client: Client,
    /// The state file.
    pub state: State,
    /// The mirror's row.
    pub mirror: MirrorId,
    /// Where things go.
    pub places: Places,
    /// How files and names are stored there.
    pub form: Form,
    /// Whether what leaves its place is kept as a version (`keep`), or removed.
    pub keep_versions: bool,
    /// Uploads that may run at once, in the whole process.
    pub slots: Arc<Semaphore>,
    /// For names that must not repeat.
    pub random: Random,
    /// Paths to look at again.
    pub dirty: DirtyQueue,
    /// When such a path is due.
    pub settle: Settle,
    /// Sub-folders by name of parents that had to be listed before something was made there.
    pub names_there: Mutex<HashMap<FolderId, HashMap<RemoteName, FolderId>>>,
    /// What has been done so far.
    pub report: Mutex<CycleReport>,
}

/// When a path that was changed is due.
#[derive(Clone, Copy, Debug)]
pub struct Settle {
    /// After it has been quiet for this long.
    pub quiet: Duration,
    /// After this long, however busy it is.
    pub at_most: Duration,
}

impl Remote {
    /// How many links go into one call, as far as that is known of the service.
    pub(crate) fn links_per_call(&self) -> Result<usize, RemoteError> {
        Ok(self.state.read(|s| Habits::read(s))?.links_per_call())
    }

    /// Whether a change that was noticed meanwhile is due: it goes before bulk.
    pub(crate) fn gives_way(&self) -> bool {
        let Settle { quiet, at_most } = self.settle;
        self.dirty.next_due(quiet, at_most).is_some_and(|due| due <= Instant::now())
    }

    /// Notes that `path` could not be mirrored, and when to look at it again.
    pub(crate) fn problem(
        &self,
        path: &RelPath,
        what: &str,
        hint: &str,
    ) -> Result<(), RemoteError> {
        self.note_problem(NewProblem { path, what, hint, is_wide: false, next_try_s: 0 })
    }

    /// The same for a path whose next try is a look at the whole mirror.
    pub(crate) fn wide_problem(
        &self,
        path: &RelPath,
        what: &str,
        hint: &str,
    ) -> Result<(), RemoteError> {
        self.note_problem(NewProblem { path, what, hint, is_wide: true, next_try_s: 0 })
    }

    /// Puts off those of the problems that were `due` when a look began and that it has neither
    /// solved nor told of again: they would be due at once, over and over, each time with a look at
    /// their paths.
    pub(crate) fn put_off_problems(&self, due: &[Problem]) -> Result<(), RemoteError> {
        if due.is_empty() {
            return Ok(());
        }
        let now = self.state.read(|s| s.problems(Some(self.mirror)))?;
        for problem in now.iter().filter(|problem| due.contains(problem)) {
            let Problem { path, what, hint, is_wide, .. } = problem;
            self.note_problem(NewProblem { path, what, hint, is_wide: *is_wide, next_try_s: 0 })?;
        }
        Ok(())
    }

    /// The same for one of many paths that have a cause which was just told: the journal tells it
    /// once.
    pub(crate) fn further_problem(
        &self,
        path: &RelPath,
        what: &str,
        hint: &str,
    ) -> Result<(), RemoteError> {
        self.record_problem(NewProblem { path, what, hint, is_wide: false, next_try_s: 0 })?;
        Ok(())
    }

    fn note_problem(&self, problem: NewProblem<'_>) -> Result<(), RemoteError> {
        let NewProblem { path, what, hint, .. } = problem;
        let tries = self.record_problem(problem)?;
        if tries == 0 {
            tracing::warn!(path = %path, "cannot mirror `{path}`: {what}; {hint}");
        } else {
            tracing::debug!(path = %path, tries, "still cannot mirror `{path}`: {what}; {hint}");
        }
        Ok(())
    }

    /// Returns how often the path was tried before.
    fn record_problem(&self, problem: NewProblem<'_>) -> Result<u32, RemoteError> {
        let tries = self.state.read(|s| s.tries(self.mirror, problem.path))?;
        let now_s = self.state.now_s();
        let wait_s = PROBLEM_WAITS_S[PROBLEM_WAITS_S.len().min(tries as usize + 1) - 1];
        let wait_s = wait_s / i64::from(self.client.pacer().time_scale().max(1));
        let problem = NewProblem { next_try_s: now_s + wait_s, ..problem };
        self.state.write(|w| w.put_problem(self.mirror, &problem, now_s))?;
        self.report(|report| report.problems += 1);
        Ok(tries)
    }

    pub(crate) fn report(&self, change: impl FnOnce(&mut CycleReport)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
