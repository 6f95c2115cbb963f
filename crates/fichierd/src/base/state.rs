//! The one state file, shared by everything in the process.
//!
//! SQLite calls block for as long as the disk takes. They are short, and each one tells the runtime
//! to carry on with other work meanwhile ([`blocking`]).
//!
//! A [`Tap`] stands between the program and its state in simulations: it sees each transaction
//! before and after, and can pretend there that the disk is full or that the process died.

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

/// Is called before and after each access to the state, and can make the access fail.
pub type Tap = Arc<dyn Fn(Access) -> Result<(), Error> + Send + Sync>;

/// One kind of access to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Something is about to be looked up.
    Read,
    /// A transaction is about to begin.
    BeforeWrite,
    /// The transaction is on disk.
    AfterWrite,
}

/// Runs work that blocks; the runtime carries on with other work meanwhile, where it can.
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

    /// The same state, with every access shown to `tap`.
    #[must_use]
    pub fn tapped(self, tap: Tap) -> State {
        State { tap: Some(tap), ..self }
    }

    /// The time to record things with, in Unix seconds.
    pub fn now_s(&self) -> i64 {
        self.clock.now_s()
    }

    /// The clock behind [`State::now_s`].
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Checks that the file is still in its place, without waiting for a transaction that is under
    /// way (D02).
    ///
    /// # Errors
    ///
    /// [`Error::Displaced`] if the file was moved or replaced.
    pub fn check_place(&self) -> Result<(), Error> {
        self.place.check()
    }

    /// Looks something up.
    ///
    /// # Errors
    ///
    /// The error that `look` returns.
    pub fn read<R>(&self, look: impl FnOnce(&Store) -> Result<R, Error>) -> Result<R, Error> {
        self.tap(Access::Read)?;
        blocking(|| self.lock().read(look))
    }

    /// Changes something, in one transaction.
    ///
    /// # Errors
    ///
    /// The error that `change` returns; the state is then as it was.
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

    /// The lock around the store, for work on a blocking thread, which locks for one folder at a
    /// time.
    pub fn mutex(&self) -> &Mutex<Store> {
        &self.store
    }

    /// Gives the store back; `None` while another handle exists.
    pub fn into_store(self) -> Option<Store> {
        let store = Arc::into_inner(self.store)?;
        Some(store.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // A panic elsewhere ends the process (K22), and leaves a transaction either finished or
        // rolled back.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}
