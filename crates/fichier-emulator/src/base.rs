//! Tools that know nothing of the service: time, dates, and numbers that look random.
//!
//! Every folder may use it; it uses none.

mod clock;
pub(crate) mod dates;
mod numbers;

pub(crate) use clock::{Clock, instant};
pub(crate) use numbers::Numbers;
