//! Copies of one mirror's records, made, compared and laid into another state.

mod difference;
mod digest;
mod extract;
mod facts;
mod import;
mod rows;
mod tables;

pub use difference::{difference, lay_over};
pub use digest::digest;
pub use extract::{extract, facts_of};
pub use facts::{SnapshotFacts, examine};
pub use rows::SnapshotRow;
