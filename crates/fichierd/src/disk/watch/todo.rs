//! The work of the watching thread, as noted by threads that must not wait for it.
//!
//! `notify` calls back on the thread that also carries out `watch` and `unwatch`, so a callback can
//! neither do these itself nor wait for a thread that does. It leaves a note here and goes on.
//!
//! Invariant: memory is bounded by [`MAX_LOOKS`]; beyond it all notes turn into the one that says
//! "start over".

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fichier_state::RelPath;

/// The largest number of folders in doubt; beyond it watching anew is cheaper than looking at each,
/// and the thread starts over.
const MAX_LOOKS: usize = 20_000;

/// Why the watches at a path must be looked at. The stronger one wins when both are noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// A folder was made: watch it, unless that has been done.
    New,
    /// A folder was deleted; the kernel drops its watch by itself.
    Gone,
    /// Something was renamed from or to here: the folder that was watched under this name may be
    /// elsewhere.
    Moved,
}

/// Everything that was noted since the last time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// Each path with the strongest reason.
    pub(super) looks: BTreeMap<RelPath, Look>,
    /// Events were lost: no watch can be relied upon.
    pub(super) start_over: bool,
    /// The mount table has changed.
    pub(super) mounts_changed: bool,
}

/// Notes for one watching thread.
#[derive(Debug, Default)]
pub(super) struct Todo {
    // A std mutex: held for a few instructions, by callbacks too.
    state: Mutex<State>,
    noted: Condvar,
}

#[derive(Debug, Default)]
struct State {
    work: Work,
    stop: bool,
    #[cfg(test)]
    waiting: bool,
}

impl Todo {
    pub(super) fn look(&self, path: RelPath, look: Look) {
        self.note(|work| {
            if work.start_over {
                return;
            }
            let noted = work.looks.entry(path).or_insert(look);
            *noted = look.max(*noted);
            if work.looks.len() > MAX_LOOKS {
                work.looks.clear();
                work.start_over = true;
            }
        });
    }

    pub(super) fn start_over(&self) {
        self.note(|work| {
            work.looks.clear();
            work.start_over = true;
        });
    }

    pub(super) fn mounts_changed(&self) {
        self.note(|work| work.mounts_changed = true);
    }

    /// Ends the watching thread after the folder that it is busy with.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.noted.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    /// Whether everything that was noted has been done.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        let state = self.lock();
        state.waiting && state.work == Work::default()
    }

    /// Waits for something to do, or until `wake_at`; `None` means stop.
    pub(super) fn wait(&self, wake_at: Option<Instant>) -> Option<Work> {
        let mut state = self.lock();
        loop {
            #[cfg(test)]
            {
                state.waiting = state.work == Work::default();
            }
            if state.stop {
                return None;
            }
            if state.work != Work::default() {
                return Some(mem::take(&mut state.work));
            }
            state = match wake_at.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.noted.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Some(Work::default()),
                Some(left) => {
                    self.noted.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn note(&self, note: impl FnOnce(&mut Work)) {
        note(&mut self.lock().work);
        self.noted.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn of_two_reasons_the_stronger_one_is_kept() {
        let todo = Todo::default();
        for look in [Look::New, Look::Moved, Look::Gone] {
            todo.look(path("folder"), look);
        }
        let work = todo.wait(None).unwrap();
        assert_eq!(work.looks, BTreeMap::from([(path("folder"), Look::Moved)]));
    }

    #[test]
    fn too_many_notes_become_one() {
        let todo = Todo::default();
        for number in 0..=MAX_LOOKS {
            todo.look(path(&number.to_string()), Look::New);
        }
        todo.look(path("one more"), Look::New);
        assert_eq!(todo.wait(None), Some(Work { start_over: true, ..Work::default() }));
        // And afterwards it takes notes again.
        todo.look(path("later"), Look::New);
        assert_eq!(todo.wait(None).unwrap().looks.len(), 1);
    }

    #[test]
    fn without_notes_the_wait_ends_at_its_time_and_stop_goes_first() {
        let todo = Todo::default();
        assert_eq!(todo.wait(Some(Instant::now())), Some(Work::default()));
        todo.mounts_changed();
        todo.stop();
        assert_eq!(todo.wait(None), None);
    }
}
