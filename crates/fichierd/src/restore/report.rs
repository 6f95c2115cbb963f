//! The result of a restore, and its progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fichier_state::RelPath;

use super::metadata::Unset;
use crate::base::words::duration;

/// The number of problems, and of files that were left, that are kept with their paths; later ones
/// are only counted.
const MOST_NAMED: usize = 1_000;

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
    /// The first of these.
    pub left_paths: Vec<RelPath>,
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
    /// Folders that an earlier restore made here and did not finish, and that were no part of this
    /// one: they have no metadata yet.
    pub unfinished_folders: u64,
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
    /// Notes a file or link that was left as it is: the same, or another one.
    pub(super) fn stay(&mut self, path: &RelPath, is_same: bool) {
        if is_same {
            self.same += 1;
            return;
        }
        self.left += 1;
        if self.left_paths.len() < MOST_NAMED {
            self.left_paths.push(path.clone());
        }
    }

    /// Notes a path that could not be restored.
    pub(super) fn problem(&mut self, path: &RelPath, what: impl Into<String>, hint: &str) {
        self.problem_count += 1;
        if self.problems.len() < MOST_NAMED {
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
    waiting: Mutex<Option<Waiting>>,
}

/// A wait, while it lasts.
#[derive(Debug)]
struct Waiting {
    why: String,
    until: Instant,
}

impl Progress {
    /// Why the restore waits at the moment, and how much longer, for people.
    pub fn waiting(&self) -> Option<String> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { why, until } = waiting.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        Some(format!("{why}; going on in {}", duration(left)))
    }

    /// Shows a wait while `wait` lasts.
    pub(super) async fn wait(&self, why: String, wait: Duration) {
        let show = |waiting| {
            *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
        };
        show(Some(Waiting { why, until: Instant::now() + wait }));
        tokio::time::sleep(wait).await;
        show(None);
    }

    /// A meter for one download.
    pub(super) fn meter(&self) -> Meter {
        Meter { all: Arc::clone(&self.bytes_done), ..Meter::default() }
    }

    /// Counts files as done, restored or not; `counted` of their bytes were counted before.
    pub(super) fn are_done(&self, files: u64, bytes: u64, counted: u64) {
        self.files_done.fetch_add(files, Ordering::Relaxed);
        self.bytes_done.fetch_add(bytes.saturating_sub(counted), Ordering::Relaxed);
        self.bytes_done.fetch_sub(counted.saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// Counts the bytes of one download as they come: those of the file, which are shown, and those that
/// the service sent for them.
#[derive(Debug, Default)]
pub(super) struct Meter {
    all: Arc<AtomicU64>,
    shown: AtomicU64,
    came: AtomicU64,
}

impl Meter {
    /// Counts bytes of the file.
    pub(super) fn add(&self, bytes: u64) {
        self.shown.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that the service sent.
    pub(super) fn add_came(&self, bytes: u64) {
        self.came.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The number of bytes of the file that were counted.
    pub(super) fn shown(&self) -> u64 {
        self.shown.load(Ordering::Relaxed)
    }

    /// The number of bytes that the service sent.
    pub(super) fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }
}
