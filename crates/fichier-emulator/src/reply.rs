//! Replies in the service's own words, how they are written, and how they are spoiled or lost.
//!
//! May use `world` and what is below it. The servers use it.

pub(crate) mod answer;
pub(crate) mod bomb;
pub(crate) mod json;
pub(crate) mod spoil;
