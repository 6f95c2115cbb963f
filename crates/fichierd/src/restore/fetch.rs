//! Brings one content from the service into an unfinished file: resumed where it broke off, from
//! another copy where one is damaged, after the waits that the service's rules demand.
//!
//! An error of one content is told from one of the service by what comes meanwhile. A content that
//! is answered in the same wrong way again and again, while others come, is lost; the restore goes
//! on without it. If nothing else comes, the same answer ends the restore after [`MOST_EQUAL`]
//! times: unknown words may be a refusal, and to ask for ever helps nobody.
//!
//! Invariant: a file that is handed back has the size and the hash on record, and what was deciphered
//! its fingerprint, too; everything else is an error.

mod enciphered;
mod header;

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fichier_api::{Error, ErrorKind, Remedy};
use fichier_state::Holes;
use tokio::io::AsyncReadExt as _;

use super::plan::{Content, KeptCopy};
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

/// The name of the transfer itself in an error; another one is that of the call for an address.
const DOWNLOAD: &str = "download";

/// Equal answers in a row, to downloads of any content, after which the restore ends.
const MOST_EQUAL: u32 = 10;

/// Wrong answers, or broken connections, after which a content is given up while others come.
const TRIES_OF_ONE: u32 = 3;

/// Downloads for one restore.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub(super) client: fichier_api::Client,
    pub(super) progress: Arc<Progress>,
    pub(super) answers: Arc<Answers>,
}

/// What came of the downloads of one restore so far.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Contents that came.
    came: AtomicU64,
    /// The newest wrong answer, and how often it came since another one, or a content, did.
    newest: Mutex<(String, u32)>,
}

