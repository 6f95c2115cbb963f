//! `check --probe`: asks the service what its documentation does not say.
//!
//! The probe works in a folder of its own, at the top of the account, whose random name is on disk
//! before the folder is made. The folder is removed at the end with the files and folders in it
//! that have our names, and by the next run if this one dies. So is a file of that name in the
//! account's root, which is where an upload to a missing folder may end. Nothing else is touched.
//!
//! Costs about [`CALLS`] calls, slowly: listings of one folder are 30 s apart. An answer that is
//! not clear is not recorded.

mod ask;
mod clean;
mod trials;

use std::path::Path;
use std::time::{Duration, Instant};

use fichier_api::names::RemoteName;
use fichier_api::{Client, Error, FolderId};
use serde::Serialize;

use self::clean::Journal;
use crate::remote::habits::Habits;

/// Calls that a probe makes, roughly.
pub const CALLS: u64 = 70;

/// How long a probe takes, roughly, if no listing lags behind.
pub const TAKES: Duration = Duration::from_secs(5 * 60);

/// Why there are no answers, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A call failed.
    #[error(transparent)]
    Api(#[from] Error),
    /// The note of the probe's own folder cannot be written.
    #[error("cannot write to the state folder")]
    Journal(#[source] std::io::Error),
    /// The test files cannot be made.
    #[error("the test files cannot be made")]
    Files(#[source] std::io::Error),
}

/// The result of a probe.
#[derive(Debug, Default)]
pub struct Found {
    /// The answers that the program uses.
    pub habits: Habits,
    /// The other answers, for the maintainers of the program.
    pub said: Vec<Said>,
    /// The error that ended the probe early.
    pub stopped: Option<ProbeError>,
    /// The name of the probe's folder, if it could not be removed.
    pub left: Option<String>,
}

/// An answer on which nothing depends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The thing that was tried.
    pub question: String,
    /// The service's answer, in words.
    pub answer: String,
}

/// Asks the service, and removes the files and folders that this took. `now_s` dates the answers;
/// `say` tells the progress.
///
/// # Errors
///
/// [`ProbeError`] if nothing was begun.
pub async fn probe(
    client: &Client,
    state_dir: &Path,
    now_s: i64,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Found, ProbeError> {
    let journal = Journal::at(state_dir);
    let probe = Probe { client, now_s, say };
    if let Some(name) = journal.read() {
        say("removing what an earlier run has left");
        if !probe.clean_by_name(&name).await? {
            return Ok(Found { left: Some(name), ..Found::default() });
        }
        journal.clear().map_err(ProbeError::Journal)?;
    }
    let name = journal.begin().map_err(ProbeError::Journal)?;
    let scratch =
        client.make_folder(FolderId::ROOT, &RemoteName::encode(name.as_bytes())).await?.id;
    let mut found = Found::default();
    found.stopped = probe.ask(scratch, &mut found).await.err();
    say("removing the test files");
    let mut is_clean = probe.clean(scratch).await.unwrap_or(false);
    if is_clean && found.stopped.is_none() {
        match probe.try_strays(scratch, &name, &mut found.said).await {
            Ok(is_rest_clean) => is_clean = is_rest_clean,
            Err(error) => {
                is_clean = false;
                found.stopped = Some(error);
            }
        }
    }
    if is_clean {
        journal.clear().map_err(ProbeError::Journal)?;
    }
    found.left = (!is_clean).then_some(name);
    Ok(found)
}

struct Probe<'a> {
    client: &'a Client,
    now_s: i64,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Probe<'_> {
    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time / self.client.pacer().time_scale().max(1)).await;
    }

    /// The time since `begun` in the service's time, in seconds.
    fn since_s(&self, begun: Instant) -> u64 {
        (begun.elapsed() * self.client.pacer().time_scale().max(1)).as_secs()
    }
}
