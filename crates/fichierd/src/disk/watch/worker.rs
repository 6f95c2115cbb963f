//! The thread that keeps the watches of one mirror up to date.
//!
//! It alone sets and ends watches. It sleeps until the todo has work, until it is time to look
//! at folders that cannot be watched, or until the next glance at the root: one `lstat`.
//!
//! Lost events make it start over: all watches are dropped and set anew, and everything is marked
//! dirty. That is expensive (a second for 10,000 folders) but has no special cases. In a storm that
//! keeps losing events it spends at most a tenth of its time on that.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fichier_state::failpoint;

use super::folder::Identity;
use super::mounts::{MountView, MountWatch};
use super::todo::{Todo, Work};
use super::tree::Tree;
use super::{Refusal, WatchHealth, WatchMode, limits};
use crate::base::words::chain;
use crate::disk::dirty::DirtyQueue;
use crate::disk::root::resolve;

/// The pause after starting over, in multiples of the time that it took; events lost meanwhile wait
/// for its end.
const REST_AFTER_START: u32 = 10;

/// The shortest pause after starting over, however quick it was.
const LEAST_REST: Duration = Duration::from_secs(1);

/// The time between two looks at whether the root is still the folder that is watched.
pub(super) const GLANCE: Duration = Duration::from_secs(2);

pub(super) struct Worker {
    /// The root as it was configured, to which links may lead.
    configured: PathBuf,
    /// The path of the root without links, as of the last time that it could be opened.
    source: Arc<PathBuf>,
    /// The folder at `configured` when the watches were set; `None` if there was none.
    root: Option<Identity>,
    /// Why the root cannot be opened.
    absent: Option<String>,
    next_glance: Instant,
    tree: Tree,
    todo: Arc<Todo>,
    dirty: DirtyQueue,
    mounts: MountWatch,
    view: MountView,
    poll: Duration,
    refused: Option<Refusal>,
    // The time at which to start over. The next field is the time from which that is allowed again.
    start_over_at: Option<Instant>,
    rest_until: Instant,
    next_poll: Instant,
    health: Arc<Mutex<WatchHealth>>,
}

impl Worker {
    pub(super) fn new(
        source: Arc<PathBuf>,
        tree: Tree,
        todo: Arc<Todo>,
        dirty: DirtyQueue,
        mounts: MountWatch,
        poll: Duration,
    ) -> Worker {
        let now = Instant::now();
        mounts.tell(&todo);
        let view = mounts.concerning(&source);
        let health = WatchHealth {
            watched_folders: 0,
            unwatched_folders: 0,
            mode: WatchMode::Watching,
            overflows: 0,
            roots: 0,
            ready: false,
        };
        Worker {
            configured: source.to_path_buf(),
            source,
            root: None,
            absent: None,
            next_glance: now + GLANCE,
            tree,
            todo,
            dirty,
            mounts,
            view,
            poll,
            refused: None,
            start_over_at: None,
            rest_until: now,
            next_poll: now + poll,
            health: Arc::new(Mutex::new(health)),
        }
    }

    /// Watches the root, or finds out why that is impossible. Returns the place where the health is
    /// published.
    pub(super) fn plant(&mut self) -> Arc<Mutex<WatchHealth>> {
        self.root = Identity::at(&self.configured);
        (self.refused, self.absent) = (None, None);
        match resolve(&self.configured) {
            Err(trouble) => {
                self.tree.clear();
                self.absent = Some(chain(&trouble));
            }
            Ok(source) => {
                self.source = Arc::new(source);
                self.view = self.mounts.concerning(&self.source);
                match self.tree.plant(&self.source) {
                    Err(why @ (Refusal::Gone | Refusal::Denied)) => {
                        self.absent = Some(limits::reason(&why));
                    }
                    planted => self.refused = planted.err(),
                }
            }
        }
        self.publish(false);
        Arc::clone(&self.health)
    }

