//! One mirror: its cycle, and what its errors mean.
//!
//! An error of a call, of the state or of the disk becomes a [`Trouble`] here, which says why the
//! mirror waits and what ends the wait. No folder below knows that there are other mirrors, and no
//! file here knows of the service's loop.
//!
//! May be used by `restore`, `daemon` and `cli`; uses `upkeep` and the folders below it.

mod cycle;
mod ends;
mod error;
mod expected;
mod folder_moves;
pub(crate) mod forms;
mod found_folders;
mod held;
mod leftovers;
mod other_names;
mod pairs;
mod patience;
mod reject;
mod restless;
mod trouble;
mod worker;

pub use self::cycle::{CycleOutcome, CycleRequest, MAX_ADDITIONS, Prepared, preview};
pub use self::ends::{ChoresEnd, CycleEnd, OpenError};
pub use self::error::MirrorError;
pub use self::expected::{ExpectedCalls, Planned};
pub use self::forms::approve_form;
pub use self::held::{Held, HeldRemovals};
pub use self::pairs::approve_change;
pub use self::patience::{PENDING_RETRY, Patience};
pub use self::reject::keep_instead;
pub use self::trouble::{Reason, Trouble, kind_of_hold_off};
pub use self::worker::{MirrorWorker, Shared};
