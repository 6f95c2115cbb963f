//! The pace: when the next request to the service may start.
//!
//! The service publishes three calls a second and locks out an address or an account that comes
//! near it, and it has stricter rules for listings and for the account (docs/api-notes.md, A.5).
//! A lock stops every program of the account at once, so the limit belongs to none of them alone:
//! they share the memory of their pacers, see [`Pacer::at`].
//!
//! The layers, from the outside in: `pacer` makes callers wait and hands out turns, `memory`
//! keeps the record in a file that all processes share, `schedule` has the rules, without clock
//! or I/O; `clock` is the time that the rules count in. `waits` notes what is waited for, for people;
//! `tally` counts requests and waits, for metrics.
//!
//! Used by `client` and by what calls the service. Uses `types` for the number of a folder,
//! `clock` and `error`; it knows no HTTP and sends nothing.

mod clock;
mod lane;
mod memory;
mod news;
mod pacer;
mod schedule;
mod tally;
mod waits;

pub(crate) use lane::Lane;
pub use pacer::{HoldOff, Lifted, PaceConfig, Pacer};
pub(crate) use pacer::{Turn, TurnOr};
pub use tally::{Answer, Counts};
pub(crate) use waits::{Noted, Waits};
pub use waits::{Wait, Waiting};
