//! What the service allows: its limits, its names, and the switches for its unknown habits.
//!
//! Pure: nothing here keeps a clock or asks anyone. May use `base` and the folders beside it;
//! `world` and all that is above it may use this.

pub(crate) mod limits;
pub(crate) mod names;
pub(crate) mod switches;