/// The failed tries of one content.
#[derive(Default)]
struct Tries {
    /// Waits, for whatever reason but a hold-off.
    waits: u32,
    /// Contents that had come when this one first failed.
    came_before: Option<u64>,
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
        let mut why = content.why_lost().unwrap_or_default().to_owned();
        let mut tries = Tries::default();
        for copy in &content.copies {
            loop {
                let tried = self.try_once(&goal, copy, present).await;
                let Err(error) = tried else {
                    self.answers.note_content();
                    return Ok(());
                };
                let had = present;
                present = 0;
                if matches!(error.kind, ErrorKind::Corrupt { .. }) && had > 0 {
                    // The bytes of an earlier try are not those of this content: it starts from the
                    // beginning.
                    continue;
                }
                match self.next(error, &mut tries).await {
                    Next::Again => present = length(file),
                    Next::OtherCopy(said) => {
                        why = said;
                        break;
                    }
                    Next::Stop(error) => return Err(NotFetched::Stopped(error)),
                }
            }
        }
        if content.locked > 0 && !content.copies.is_empty() {
            why = format!("{why}; another copy is encrypted with a password that is not at hand");
        }
        Err(NotFetched::Lost(why))
    }

    async fn try_once(&self, goal: &Goal<'_>, copy: &KeptCopy, present: u64) -> Result<(), Error> {
        let size_bytes = goal.content.size_bytes;
        let present = if present > size_bytes { 0 } else { present };
        match &copy.reader {
            None => self.try_plain(goal, copy, present).await?,
            Some(reader) => self.try_enciphered(goal, copy, reader, present).await?,
        }
        // A hole at the end is not written; it is made by the length.
        goal.file.set_len(size_bytes).map_err(disk)
    }

    async fn try_plain(&self, goal: &Goal<'_>, copy: &KeptCopy, present: u64) -> Result<(), Error> {
        let Goal { holes, file, meter, .. } = goal;
        let had = prepare(file, present).map_err(disk)?;
        let mut sink =
            PartSink::new(Arc::clone(file), Arc::clone(holes), present, Arc::clone(meter));
        let expect = Some((copy.stored_bytes, copy.whirlpool));
        let mut had = tokio::fs::File::from_std(had).take(present);
        let fetched = self.client.resume_download(&copy.url, expect, &mut had, &mut sink).await;
        meter.add_came(sink.taken());
        fetched.map(|_| ())
    }

    async fn next(&self, error: Error, tries: &mut Tries) -> Next {
        let said = chain(&error);
        let came = self.answers.came.load(Ordering::Relaxed);
        let others_came = came > *tries.came_before.get_or_insert(came);
        let wait = match (&error.kind, error.remedy()) {
            (ErrorKind::Corrupt { .. }, _) => {
                return Next::OtherCopy(format!("its copy on 1fichier is damaged: {said}"));
            }
            (ErrorKind::HeldOff { until, .. }, _) => {
                until.duration_since(SystemTime::now()).unwrap_or_default()
            }
            (ErrorKind::Throttled { .. } | ErrorKind::Locked, _) => Duration::ZERO,
            // The pacer waits; but the same words after ten waits are a refusal.
            (kind, Remedy::HoldOff(_))
                if self.answers.note_wrong(&kind.to_string()) < MOST_EQUAL =>
            {
                Duration::ZERO
            }
            (_, Remedy::HoldOff(_)) => return Next::Stop(error),
            (_, Remedy::AskOperator) => return Next::Stop(error),
            (_, Remedy::GiveUp) => return Next::OtherCopy(said),
            (kind, Remedy::TryAgain) => {
                tries.waits += 1;
                // Who got an address reached the service: only the download failed.
                let is_lost =
                    matches!(kind, ErrorKind::Unreachable(_)) && error.endpoint != DOWNLOAD;
                let is_away = is_lost || matches!(kind, ErrorKind::Maintenance);
                let is_equal = !is_away && self.answers.note_wrong(&kind.to_string()) >= MOST_EQUAL;
                // That another address downloads concerns every content.
                let may_be_the_content = !matches!(kind, ErrorKind::OneLocation);
                let is_the_content = others_came || !is_away && came > 0;
                if may_be_the_content && is_the_content && tries.waits >= TRIES_OF_ONE {
                    return Next::OtherCopy(said);
                }
                if is_equal || tries.waits > MOST_WAITS {
                    return Next::Stop(error);
                }
                self.scaled(pause(kind, tries.waits))
            }
        };
        if !wait.is_zero() {
            tracing::warn!("{said}; going on in {}", crate::base::words::duration(wait));
            self.progress.wait(said, wait).await;
        }
        Next::Again
    }

    fn scaled(&self, wait: Duration) -> Duration {
        wait / self.client.pacer().time_scale().max(1)
    }
}

impl Answers {
    /// Counts a content that came, which ends a row of wrong answers.
    fn note_content(&self) {
        self.came.fetch_add(1, Ordering::Relaxed);
        self.newest().1 = 0;
    }

    /// Counts a wrong answer. Returns how often it came in a row.
    fn note_wrong(&self, said: &str) -> u32 {
        let newest = &mut *self.newest();
        if newest.0 != said {
            *newest = (said.to_owned(), 0);
        }
        newest.1 += 1;
        newest.1
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, (String, u32)> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait after an error of this kind, which is the `waits`th of its content.
fn pause(kind: &ErrorKind, waits: u32) -> Duration {
    if matches!(kind, ErrorKind::OneLocation) {
        return LOCATION_WAIT;
    }
    let doubled = FIRST_WAIT * 2_u32.saturating_pow(waits.saturating_sub(1).min(8));
    doubled.min(LONGEST_WAIT)
}

/// Cuts the file to what is present, and opens that for reading.
fn prepare(file: &File, present: u64) -> io::Result<File> {
    use std::io::Seek as _;
    file.set_len(present)?;
    let mut had = file.try_clone()?;
    had.seek(io::SeekFrom::Start(0))?;
    Ok(had)
}

/// The error of a file that cannot be written or read.
fn disk(error: io::Error) -> Error {
    Error { endpoint: DOWNLOAD, attempts: 0, kind: ErrorKind::Sink(error) }
}

fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |found| found.len())
}

fn chain(error: &dyn std::error::Error) -> String {
    crate::base::words::chain(error)
}
