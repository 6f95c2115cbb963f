//! Removes the versions folders of past days in which no version is left, with the remains of the
//! folders that were moved there whole.
//!
//! A folder is removed only when a listing just showed it empty (I2). A folder that holds something
//! is looked at again a day later, because listings show removed files for a while; if something is
//! still in it then, it was not put there by us. That folder stays, and is not looked at any more.

use fichier_api::FolderId;
use fichier_state::VersionsFolder;

use super::DAY_S;
use crate::base::Fact;
use crate::remote::error::{is_gone, is_local};
use crate::remote::layout::utc_day;
use crate::remote::{Remote, RemoteError};

/// Emptied folders that one run reads from the state, at most; further ones wait for the next run.
const MOST_KNOWN: usize = 1_000;

/// The outcome for a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Gone,
    HoldsSomething,
    OutOfCalls,
}

/// The calls that one run has left, and what it has removed.
struct Run<'a> {
    calls: &'a mut usize,
    removed: usize,
}

impl Remote {
    /// Removes emptied versions folders. Returns whether that is all that can be done today.
    pub(super) async fn remove_emptied_folders(
        &self,
        calls: &mut usize,
    ) -> Result<bool, RemoteError> {
        let (now_s, today) = (self.state.now_s(), utc_day(self.state.now_s()));
        let emptied =
            self.state.read(|s| s.emptied_versions_folders(self.mirror, &today, MOST_KNOWN))?;
        let mut run = Run { calls, removed: 0 };
        for folder in emptied {
            let seen_s = self.state.read(|s| held_something_at_s(&folder).read(s))?;
            if seen_s.is_some_and(|seen_s| (seen_s..seen_s + DAY_S / 2).contains(&now_s)) {
                continue;
            }
            let is_over = match self.clear(folder.id, &mut run).await? {
                Fate::Gone => true,
                Fate::HoldsSomething if seen_s.is_some() => {
                    tracing::info!(
                        "the versions folder of {} holds things that fichierd did not put there, \
                         and stays",
                        folder.day
                    );
                    true
                }
                Fate::HoldsSomething => false,
                // A tree so deep that a run does not reach its leaves waits for tomorrow.
                Fate::OutOfCalls => return Ok(run.removed == 0),
            };
            let seen = held_something_at_s(&folder);
            self.state.write(|w| {
                if is_over {
                    seen.forget(w)?;
                    w.forget_versions_folder(folder.id)
                } else {
                    seen.keep(w, &now_s)
                }
            })?;
        }
        Ok(true)
    }

    /// Removes a folder with its sub-folders, as far as listings show them empty.
    async fn clear(&self, id: FolderId, run: &mut Run<'_>) -> Result<Fate, RemoteError> {
        // The second look comes after the sub-folders were removed, and has to show the folder
        // empty.
        for _ in 0..2 {
            if *run.calls < 2 {
                return Ok(Fate::OutOfCalls);
            }
            *run.calls -= 1;
            let listing = match self.client.list_folder(id).await {
                Ok(listing) => listing,
                Err(error) if is_gone(&error) => return Ok(Fate::Gone),
                Err(error) => return Err(error.into()),
            };
            if !listing.complete || !listing.files.is_empty() {
                return Ok(Fate::HoldsSomething);
            }
            if listing.folders.is_empty() {
                return self.remove_empty(id, run).await;
            }
            for inside in &listing.folders {
                match Box::pin(self.clear(inside.id, run)).await? {
                    Fate::Gone => {}
                    other @ (Fate::HoldsSomething | Fate::OutOfCalls) => return Ok(other),
                }
            }
        }
        Ok(Fate::HoldsSomething)
    }

    async fn remove_empty(&self, id: FolderId, run: &mut Run<'_>) -> Result<Fate, RemoteError> {
        *run.calls = run.calls.saturating_sub(1);
        match self.client.remove_folder(id).await {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {}
            // The service counts removed files for a while.
            Err(error) if is_local(&error) => return Ok(Fate::HoldsSomething),
            Err(error) => return Err(error.into()),
        }
        run.removed += 1;
        Ok(Fate::Gone)
    }
}

/// When a listing showed something in an emptied folder; Unix seconds.
fn held_something_at_s(folder: &VersionsFolder) -> Fact<i64> {
    Fact::about(format!("versions folder {} held something", folder.id))
}
