//! The result of a restore, and its progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fichier_state::RelPath;

use super::metadata::Unset;

/// The number of problems that are kept with their paths; later ones are only counted.
const MOST_PROBLEMS: usize = 1_000;

/// What was done about everything in a plan.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Files that were written.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Downloads that ended well.
    pub downloads: u64,
    /// Bytes that these downloads brought.
    pub downloaded_bytes: u64,
    /// Files that were there with the same content.
    pub same: u64,
    /// Files that differ, and were left as they are (`--overwrite never`).
    pub left: u64,
    /// Symbolic links that were made.
    pub links: u64,
    /// Folders that were made.
    pub folders: u64,
    /// The first paths that could not be restored.
    pub problems: Vec<Problem>,
    /// The number of all paths that could not be restored.
    pub problem_count: u64,
    /// Metadata that could not be set.
    pub unset: Unset,
}

/// One path that could not be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path.
    pub path: RelPath,
    /// The reason.
    pub what: String,
    /// Advice; may be empty.
    pub hint: String,
}

impl Report {
    /// Notes a path that could not be restored.
    pub(super) fn problem(&mut self, path: &RelPath, what: impl Into<String>, hint: &str) {
        self.problem_count += 1;
        if self.problems.len() < MOST_PROBLEMS {
            let (path, hint) = (path.clone(), hint.to_owned());
            self.problems.push(Problem { path, what: what.into(), hint });
        }
    }
}

/// The progress of a restore, shown while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Files to write or compare.
    pub files: AtomicU64,
    /// Files that are done.
    pub files_done: AtomicU64,
    /// Bytes of all files.
    pub bytes: AtomicU64,
    /// Bytes of files that are done or on their way.
    pub bytes_done: Arc<AtomicU64>,
    waiting: Mutex<Option<String>>,
}

impl Progress {
    /// Why the restore waits at the moment, for people.
    pub fn waiting(&self) -> Option<String> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_waiting(&self, why: Option<String>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// A meter for one download.
    pub(super) fn meter(&self) -> Meter {
        Meter { all: Arc::clone(&self.bytes_done), came: AtomicU64::new(0) }
    }

    /// Counts files as done, restored or not; `counted` of their bytes were counted before.
    pub(super) fn are_done(&self, files: u64, bytes: u64, counted: u64) {
        self.files_done.fetch_add(files, Ordering::Relaxed);
        self.bytes_done.fetch_add(bytes.saturating_sub(counted), Ordering::Relaxed);
        self.bytes_done.fetch_sub(counted.saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// Counts the bytes of one download as they come.
#[derive(Debug, Default)]
pub(super) struct Meter {
    all: Arc<AtomicU64>,
    came: AtomicU64,
}

impl Meter {
    pub(super) fn add(&self, bytes: u64) {
        self.came.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The number of bytes that came.
    pub(super) fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }
}
