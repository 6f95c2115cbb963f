//! Replies in the service's own words, how they are written, and how they are spoiled or lost.
//!
//! May use `world` and all below it. The servers and `net` use this.

mod answer;
mod bomb;
mod json;
mod reshape;
pub(crate) mod spoil;
mod words;

pub(crate) use answer::{Answer, Body, Delivery, dated, full};
pub(crate) use words::{ONE_LOCATION, ONE_LOCATION_NUMBER, Payload, Reply};
