//! Which parts of a mirror must be looked at again, and from when on.
//!
//! Watch events end here. They are hints about *where* to look and never tell *what* happened:
//! comparing the disk with the state decides that (`scan`, `diff`). So an event too many costs one
//! `lstat`, and events lost by the kernel or by us are repaired by marking everything (invariant
//! I9).
//!
//! A path is *due* when nothing has marked it for a while (it has settled), or when it has been
//! dirty for so long that even a file that always changes must be looked at. Paths that settle at
//! about the same time are due together: the two halves of a rename are marked one after the other,
//! and the first alone would be taken for a removal.
//!
//! [`DirtyPaths`] is pure: it is told the time. [`DirtyQueue`] is the same set shared between the
//! watching threads and the loop, and has the clock.
//!
//! Invariant: memory is bounded by [`MAX_PATHS`]; past it the set collapses to
//! "everything" instead of growing or dropping.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fichier_state::RelPath;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The largest number of separate paths in the set; beyond it everything is dirty, because one full
/// scan is cheaper than many small ones.
const MAX_PATHS: usize = 10_000;

/// The time within which paths that settle are due together. It is fixed, and not renewed by each
/// mark, so that a file that always changes delays no other.
const TOGETHER: Duration = Duration::from_millis(250);

/// A set of paths to look at, or all of them, each with the times that decide when it is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DirtyPaths {
    everything: Option<Marks>,
    // Empty while `everything` is set.
    paths: BTreeMap<RelPath, Marks>,
}

/// The paths to look at now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The whole mirror; then `paths` is empty.
    pub everything: bool,
    /// In path order. Each is a file, or a folder with all that is below it; none is below another.
    pub paths: Vec<RelPath>,
}

impl Due {
    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        !self.everything && self.paths.is_empty()
    }
}

/// The times at which a path was marked: the first since it was last taken, and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    first: Instant,
    last: Instant,
}

impl Marks {
    fn due(self, settle: Duration, at_most: Duration) -> Instant {
        (self.last + settle).min(self.first + at_most)
    }
}

impl DirtyPaths {
    /// Adds one path: a file, or a folder with all that is below it. The root means everything.
    pub fn mark(&mut self, path: RelPath, now: Instant) {
        if path.is_root() {
            return self.mark_everything(now);
        }
        if self.everything.is_some() {
            return;
        }
        self.paths
            .entry(path)
            .and_modify(|marks| marks.last = now)
            .or_insert(Marks { first: now, last: now });
        if self.paths.len() > MAX_PATHS {
            self.mark_everything(now);
        }
    }

    /// Adds the whole mirror: at start, after an overflow, and when in doubt.
    ///
    /// Paths that were waiting are covered by it, and their waiting time counts for it.
    pub fn mark_everything(&mut self, now: Instant) {
        let earlier = self.everything.iter().chain(self.paths.values()).map(|marks| marks.first);
        let first = earlier.min().unwrap_or(now);
        self.everything = Some(Marks { first, last: now });
        self.paths.clear();
    }

    /// Whether nothing is dirty.
    pub fn is_empty(&self) -> bool {
        self.everything.is_none() && self.paths.is_empty()
    }

    /// The number of dirty paths; "everything" counts as one.
    pub fn len(&self) -> usize {
        usize::from(self.everything.is_some()) + self.paths.len()
    }

    /// Takes out the paths that have been quiet for `settle`, or dirty for `at_most` since they
    /// were first marked.
    ///
    /// Takes nothing before [`Self::next_due`]. Goes through the whole set, which is bounded: call
    /// it when that time has come.
    pub fn take_settled(&mut self, now: Instant, settle: Duration, at_most: Duration) -> Due {
        if let Some(marks) = self.everything {
            let everything = marks.due(settle, at_most) <= now;
            if everything {
                self.everything = None;
            }
            return Due { everything, paths: Vec::new() };
        }
        let mut paths: Vec<RelPath> = Vec::new();
        if self.next_due(settle, at_most).is_none_or(|due| due > now) {
            return Due { everything: false, paths };
        }
        self.paths.retain(|path, marks| {
            let due = marks.due(settle, at_most) <= now;
            // The contents of a folder follow it directly in path order.
            if due && !paths.last().is_some_and(|above| path.starts_with(above)) {
                paths.push(path.clone());
            }
            !due
        });
        Due { everything: false, paths }
    }

