//! One mirror: its cycle, and what its errors mean.
//!
//! May be used by `restore`, `daemon` and `cli`; uses `upkeep` and what stands below it. An error
//! of a call, of the state or of the disk becomes a [`Trouble`] here: who waits, how long, and for
//! whom. Nothing below knows that there are other mirrors, and nothing here knows of a loop.

mod cycle;
mod error;
mod held;
mod restless;
mod trouble;
mod worker;

pub use self::cycle::{CycleRequest, MAX_ADDITIONS, Outcome, Prepared, keep_instead, preview};
pub use self::error::MirrorError;
pub use self::held::{Held, HeldRemovals};
pub use self::trouble::{Reason, Trouble};
pub use self::worker::{ChoresEnd, CycleEnd, MirrorWorker, OpenError, Shared};
