//! Restless files: they are being written whenever they are due, or while they are read.
//!
//! Such a file is tried a few times. Then it is published as it was read, flagged, and waits again
//! for `settle_at_most`. So a busy log has a copy that is some minutes old, and costs an upload
//! every few minutes at most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use fichier_state::RelPath;

/// Tries to read a file without a change meanwhile; after that it is sent as it was read.
const TRIES_BEFORE_UNSETTLED: u32 = 3;

/// The restless files of one mirror.
#[derive(Debug)]
pub(super) struct RestlessFiles {
    files: BTreeMap<RelPath, Restless>,
    settle_at_most: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Restless {
    since: Instant,
    last: Instant,
    tries: u32,
}

impl RestlessFiles {
    /// Makes an empty list. A restless file is put off for `settle_at_most`.
    pub(super) fn new(settle_at_most: Duration) -> RestlessFiles {
        RestlessFiles { files: BTreeMap::new(), settle_at_most }
    }

    /// The files that have been restless for so long that they are read without waiting further.
    pub(super) fn forced(&self) -> BTreeSet<RelPath> {
        self.those(|file| file.tries > 0 || file.since.elapsed() >= self.settle_at_most)
    }

    /// The files whose tries are used up, and which are sent as they are read.
    pub(super) fn unsettled(&self) -> BTreeSet<RelPath> {
        self.those(|file| file.tries >= TRIES_BEFORE_UNSETTLED)
    }

    /// Takes note of a cycle: `not_quiet` are the files that were being written when they were due,
    /// `changed` those that changed while they were read.
    pub(super) fn remember(&mut self, not_quiet: &[RelPath], changed: &BTreeSet<RelPath>) {
        let now = Instant::now();
        let fresh = Restless { since: now, last: now, tries: 0 };
        for path in not_quiet.iter().chain(changed) {
            self.files.entry(path.clone()).or_insert(fresh).last = now;
        }
        for path in changed {
            if let Some(file) = self.files.get_mut(path) {
                // A file that was sent as it was read starts anew, and waits again.
                let was_sent = file.tries >= TRIES_BEFORE_UNSETTLED;
                *file = if was_sent { fresh } else { Restless { tries: file.tries + 1, ..*file } };
            }
        }
        let forget_after = self.settle_at_most * 2;
        self.files.retain(|_, file| file.last.elapsed() < forget_after);
    }

    fn those(&self, which: impl Fn(&Restless) -> bool) -> BTreeSet<RelPath> {
        let chosen = self.files.iter().filter(|(_, file)| which(file));
        chosen.map(|(path, _)| path.clone()).collect()
    }
}