    /// The time at which the next paths are due, with those that settle at about the same time;
    /// `None` if nothing is dirty. It may have passed already.
    pub fn next_due(&self, settle: Duration, at_most: Duration) -> Option<Instant> {
        let all = || self.everything.iter().chain(self.paths.values());
        let due = |marks: &Marks| marks.due(settle, at_most);
        let together = all().map(due).min()? + TOGETHER.min(settle);
        all().map(due).filter(|due| *due <= together).max()
    }
}

/// [`DirtyPaths`], shared by the threads that mark and the loop that looks. Clones share one set.
#[derive(Clone, Debug, Default)]
pub struct DirtyQueue {
    shared: Arc<Shared>,
    /// The paths that were marked through this clone and those made from it; `None` if nobody asks.
    noted: Option<Arc<Mutex<BTreeSet<RelPath>>>>,
}

#[derive(Debug, Default)]
struct Shared {
    // A std mutex: held for one operation on the set, never across an `.await`.
    dirty: Mutex<DirtyPaths>,
    filled: Notify,
}

impl DirtyQueue {
    /// A clone that notes which paths are marked through it, apart from what others mark.
    pub fn noting(&self) -> DirtyQueue {
        DirtyQueue { shared: Arc::clone(&self.shared), noted: Some(Arc::default()) }
    }

