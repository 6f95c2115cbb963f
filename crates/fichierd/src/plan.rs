//! From disk and records to a plan; no call is made here: `--dry-run` ends here.
//!
//! May be used by `remote` and what stands above it; uses `disk`, reads the state, and never names
//! the client of the service. The order in which a cycle goes through it:
//!
//! ```text
//! survey (disk beside records) ─► diff ─► Change ─► gather (reads contents) ─► decide ─► Plan (steps)
//!                                                                      guard ─┘ may it remove so much?
//! ```

mod change;
pub mod decide;
pub mod diff;
pub mod gather;
pub mod guard;
mod steps;
pub mod survey;

pub use self::change::Change;
pub use self::decide::{BatchLimits, Policy};
pub use self::gather::{Gathered, Unread};
pub use self::guard::Limit;
pub use self::steps::{Note, Occupant, Placement, Plan, Relocation, Retirement, Step};
pub use self::survey::{Survey, SurveyError, SurveyRequest};
