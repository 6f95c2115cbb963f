//! `check --probe`: the service is asked what its documentation does not say.
//!
//! In a folder of its own, at the top of the account, whose random name is on disk before it is
//! made. Whatever is in a folder of that name is ours; it is removed at the end, and by the next
//! run if this one dies. So is a file of that name in the account's root, where an upload to no
//! folder may end. Nothing else is touched.
//!
//! Costs about [`CALLS`] calls, slowly: listings of one folder are 30 s apart. An answer that is
//! not clear is none.

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

/// About so many calls are made.
pub const CALLS: u64 = 70;

/// It takes about as long, if nothing lags behind.
pub const TAKES: Duration = Duration::from_secs(5 * 60);

/// Why there are no answers, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The service.
    #[error(transparent)]
    Api(#[from] Error),
    /// The file that says which folder is ours.
    #[error("cannot write to the state folder")]
    Journal(#[source] std::io::Error),
    /// The test files.
    #[error("the test files cannot be made")]
    Files(#[source] std::io::Error),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Found {
    /// The answers that the program makes use of.
    pub habits: Habits,
    /// The others, for whoever maintains it.
    pub said: Vec<Said>,
    /// Why there are not more of them.
    pub stopped: Option<ProbeError>,
    /// What could not be removed: the folder's name.
    pub left: Option<String>,
}

/// An answer on which nothing depends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// What was tried.
    pub question: String,
    /// What came of it, in words.
    pub answer: String,
}

/// Asks, and removes what that took. `now_s` dates the answers; `say` tells how far it is.
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

    /// The service's time since then, in seconds.
    fn since_s(&self, begun: Instant) -> u64 {
        (begun.elapsed() * self.client.pacer().time_scale().max(1)).as_secs()
    }
}
