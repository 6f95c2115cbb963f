//! The status of the service, and its degraded states with their beginnings. It is pure, but for
//! reading the state.
//!
//! [`live()`] makes the status of a running service and [`offline()`] that of a stopped one, both
//! from the records that `recorded` reads. [`found()`] derives the degraded states of this moment,
//! and [`Episodes`] compares them with those before, so that each is told once when it begins and
//! once when it has ended. [`line()`] and [`summary`] are the short forms.

mod episodes;
mod found;
mod kept;
mod line;
mod live;
mod offline;
mod one_shot;
mod recorded;
mod waiting;

#[cfg(test)]
mod tests;

pub use self::episodes::{Episodes, News, Now, Remembered};
pub use self::found::{Facts, FoundState, MirrorFacts, found};
pub use self::kept::{KEPT, keep, kept};
pub(crate) use self::line::log_end;
pub use self::line::{line, summary};
pub(crate) use self::live::live;
pub(crate) use self::offline::REMEMBERED;
pub use self::offline::{never, offline, remembered};
pub(crate) use self::one_shot::disproves;
pub use self::one_shot::{Met, remember_met};
pub use self::recorded::hold_off_status;
pub(crate) use self::recorded::timestamp;
pub use self::waiting::{EndOfWait, PATIENCE, wait_text};
