//! The one state file, shared by everything in the process.
//!
//! SQLite calls block for as long as the disk takes. They are short, and whoever runs them tells
//! the runtime to carry on with other work meanwhile ([`blocking`]).
//!
//! A [`Tap`] stands between the program and its state in simulations: it sees each transaction
//! before and after, and may let the disk be full or the process be dead there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fichier_state::{Clock, Error, Place, Store, Writing};
use tokio::runtime::{Handle, RuntimeFlavor};

/// A handle to the state file.
#[derive(Clone)]
pub struct State {
    store: Arc<Mutex<Store>>,
    clock: Clock,
    place: Place,
    tap: Option<Tap>,
}

/// Sees what is done with the state, and may make it fail.
pub type Tap = Arc<dyn Fn(Access) -> Result<(), Error> + Send + Sync>;

/// What is done with the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Something is looked up.
    Read,
    /// A transaction is about to begin.
    BeforeWrite,
    /// It is on disk.
    AfterWrite,
}

/// Runs what blocks; the runtime carries on with other work meanwhile, where it can.
pub(crate) fn blocking<R>(work: impl FnOnce() -> R) -> R {
    let flavour = Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavour {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl State {
    /// Shares an opened store.
    pub fn new(store: Store) -> State {
        let (clock, place) = (store.clock().clone(), store.place().clone());
        State { store: Arc::new(Mutex::new(store)), clock, place, tap: None }
    }

    /// The same, looked at by `tap`.
    #[must_use]
    pub fn tapped(self, tap: Tap) -> State {
        State { tap: Some(tap), ..self }
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
        self.tap(Access::Read)?;
        blocking(|| self.lock().read(look))
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
        self.tap(Access::BeforeWrite)?;
        let done = blocking(|| self.lock().write(change))?;
        self.tap(Access::AfterWrite)?;
        Ok(done)
    }

    fn tap(&self, access: Access) -> Result<(), Error> {
        self.tap.as_ref().map_or(Ok(()), |tap| tap(access))
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
