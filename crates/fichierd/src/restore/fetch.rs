//! Brings one content from the service into an unfinished file: resumed where it broke off, from
//! another copy where one is damaged, after the waits that the service's rules demand.
//!
//! Invariant: a file that is handed back has the size and the hash on record; everything else is an
//! error.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fichier_api::{Error, ErrorKind, FileUrl, Remedy, Whirlpool};
use fichier_state::Holes;
use tokio::io::AsyncReadExt as _;

use super::plan::Content;
use super::report::{Meter, Progress};
use super::sink::PartSink;

/// How long to wait while another address downloads (docs/api-notes.md, D).
const LOCATION_WAIT: Duration = Duration::from_secs(5 * 60);

/// The number of waits for an absent service, about an hour together; after the last one the
/// restore gives up.
const MOST_WAITS: u32 = 14;

/// The first wait for an absent service; each one after it is longer, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// The longest single wait for an absent service.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// Downloads for one restore.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub(super) client: fichier_api::Client,
    pub(super) progress: Arc<Progress>,
}

/// Why a content was not fetched.
#[derive(Debug)]
pub(super) enum NotFetched {
    /// Every copy is gone or damaged; the text says why the last one was not taken.
    Lost(String),
    /// An error that would stop every other download too.
    Stopped(Error),
}

/// The next step after a failure.
enum Next {
    Again,
    OtherCopy(String),
    Stop(Error),
}

/// A content to download, and the file that it goes into.
struct Goal<'a> {
    content: &'a Content,
    holes: &'a Arc<Holes>,
    file: &'a Arc<File>,
    meter: &'a Arc<Meter>,
}

impl Fetcher {
    /// Fills `file`, whose first `present` bytes are from an earlier try.
    pub(super) async fn fetch(
        &self,
        content: &Content,
        holes: Arc<Holes>,
        file: &Arc<File>,
        mut present: u64,
        meter: &Arc<Meter>,
    ) -> Result<(), NotFetched> {
        let goal = Goal { content, holes: &holes, file, meter };
        let mut why = "it is no longer kept".to_owned();
        let mut waits = 0;
        for (url, whirlpool) in content.urls() {
            loop {
                let tried = self.try_once(&goal, url, *whirlpool, present).await;
                let Err(error) = tried else { return Ok(()) };
                let had = present;
                present = 0;
                if matches!(error.kind, ErrorKind::Corrupt { .. }) && had > 0 {
                    // The bytes of an earlier try are not those of this content: it starts from the
                    // beginning.
                    continue;
                }
                match self.next(error, &mut waits).await {
                    Next::Again => present = length(file),
                    Next::OtherCopy(said) => {
                        why = said;
                        break;
                    }
                    Next::Stop(error) => return Err(NotFetched::Stopped(error)),
                }
            }
        }
        Err(NotFetched::Lost(why))
    }

    async fn try_once(
        &self,
        goal: &Goal<'_>,
        url: &FileUrl,
        whirlpool: Whirlpool,
        present: u64,
    ) -> Result<(), Error> {
        let Goal { content, holes, file, meter } = goal;
        let present = if present > content.size_bytes { 0 } else { present };
        let prepared = prepare(file, present);
        let had = prepared.map_err(|error| Error {
            endpoint: "download",
            attempts: 0,
            kind: ErrorKind::Sink(error),
        })?;
        let mut sink =
            PartSink::new(Arc::clone(file), Arc::clone(holes), present, Arc::clone(meter));
        let expect = Some((content.size_bytes, whirlpool));
        let mut had = tokio::fs::File::from_std(had).take(present);
        self.client.resume_download(url, expect, &mut had, &mut sink).await?;
        // A hole at the end is not written; it is made by the length.
        let whole = file.set_len(content.size_bytes);
        whole.map_err(|error| Error {
            endpoint: "download",
            attempts: 1,
            kind: ErrorKind::Sink(error),
        })?;
        Ok(())
    }

    async fn next(&self, error: Error, waits: &mut u32) -> Next {
        let said = chain(&error);
        let wait = match (&error.kind, error.remedy()) {
            (ErrorKind::Corrupt { .. }, _) => {
                return Next::OtherCopy(format!("its copy on 1fichier is damaged: {said}"));
            }
            (ErrorKind::OneLocation, _) => self.scaled(LOCATION_WAIT),
            (ErrorKind::HeldOff { until, .. }, _) => {
                until.duration_since(SystemTime::now()).unwrap_or_default()
            }
            (_, Remedy::HoldOff(_)) => Duration::ZERO,
            (_, Remedy::TryAgain) => {
                let doubled = FIRST_WAIT * 2_u32.saturating_pow((*waits).min(8));
                self.scaled(doubled.min(LONGEST_WAIT))
            }
            (_, Remedy::AskOperator) => return Next::Stop(error),
            (_, Remedy::GiveUp) => return Next::OtherCopy(said),
        };
        // A hold-off has an end of its own; other waits are counted.
        let is_counted = !matches!(error.kind, ErrorKind::HeldOff { .. })
            && !matches!(error.remedy(), Remedy::HoldOff(_));
        *waits += u32::from(is_counted);
        if *waits > MOST_WAITS {
            return Next::Stop(error);
        }
        if !wait.is_zero() {
            let shown = crate::base::words::duration(wait);
            let text = format!("{said}; going on in {shown}");
            tracing::warn!("{text}");
            self.progress.set_waiting(Some(text));
            tokio::time::sleep(wait).await;
            self.progress.set_waiting(None);
        }
        Next::Again
    }

    fn scaled(&self, wait: Duration) -> Duration {
        wait / self.client.pacer().time_scale().max(1)
    }
}

/// Cuts the file to what is present, and opens that for reading.
fn prepare(file: &File, present: u64) -> std::io::Result<File> {
    use std::io::Seek as _;
    file.set_len(present)?;
    let mut had = file.try_clone()?;
    had.seek(std::io::SeekFrom::Start(0))?;
    Ok(had)
}

fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |found| found.len())
}

fn chain(error: &dyn std::error::Error) -> String {
    crate::base::words::chain(error)
}
