//! The one state file, shared by everything in the process.
//!
//! SQLite calls block for as long as the disk takes. They are short, and whoever runs them tells
//! the runtime to carry on with other work meanwhile; so this needs the multi-threaded runtime.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fichier_state::{Clock, Error, Place, Store, Writing};

/// A handle to the state file.
#[derive(Clone)]
pub struct State {
    store: Arc<Mutex<Store>>,
    clock: Clock,
    place: Place,
}

impl State {
    /// Shares an opened store.
    pub fn new(store: Store) -> State {
        let (clock, place) = (store.clock().clone(), store.place().clone());
        State { store: Arc::new(Mutex::new(store)), clock, place }
    }

    /// What time it is for everything that is remembered; Unix seconds.
    pub fn now_s(&self) -> i64 {
        self.clock.now_s()
    }

    /// The clock behind [`State::now_s`].
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Looks whether the file is still in its place, without waiting for who uses it (D02).
    ///
    /// # Errors
    ///
    /// [`Error::Displaced`].
    pub fn check_place(&self) -> Result<(), Error> {
        self.place.check()
    }

    /// Looks something up.
    ///
    /// # Errors
    ///
    /// What `look` returns.
    pub fn read<R>(&self, look: impl FnOnce(&Store) -> Result<R, Error>) -> Result<R, Error> {
        tokio::task::block_in_place(|| self.lock().read(look))
    }

    /// Changes something, in one transaction.
    ///
    /// # Errors
    ///
    /// What `change` returns; the state is then as it was.
    pub fn write<R>(
        &self,
        change: impl FnOnce(&mut Writing<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        tokio::task::block_in_place(|| self.lock().write(change))
    }

    /// For work on a blocking thread, which locks for one folder at a time.
    pub fn mutex(&self) -> &Mutex<Store> {
        &self.store
    }

    /// Gives the store back when nobody else holds it any more.
    pub fn into_store(self) -> Option<Store> {
        let store = Arc::into_inner(self.store)?;
        Some(store.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // A panic elsewhere ends the process (K22); what it left behind is a finished or a
        // rolled back transaction.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}