    /// Works until the todo says stop. To be called after [`Self::plant`].
    pub(super) fn run(mut self) {
        self.grow(Instant::now());
        while let Some(work) = self.todo.wait(self.wake_at()) {
            failpoint::reached("watch:work");
            self.do_work(&work);
            if self.start_over_at.is_some_and(|at| at <= Instant::now()) {
                self.start_over();
            } else if self.must_poll() && self.next_poll <= Instant::now() {
                self.poll();
            } else if self.next_glance <= Instant::now() {
                self.glance();
            }
            self.publish(true);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let poll = self.must_poll().then_some(self.next_poll);
        [self.start_over_at, poll, Some(self.next_glance)].into_iter().flatten().min()
    }

    fn must_poll(&self) -> bool {
        self.refused.is_some() || !self.tree.unwatched().is_empty()
    }

    fn do_work(&mut self, work: &Work) {
        if work.start_over {
            self.start_over_at.get_or_insert(self.rest_until);
        }
        if work.mounts_changed {
            let view = self.mounts.concerning(&self.source);
            if view != self.view {
                self.view = view;
                self.dirty.mark_everything();
                // Watches end silently with their mount, so this cannot wait.
                self.start_over_at = Some(Instant::now());
            }
        }
        // The deepest paths come first: a deleted folder is empty then.
        for (path, look) in work.looks.iter().rev() {
            if self.tree.look(path, *look) {
                self.dirty.mark(path.clone());
            }
        }
    }

    /// Starts over if the folder at the configured path is not the one that is watched.
    fn glance(&mut self) {
        self.next_glance = Instant::now() + GLANCE;
        let found = Identity::at(&self.configured);
        let is_same = found == self.root;
        // The same folder may have become readable, or its way free of a link.
        let is_back = || self.absent.is_some() && resolve(&self.configured).is_ok();
        if is_same && (found.is_none() || !is_back()) {
            return;
        }
        // Before anything is marked, since that wakes the reader of this number.
        self.lock_health().roots += 1;
        self.dirty.mark_other_source();
        self.start_over();
    }

    fn start_over(&mut self) {
        let started = Instant::now();
        self.start_over_at = None;
        // Marked before as well, so that lost changes do not wait for the watches.
        self.dirty.mark_everything();
        self.plant();
        self.grow(started);
    }

    fn grow(&mut self, started: Instant) {
        let health = Arc::clone(&self.health);
        self.tree.grow(|tree| {
            let mut health = health.lock().unwrap_or_else(PoisonError::into_inner);
            health.watched_folders = tree.watched();
        });
        let now = Instant::now();
        self.rest_until = now + (now - started) * REST_AFTER_START + LEAST_REST;
        self.next_poll = now + self.poll;
        self.dirty.mark_everything();
        self.publish(true);
    }

    fn poll(&mut self) {
        if self.refused.is_some() {
            return self.start_over();
        }
        for path in self.tree.retry() {
            self.dirty.mark(path);
        }
        self.next_poll = Instant::now() + self.poll;
    }

    /// Updates the health that others read.
    fn publish(&mut self, ready: bool) {
        let mode = self.mode();
        let mut health = self.lock_health();
        *health = WatchHealth {
            watched_folders: self.tree.watched(),
            unwatched_folders: self.tree.unwatched().values().map(|folder| folder.folders).sum(),
            mode,
            overflows: health.overflows,
            roots: health.roots,
            ready,
        };
    }

    fn lock_health(&self) -> MutexGuard<'_, WatchHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mode(&self) -> WatchMode {
        let unwatched = self.tree.unwatched();
        if let Some(reason) = &self.absent {
            return WatchMode::Absent { reason: reason.clone() };
        }
        match &self.refused {
            Some(why) => WatchMode::Polling { reason: limits::reason(why) },
            None if unwatched.is_empty() => WatchMode::Watching,
            None => {
                let limit = limits::max_user_watches();
                let watched = self.tree.watched();
                let advice = limits::advice(unwatched.values(), watched, limit, self.poll);
                WatchMode::Partly { advice }
            }
        }
    }
}
