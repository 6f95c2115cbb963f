//! Watches the folders of a mirror and marks dirty what has changed, through `notify`.
//!
//! Events are hints (invariant I9): each one marks a path, and the loop that takes the path looks at
//! the disk. If the kernel or `notify` loses events, everything is looked at.
//!
//! ```text
//! notify ──► events ── path changed ──────────────────────► DirtyQueue, which the loop takes from
//!              └────── folder made, moved, removed ──► todo ─┐
//! mounts ───────────── mount table changed ──────────► todo ─┤
//! worker ◄── waits for work, or for the next poll ───────────┘   new folder ──► DirtyQueue
//!   └──► tree: which folder is watched where ──► instances ──► notify: watch, unwatch
//! ```
//!
//! `events` runs on the threads of `notify`, one for each instance, and never waits; `mounts` has a
//! thread for the whole process, `worker` one for each mirror. Only the worker sets and ends watches.
//!
//! `notify` (8.2.2) alone is not enough, so here it is used in a narrow way:
//!
//! * folder by folder, never recursively: its own walk loses files made right after their
//!   folder, and gives up at the first folder that it may not read (`tree`);
//! * several instances of a bounded number of watches, as its removal compares each removed
//!   folder with all watches of the instance (`instances`);
//! * its reports of opened files are dropped first of all (`events`);
//! * mounts are watched apart, as it is silent on unmount (`mounts`).
//!
//! Folders that cannot be watched are looked at every so often instead, as [`Watch::health`] tells:
//! single folders, or the whole mirror on a network file system.
//!
//! Measured on a busy machine with two cores, with `notify` optimised:
//!
//! * `rm -rf` of 30,000 watched folders while a file is written elsewhere in the mirror: the file was
//!   marked after 77 ms at most with 1,000 watches an instance, 209 ms with 2,000, and after 31 s with
//!   all in one (the last figure: docs/testing.md, W09).
//! * 3,000 folders made and written to within 0 to 180 microseconds, and 3,000 times `mkdir -p a/b/c/d` with a
//!   file in it: all files were found, without a full look.
//! * Setting 101,000 watches took 9 s, 42 MB of memory here and 32 instances; the kernel needs about
//!   1.5 kB more for each.
//!
//! The way to the root is not watched: every [`GLANCE`](worker::GLANCE) the worker compares the
//! folder that is at its path with the one that is watched. So a root that goes, comes back or is
//! exchanged is noticed whatever happened on the way: a folder above was renamed, a link re-pointed.
//!
//! It does not decide whether a root is the right one: after a mount, an unmount or a replaced root
//! everything is dirty, and the reader of the disk has to check the root.

mod events;
mod folder;
mod folders;
mod instances;
mod limits;
mod mounts;
mod todo;
mod tree;
mod worker;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests change the folder, and poll a condition")]
mod tests;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use fichier_state::RelPath;

pub use self::mounts::{MountView, MountWatch};

use self::events::Events;
use self::instances::{Instances, Refusal, WATCHES_PER_INSTANCE};
use self::todo::Todo;
use self::tree::Tree;
use self::worker::Worker;
use crate::disk::dirty::DirtyQueue;

/// Says whether a path is left out of the mirror: `(path, is_dir)`.
pub type IsExcluded = Arc<dyn Fn(&RelPath, bool) -> bool + Send + Sync>;

/// Watches one mirror until it is dropped.
///
/// Dropping does not wait: the thread ends after the folder that it is busy with, and may mark paths
/// dirty until then. Panics of this thread and of those of `notify` must not be caught: the program
/// has to end on them (a panic hook), or a mirror would go unwatched unnoticed.
pub struct Watch {
    todo: Arc<Todo>,
    overflows: Arc<AtomicU64>,
    health: Arc<Mutex<WatchHealth>>,
}

/// How well a mirror is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchHealth {
    /// Folders with a watch.
    pub watched_folders: u64,
    /// Folders without a watch, as far as they could be counted. Excluded folders are in neither
    /// number.
    pub unwatched_folders: u64,
    /// Which changes are noticed at once.
    pub mode: WatchMode,
    /// How often events were lost and everything was marked dirty for it.
    pub overflows: u64,
    /// How often the root went away, came back or was found to be another one.
    pub roots: u64,
    /// Whether the thread has gone through the whole tree. Before that, changes in folders that it
    /// has not reached go unnoticed until it marks everything.
    pub ready: bool,
}

/// Which changes are noticed at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// All changes.
    Watching,
    /// All but those in some folders, which are looked at every so often.
    Partly {
        /// The problem, and what to do about it.
        advice: String,
    },
    /// None: everything is looked at every so often.
    Polling {
        /// The cause.
        reason: String,
    },
    /// None, as long as the root cannot be opened; it is watched within seconds of its return.
    Absent {
        /// The cause.
        reason: String,
    },
}

/// Why a mirror cannot be watched at all, not even by polling.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system has no thread left.
    #[error(
        "no thread is left to watch it: raise `TasksMax` of the unit, see: systemctl edit fichierd"
    )]
    Thread(#[source] io::Error),
}

impl Watch {
    /// Starts to watch `source`.
    ///
    /// Returns when the root is watched, or when it is clear that it cannot be and will be looked at every
    /// `poll` instead, or that it is not there yet. A thread watches the rest of the tree (some 10,000 folders a second, fewer from a
    /// cold disk), then marks everything dirty once.
    ///
    /// `is_excluded(path, is_dir)` is asked about folders, from that thread; folders below an excluded one
    /// are not watched.
    ///
    /// # Errors
    ///
    /// When there is no thread for it; try again later.
    pub fn start(
        source: &Path,
        poll: Duration,
        is_excluded: IsExcluded,
        dirty: DirtyQueue,
        mounts: MountWatch,
    ) -> Result<Watch, WatchError> {
        Watch::start_with_instances(WATCHES_PER_INSTANCE, source, poll, is_excluded, dirty, mounts)
    }

    fn start_with_instances(
        watches_per_instance: usize,
        source: &Path,
        poll: Duration,
        is_excluded: IsExcluded,
        dirty: DirtyQueue,
        mounts: MountWatch,
    ) -> Result<Watch, WatchError> {
        let source = Arc::new(source.to_owned());
        let todo = Arc::new(Todo::default());
        let overflows = Arc::new(AtomicU64::new(0));
        let instances = Instances::new(watches_per_instance, |alive| Events {
            source: Arc::clone(&source),
            dirty: dirty.clone(),
            todo: Arc::clone(&todo),
            overflows: Arc::clone(&overflows),
            alive,
        });
        let tree = Tree::new(Arc::clone(&source), is_excluded, Arc::clone(&todo), instances);
        let mut worker = Worker::new(source, tree, Arc::clone(&todo), dirty, mounts, poll);
        let health = worker.plant();
        thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || worker.run())
            .map_err(WatchError::Thread)?;
        Ok(Watch { todo, overflows, health })
    }

    /// How well the mirror is watched now.
    pub fn health(&self) -> WatchHealth {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner).clone();
        WatchHealth { overflows: self.overflows.load(Ordering::Relaxed), ..health }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.todo.stop();
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("health", &self.health()).finish_non_exhaustive()
    }
}
