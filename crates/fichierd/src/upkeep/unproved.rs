//! Proves small files by a download whose hashes 1fichier does not tell: the last way, after
//! results, listings and `file/info` (`remote::unconfirmed`).
//!
//! One token each, a few in a run and so many in an hour. A file that comes with other bytes is a
//! problem, and its record stays unconfirmed: nothing is removed because of it.

use std::time::Duration;

use fichier_state::{Content, Entry, Origin, RemoteCopy};

use crate::remote::unconfirmed::{self, Downloaded, PROVED_UP_TO};
use crate::remote::{Remote, RemoteError};
use crate::upkeep::Situation;

/// Files that one run downloads, at most; then changes on disk get their turn.
const MOST_IN_A_RUN: usize = 10;

/// How long until a file is to be proved; `None` while there is none.
pub(crate) fn due_in(at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
    let now_s = at.state.now_s();
    let (left, wait_s) = at.state.read(|s| {
        let left = unconfirmed::unconfirmed(s, at.mirror.id)?;
        Ok((left.files, unconfirmed::next_in_s(s, now_s)?))
    })?;
    let wait = Duration::from_secs(u64::try_from(wait_s).unwrap_or(0));
    Ok((left > 0).then_some(wait))
}

/// The tokens of the next run.
pub(crate) fn calls_expected(at: Situation<'_>) -> Result<u64, RemoteError> {
    if due_in(at)? != Some(Duration::ZERO) {
        return Ok(0);
    }
    let left = at.state.read(|s| unconfirmed::unconfirmed(s, at.mirror.id))?.files;
    Ok(left.min(MOST_IN_A_RUN as u64))
}

impl Remote {
    /// Proves a few files.
    pub(crate) async fn prove_unconfirmed(&self) -> Result<(), RemoteError> {
        let waiting = self.waiting_problems()?;
        let left = self.state.read(|s| {
            s.not_confirmed_files(self.mirror, PROVED_UP_TO, MOST_IN_A_RUN + waiting.len())
        })?;
        let mut tried = 0;
        for entry in left {
            let Some(copy) = entry.remote().cloned() else { continue };
            let path = self.state.read(|s| s.path_of(entry.folder))?.join(&entry.name);
            if waiting.contains(&path) {
                continue;
            }
            if tried == MOST_IN_A_RUN || tried > 0 && self.gives_way() {
                break;
            }
            tried += 1;
            let size_bytes = entry.object_bytes();
            match self.prove_by_download(&copy.url, size_bytes, copy.whirlpool).await? {
                Downloaded::Same => {
                    let now_s = self.state.now_s();
                    self.state.write(|w| w.put_entry(&confirmed(&entry, &copy, now_s)))?;
                    // A look at it shows that the mirror is complete now.
                    self.dirty.mark(path);
                }
                Downloaded::Other => self.problem(
                    &path,
                    "1fichier tells no hash of it and gave other bytes back than were sent",
                    "it is not counted as safe, and downloaded again later; to send it again, \
                     change it",
                )?,
                Downloaded::NotNow => break,
            }
        }
        let now_s = self.state.now_s();
        Ok(self.state.write(|w| {
            if tried == 0 {
                // Each of them waits as a problem, and none is due before that.
                unconfirmed::put_off(w, now_s)?;
            }
            unconfirmed::note(w, self.mirror)
        })?)
    }
}

/// The record of a file whose content has been compared: it is as certain as one whose hash was
/// told.
pub(crate) fn confirmed(entry: &Entry, copy: &RemoteCopy, now_s: i64) -> Entry {
    let confirmed_s = if copy.is_confirmed() { copy.confirmed_s } else { now_s };
    let copy = RemoteCopy { origin: Origin::Sent, confirmed_s, ..copy.clone() };
    Entry { content: Content::File(copy), ..entry.clone() }
}
