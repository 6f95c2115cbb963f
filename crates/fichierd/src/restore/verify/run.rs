//! Downloads the contents of a sample, some at a time, and keeps the findings.
//!
//! An error of one file is a finding, and the rest goes on; a content that comes damaged is
//! downloaded once more before it is called so. An error of the account, the address or the network
//! ends the run: no other download would succeed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use fichier_api::{Client, Error, ErrorKind, Remedy};
use fichier_state::RelPath;
use futures_util::{StreamExt as _, stream};
use tokio::io::AsyncWrite;

use super::sample::{Sample, Wanted};
use crate::base::words::chain;
use crate::restore::decipher::{Decipher, PlainHash, explained, other_bytes};
use crate::restore::keyring::{Keyring, Reader};

/// The number of missing files after which the run ends: asking for more leads to a ban
/// (docs/api-notes.md, A.5).
const MOST_MISSING: usize = 10;

/// A verification that is about to run.
#[derive(Debug)]
pub struct Verify {
    /// The client for the service.
    pub client: Client,
    /// The keys that files are deciphered with. One whose keys are lacking is compared as it is stored.
    pub keyring: Keyring,
    /// Downloads at one time.
    pub parallel: usize,
    /// The counters that are shown while it runs.
    pub progress: Arc<Progress>,
}

/// The progress of a verification.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes that came.
    pub bytes: AtomicU64,
    /// Contents that are done.
    pub contents: AtomicU64,
}

/// The result of a verification.
#[derive(Debug, Default)]
pub struct VerifyOutcome {
    /// Files whose content was compared, equal or not.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Downloads that ended.
    pub downloads: u64,
    /// Files that are not as recorded, by path.
    pub findings: Vec<Finding>,
    /// Files that were compared as they are stored only, since their keys are not at hand.
    pub not_deciphered: u64,
    /// Files that came as recorded, and whose hashes the service has not told.
    pub proved: Vec<Wanted>,
    /// The error that ended the run early.
    pub stopped: Option<Error>,
}

/// One file that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file and its content.
    pub wanted: Wanted,
    /// The kind of difference.
    pub wrong: Wrong,
    /// A sentence for people.
    pub what: String,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Its content came twice, and differed from the record both times.
    Damaged,
    /// The service does not know it.
    Missing,
    /// The service refuses to give it out.
    Refused,
}

/// The result for one content.
enum Came {
    Whole,
    Not(Wrong, String),
    Stopped(Error),
    /// The run had ended before this content's turn.
    NotTried,
}

impl Verify {
    /// Downloads all of `sample`.
    pub async fn run(self, sample: Sample) -> VerifyOutcome {
        let (stop, locked) = (AtomicBool::new(false), AtomicU64::new(0));
        let one = async |wanted: Wanted| {
            if stop.load(Ordering::Relaxed) {
                return (wanted, Came::NotTried);
            }
            let reader = self.keyring.reader(wanted.cipher.as_ref());
            let is_locked = reader.is_err();
            let came = self.compare(&wanted, reader.ok().flatten().as_ref()).await;
            if matches!(came, Came::Stopped(_)) {
                stop.store(true, Ordering::Relaxed);
            }
            self.progress.contents.fetch_add(1, Ordering::Relaxed);
            if is_locked && !matches!(came, Came::Stopped(_)) {
                locked.fetch_add(wanted.files, Ordering::Relaxed);
            }
            (wanted, came)
        };
        let mut outcome = VerifyOutcome::default();
        let contents = stream::iter(sample.contents).map(one);
        let mut running = contents.buffer_unordered(self.parallel.max(1));
        while let Some((wanted, came)) = running.next().await {
            outcome.take(wanted, came);
            let is_missing = |finding: &&Finding| finding.wrong == Wrong::Missing;
            if outcome.findings.iter().filter(is_missing).count() >= MOST_MISSING {
                stop.store(true, Ordering::Relaxed);
            }
        }
        drop(running);
        outcome.not_deciphered = locked.into_inner();
        outcome.findings.sort_by(|one, other| one.wanted.path.cmp(&other.wanted.path));
        outcome
    }

    async fn compare(&self, wanted: &Wanted, reader: Option<&Reader>) -> Came {
        let mut tries = 0;
        loop {
            let Err(error) = self.fetch(wanted, reader).await else { return Came::Whole };
            tries += 1;
            return match (&error.kind, error.remedy()) {
                (ErrorKind::Corrupt { .. }, _) if tries == 1 => continue,
                (ErrorKind::Corrupt { .. }, _) => Came::Not(Wrong::Damaged, chain(&error)),
                (ErrorKind::NotFound, _) => Came::Not(Wrong::Missing, chain(&error)),
                (_, Remedy::GiveUp) => Came::Not(Wrong::Refused, chain(&error)),
                (_, Remedy::TryAgain | Remedy::HoldOff(_) | Remedy::AskOperator) => {
                    Came::Stopped(error)
                }
            };
        }
    }

    /// Downloads a content, and compares what is stored; and what it deciphers to, if there is a
    /// reader.
    async fn fetch(&self, wanted: &Wanted, reader: Option<&Reader>) -> Result<(), Error> {
        let expect = Some((wanted.stored_bytes(), wanted.whirlpool));
        let Some(reader) = reader else {
            let mut sink = Counted { bytes: &self.progress.bytes, to: tokio::io::sink() };
            return self.client.download(&wanted.url, expect, &mut sink).await.map(|_| ());
        };
        let hash = PlainHash::default();
        let extent = (0, wanted.stored_bytes());
        let to = Decipher::new(tokio::io::sink(), reader, extent, hash.clone());
        let mut sink = Counted { bytes: &self.progress.bytes, to };
        let came = self.client.download(&wanted.url, expect, &mut sink).await;
        came.map_err(explained)?;
        if sink.to.has_ended() && hash.fingerprint() == wanted.fingerprint {
            return Ok(());
        }
        Err(other_bytes())
    }
}

impl VerifyOutcome {
    fn take(&mut self, wanted: Wanted, came: Came) {
        let (files, bytes) = (wanted.files, wanted.files * wanted.size_bytes);
        match came {
            Came::Whole => {
                self.downloads += 1;
                if !wanted.is_confirmed {
                    self.proved.push(wanted);
                }
            }
            Came::Not(wrong, what) => {
                self.downloads += u64::from(wrong == Wrong::Damaged);
                self.findings.push(Finding { wanted, wrong, what });
            }
            Came::Stopped(error) => {
                self.stopped.get_or_insert(error);
                return;
            }
            Came::NotTried => return,
        }
        self.files += files;
        self.bytes += bytes;
    }

    /// The paths that are wrong in this way.
    pub fn paths(&self, wrong: Wrong) -> impl Iterator<Item = &RelPath> {
        let of_kind = self.findings.iter().filter(move |finding| finding.wrong == wrong);
        of_kind.map(|finding| &finding.wanted.path)
    }
}

/// Counts bytes on their way.
struct Counted<'a, W> {
    bytes: &'a AtomicU64,
    to: W,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<'_, W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = ready!(Pin::new(&mut self.to).poll_write(context, bytes))?;
        self.bytes.fetch_add(taken as u64, Ordering::Relaxed);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.to).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.to).poll_shutdown(context)
    }
}
