//! Against what the real rclone wrote and read: the files in `data/`, whose `README.md` says how
//! each of them was made.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which fail this way")]

mod conf;
mod contents;
mod data;
mod names;
mod real;
mod witness;
