//! Carries out a plan: the only place from which the service is changed.
//!
//! Each step writes its intent, makes its call, and writes the outcome; the same code, given an
//! intent that an earlier run left behind, finishes it (`finish`). A refusal that concerns some
//! files becomes a problem of these files and the plan goes on; an error that concerns the account
//! or the network ends the cycle.
//!
//! Invariants kept here: I1 (a record is written when the service has confirmed), I2, I3 (the
//! intent is on disk first), I4 (the old copy is retired after the new one is confirmed).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream;

use tokio_util::sync::CancellationToken;

use crate::plan::{BatchLimits, Placement, Plan, Step};
use crate::remote::Remote;
use crate::remote::error::RemoteError;
use crate::remote::source::Source;

mod arrive;
mod back;
mod copy;
mod delivery;
mod gone_folders;
mod leftovers;
mod matching;
mod naming;
mod publish;
mod recognise;
mod records;
mod relocate;
mod remove;
mod unproved;
mod upload;
mod waiting;

use arrive::Fate;
pub(crate) use arrive::Look;
pub(crate) use back::calls_for_names;
pub(crate) use leftovers::leftovers_since_s;
pub(crate) use matching::Arrived;
pub(crate) use records::{has_begun, other_name};
pub(crate) use remove::{Leaving, Removal};
pub(crate) use upload::BANDWIDTH;
pub(crate) use waiting::given_up_at_s;

/// Executes the steps of one cycle of one mirror.
pub struct Executor {
    /// The target on the service.
    pub remote: Remote,
    /// The watched folder.
    pub source: Source,
    /// How files are sent, and the progress of that.
    pub uploads: Uploads,
}

/// How the contents of files are sent, and how far that is.
pub struct Uploads {
    /// How many of the process's upload slots this mirror may use.
    pub parallel: usize,
    /// Bytes handed to the network, for progress.
    pub sent_bytes: Arc<AtomicU64>,
    /// Bytes that this cycle has to send, for progress.
    pub planned_bytes: Arc<AtomicU64>,
}

/// What the steps until now leave to be sent, side by side.
#[derive(Default)]
struct Sending {
    batches: Vec<Vec<Placement>>,
    /// Files that were not recognised on the service.
    unrecognised: Vec<Placement>,
    /// Why no download server could be reached, once that has happened.
    unreachable: Option<String>,
}

impl Sending {
    fn take(&mut self) -> Vec<Vec<Placement>> {
        let mut batches = std::mem::take(&mut self.batches);
        batches.extend(BatchLimits::default().cut(std::mem::take(&mut self.unrecognised)));
        batches
    }
}

impl Executor {
    /// Executes `plan`, step by step; uploads side by side.
    ///
    /// # Errors
    ///
    /// An error that stops all further work of this mirror: of the account, the network or the
    /// state file, or a watched folder that is not the one it was. The steps until then are on
    /// record.
    pub async fn execute(&self, plan: Plan, stop: &CancellationToken) -> Result<(), RemoteError> {
        let mut sending = Sending::default();
        let mut steps = plan.steps.into_iter().peekable();
        while let Some(step) = steps.next() {
            if stop.is_cancelled() {
                return Ok(());
            }
            self.step(step, &mut sending).await?;
            if !steps.peek().is_some_and(Step::sends) {
                self.upload_all(sending.take(), stop).await?;
            }
        }
        Ok(())
    }

    async fn step(&self, step: Step, sending: &mut Sending) -> Result<(), RemoteError> {
        if step.removes() {
            self.remote.check_claim().await?;
        }
        match step {
            Step::Note(notes) => self.note(notes),
            Step::MakeFolder(path) => self.remote.make_folder(&path).await,
            Step::Adopt(place, file) => self.adopt(&place, file, None).await,
            Step::Relocate(files) => self.relocate(files).await,
            Step::BringBack(files) => self.bring_back(files).await,
            Step::Copy(place, from) => self.copy(place, &from).await,
            Step::Recognise(place, file) => self.recognise(place, file, sending).await,
            Step::Upload(files) => {
                sending.batches.push(files);
                Ok(())
            }
            Step::Retire(files) => self.retire(files).await,
            Step::RetireFolder(path, folder) => self.retire_folder(&path, &folder).await,
            Step::RemoveFolder(path, folder) => self.remove_folder(&path, &folder).await,
        }
    }

    /// Sends batches side by side. After an error, and when something small is waiting, the batches
    /// under way finish and no other begins; the next cycle sends the rest.
    async fn upload_all(
        &self,
        batches: Vec<Vec<Placement>>,
        stop: &CancellationToken,
    ) -> Result<(), RemoteError> {
        let (failed, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
        let send = async |files: Vec<Placement>| {
            let is_first = begun.fetch_add(1, Ordering::Relaxed) < self.uploads.parallel.max(1);
            if stop.is_cancelled()
                || failed.load(Ordering::Relaxed)
                || !is_first && self.remote.gives_way()
            {
                self.remote.report(|report| report.left_for_later += files.len() as u64);
                return Ok(());
            }
            self.upload(files).await.inspect_err(|_| failed.store(true, Ordering::Relaxed))
        };
        let mut running =
            stream::iter(batches).map(send).buffer_unordered(self.uploads.parallel.max(1));
        let mut outcome = Ok(());
        while let Some(done) = running.next().await {
            outcome = outcome.and(done);
        }
        outcome
    }
}
