//! What is wrong now, and since when: found in facts, compared with what was known, told once at
//! each end. Pure, but for the note that keeps it.

mod episodes;
mod found;
mod line;
mod live;
mod offline;
mod recorded;

#[cfg(test)]
mod tests;

pub use self::episodes::{Episodes, News, Remembered};
pub use self::found::{Facts, Found, MirrorFacts, found};
pub(crate) use self::line::log_end;
pub use self::line::{line, summary};
pub(crate) use self::live::live;
pub(crate) use self::offline::NOTE;
pub use self::offline::{never, offline, remembered};
pub use self::recorded::hold_off_status;
