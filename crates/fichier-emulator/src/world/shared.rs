//! The service as its servers share it: the state behind its lock; storage and traffic beside it.
//!
//! The lock is a std mutex, held while one request is answered and never across an `.await`:
//! an answer is a pure computation on [`State`]; waiting and sending happen outside.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::state::State;
use super::traffic::Traffic;
use crate::storage::Storage;

/// The service: its state, and where it keeps contents.
#[derive(Debug)]
pub(crate) struct World {
    state: Mutex<State>,
    pub(crate) storage: Storage,
    pub(crate) traffic: Traffic,
    /// Whether the service runs without sockets: bodies are then small and read without a thread.
    pub(crate) is_inside: bool,
}

impl World {
    pub(crate) fn new(state: State, storage: Storage, is_inside: bool) -> World {
        let (state, traffic) = (Mutex::new(state), Traffic::default());
        World { state, storage, traffic, is_inside }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the index if anything has changed since the last time.
    pub(crate) fn save(&self) -> io::Result<()> {
        if !self.storage.is_kept() {
            return Ok(());
        }
        let index = {
            let mut state = self.lock();
            if !state.changed {
                return Ok(());
            }
            state.changed = false;
            state.index()?
        };
        self.storage.save(&index)
    }
}
