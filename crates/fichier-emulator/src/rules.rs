//! The rules of the service: its limits, its names, and the switches for its unknown habits.
//!
//! Pure: nothing here reads a clock or stores anything. May use `habits` and `base`; every folder from
//! `world` up may use this.

mod limits;
pub(crate) mod names;
mod offer;
mod switches;

pub(crate) use limits::{Limits, LockKind};
pub use offer::Offer;
pub use switches::Rules;
