//! The state crate as its user sees it: records round trips, transactions, opening, damage.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to stop")]

mod damage;
mod enciphered;
mod fixture;
mod held;
mod opening;
mod past;
mod pending;
mod records;
mod releases;
mod snapshot_files;
mod trees;