    /// Takes out the paths that were marked through this clone since the last time, if it notes
    /// them. The root stands for everything.
    pub fn take_noted(&self) -> BTreeSet<RelPath> {
        let noted = self.noted.as_ref().map(|noted| noted.lock());
        noted.map_or_else(BTreeSet::new, |noted| {
            std::mem::take(&mut *noted.unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Adds one path: a file, or a folder with all that is below it.
    pub fn mark(&self, path: RelPath) {
        self.note(&path);
        self.add(|dirty, now| dirty.mark(path, now));
    }

    /// Adds the whole mirror.
    pub fn mark_everything(&self) {
        self.note(&RelPath::root());
        self.add(DirtyPaths::mark_everything);
    }

    /// Adds the whole mirror, and ends the wait of [`Self::changed`] even if it was dirty already:
    /// the source is another one.
    pub fn mark_other_source(&self) {
        self.add(DirtyPaths::mark_everything);
        self.shared.filled.notify_one();
    }

    /// Waits until something is marked while nothing, or only single paths, were dirty.
    ///
    /// For one waiter at a time. Remembers a mark that came while no one was waiting, so nothing is
    /// missed; may return once for marks that were taken since. Later marks never bring
    /// [`Self::next_due`] forward and do not wake: a caller that finds the queue not empty sleeps
    /// until then. Cancel-safe.
    pub async fn changed(&self) {
        self.shared.filled.notified().await;
    }

    /// Takes out what is due now; see [`DirtyPaths::take_settled`].
    pub fn take_settled(&self, settle: Duration, at_most: Duration) -> Due {
        self.lock().take_settled(Instant::now(), settle, at_most)
    }

    /// The time at which the next paths are due; see [`DirtyPaths::next_due`].
    pub fn next_due(&self, settle: Duration, at_most: Duration) -> Option<Instant> {
        self.lock().next_due(settle, at_most)
    }

    /// Whether nothing is dirty.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The number of dirty paths; "everything" counts as one.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn note(&self, path: &RelPath) {
        if let Some(noted) = &self.noted {
            noted.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        }
    }

    fn add(&self, mark: impl FnOnce(&mut DirtyPaths, Instant)) {
        let mut dirty = self.lock();
        let (was_empty, had_everything) = (dirty.is_empty(), dirty.everything.is_some());
        mark(&mut dirty, Instant::now());
        let wake = was_empty || had_everything != dirty.everything.is_some();
        drop(dirty);
        if wake {
            self.shared.filled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, DirtyPaths> {
        // Each operation leaves the set whole, so a panic elsewhere does not spoil it.
        self.shared.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(5);
    const AT_MOST: Duration = Duration::from_secs(60);

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    /// Marks each path at its second (`*` is everything), and compares the paths that are due at
    /// second `now`.
    fn check(marks: &[(u64, &str)], now: u64, expected: &str) {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut dirty = DirtyPaths::default();
        for (second, text) in marks {
            match *text {
                "*" => dirty.mark_everything(at(*second)),
                text => dirty.mark(path(text), at(*second)),
            }
        }
        let was_due = dirty.next_due(SETTLE, AT_MOST).is_some_and(|due| due <= at(now));
        let due = dirty.take_settled(at(now), SETTLE, AT_MOST);
        assert_eq!(was_due, !due.is_empty(), "next_due and take_settled differ");
        let everything = due.everything.then(|| "*".to_owned());
        let said: Vec<_> = due.paths.iter().map(ToString::to_string).chain(everything).collect();
        assert_eq!(said.join(" "), expected);
        assert!(dirty.next_due(SETTLE, AT_MOST).is_none_or(|due| due > at(now)), "left behind");
    }

    #[test]
    fn a_path_is_due_when_it_has_been_quiet_for_a_while() {
        check(&[(0, "a")], 4, "");
        check(&[(0, "a")], 5, "a");
        check(&[(0, "a"), (3, "a")], 5, "");
        check(&[(0, "a"), (3, "a")], 8, "a");
    }

    #[test]
    fn a_path_that_never_rests_is_due_all_the_same() {
        let busy: Vec<_> = (0..60).map(|second| (second, "log")).collect();
        check(&busy, 59, "");
        check(&busy, 60, "log");
    }

    #[test]
    fn only_what_has_settled_is_taken() {
        check(&[(0, "old"), (7, "new")], 10, "old");
    }

    #[test]
    fn both_halves_of_a_rename_are_due_together() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut dirty = DirtyPaths::default();
        dirty.mark(path("old"), at(0));
        dirty.mark(path("new"), at(3));
        dirty.mark(path("later"), at(400));
        assert_eq!(dirty.next_due(SETTLE, AT_MOST), Some(at(5_003)));
        assert_eq!(dirty.take_settled(at(5_001), SETTLE, AT_MOST), Due::default());
        let due = dirty.take_settled(at(5_003), SETTLE, AT_MOST);
        assert_eq!(due.paths, [path("new"), path("old")]);
        assert_eq!(dirty.next_due(SETTLE, AT_MOST), Some(at(5_400)));
    }

    #[test]
    fn a_path_below_another_due_one_is_dropped() {
        check(&[(0, "a"), (0, "a/b"), (0, "a/b/c"), (0, "a-b"), (0, "b")], 5, "a a-b b");
    }

    #[test]
    fn a_path_below_a_due_one_that_has_not_settled_stays() {
        check(&[(0, "a"), (3, "a/b")], 5, "a");
    }

    #[test]
    fn everything_covers_all_paths_before_and_after() {
        check(&[(0, "a"), (1, "*"), (2, "b")], 6, "*");
    }

    #[test]
    fn the_root_is_everything() {
        check(&[(0, "")], 5, "*");
    }

    #[test]
    fn everything_again_and_again_is_due_no_later_than_a_path_would_be() {
        let storm: Vec<_> =
            [(0, "a")].into_iter().chain((1..60).map(|second| (second, "*"))).collect();
        check(&storm, 59, "");
        check(&storm, 60, "*");
    }

    #[test]
    fn past_its_bound_the_set_is_everything() {
        let now = Instant::now();
        let mut dirty = DirtyPaths::default();
        for number in 0..MAX_PATHS {
            dirty.mark(path(&number.to_string()), now);
        }
        assert_eq!(dirty.len(), MAX_PATHS);
        dirty.mark(path("one more"), now);
        assert_eq!(dirty.len(), 1);
        let due = dirty.take_settled(now + SETTLE, SETTLE, AT_MOST);
        assert_eq!(due, Due { everything: true, paths: Vec::new() });
        assert!(dirty.is_empty());
    }

    #[tokio::test]
    async fn a_mark_that_came_before_the_wait_ends_it() {
        let queue = DirtyQueue::default();
        queue.clone().mark(path("a"));
        queue.changed().await;
        assert!(!queue.is_empty());
    }

    #[tokio::test]
    async fn a_mark_after_all_was_taken_ends_the_next_wait() {
        let queue = DirtyQueue::default();
        queue.mark(path("a"));
        queue.changed().await;
        queue.take_settled(Duration::ZERO, Duration::ZERO);
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.changed().await }
        });
        queue.mark(path("b"));
        waiting.await.unwrap();
        assert_eq!(queue.len(), 1);
    }
}
