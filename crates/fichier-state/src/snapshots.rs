//! Copies of one mirror's records, made, compared and laid into another state.

mod difference;
mod digest;
mod extract;
mod facts;
mod file;
mod import;
mod rows;
mod tables;

pub use difference::{difference, lay_over};
pub use digest::digest;
pub use extract::extract;
pub use facts::{SnapshotFacts, examine, facts_of};
pub use rows::SnapshotRow;
