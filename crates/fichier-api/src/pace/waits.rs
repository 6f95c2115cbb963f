//! What the requests of this process wait for, so that a person can be told.
//!
//! Each wait is noted while it lasts and forgotten with its [`Noted`]. Nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::pace::Lane;

/// What a request waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Its turn: calls are spaced.
    Turn,
    /// The service lets a folder be listed once in 30 s.
    Listing,
    /// The service lets all files of the account be listed once an hour.
    WholeAccount,
    /// The service lets the account be read once in five minutes.
    Account,
    /// The next attempt, after one that failed with this error.
    Repeat(String),
    /// The answer of the service.
    Answer,
}

/// A wait that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What is waited for.
    pub wait: Wait,
    /// Since when.
    pub since: Instant,
    /// When it ends; `None` if that is not known.
    pub until: Option<Instant>,
}

/// The waits of one process. Clones share everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    // A std mutex: held for a few instructions, never across an `.await`.
    all: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

/// Keeps a wait noted until it is dropped.
#[derive(Debug)]
pub(crate) struct Noted {
    waits: Waits,
    id: u64,
}

impl Waits {
    pub(crate) fn note(&self, wait: Wait, until: Option<Instant>) -> Noted {
        let id = self.change(|notes| {
            notes.next += 1;
            notes.waiting.insert(notes.next, Waiting { wait, since: Instant::now(), until });
            notes.next
        });
        Noted { waits: self.clone(), id }
    }

    /// The wait that has lasted longest.
    pub(crate) fn longest(&self) -> Option<Waiting> {
        self.change(|notes| notes.waiting.values().min_by_key(|it| it.since).cloned())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Notes) -> T) -> T {
        change(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Noted {
    /// The wait goes on, and is now for this.
    pub(crate) fn is_for(&self, wait: Wait, until: Instant) {
        self.waits.change(|notes| {
            if let Some(noted) = notes.waiting.get_mut(&self.id) {
                (noted.wait, noted.until) = (wait, Some(until));
            }
        });
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.waits.change(|notes| notes.waiting.remove(&self.id));
    }
}

impl Wait {
    /// What a caller in this lane waits for; with its place in the queue it is its turn.
    pub(crate) fn of(lane: Lane, in_queue: bool) -> Wait {
        match lane {
            Lane::Listing(_) if !in_queue => Wait::Listing,
            Lane::WholeAccount if !in_queue => Wait::WholeAccount,
            Lane::Account if !in_queue => Wait::Account,
            Lane::Call
            | Lane::SmallDownload
            | Lane::Listing(_)
            | Lane::WholeAccount
            | Lane::Account => Wait::Turn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_wait_is_told_while_it_lasts() {
        let waits = Waits::default();
        assert_eq!(waits.longest(), None);
        let first = waits.note(Wait::Answer, None);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        let second = waits.note(Wait::of(Lane::Account, true), None);
        assert_eq!(waits.longest().unwrap().wait, Wait::Answer);
        drop(first);
        assert_eq!(waits.longest().unwrap().wait, Wait::Turn);
        second.is_for(Wait::of(Lane::Account, false), Instant::now());
        assert_eq!(waits.longest().unwrap().wait, Wait::Account);
        drop(second);
        assert_eq!(waits.longest(), None);
    }
}
