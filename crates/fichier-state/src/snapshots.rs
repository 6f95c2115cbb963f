//! Copies of one mirror's records: made, compared, examined, and laid into another state.
//!
//! * [`extract()`] makes a whole copy, [`difference()`] leaves what has changed since another one,
//!   and [`lay_over`] puts the two together again:
//!   `lay_over(base, difference(base, whole)) = whole`.
//! * [`digest()`] says whether a copy tells anything new.
//! * [`examine`] believes nothing: form, pages, and counts.
//! * [`Store::import`](crate::Store::import) lays a whole copy into a state.
//! * [`SnapshotRow`] is the record of a copy that was sent to the service.
//!
//! No other folder needs this. It uses `base`, `schema`, `store` and `records`.

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
pub use facts::{SnapshotFacts, examine, facts_of, form_in};
pub use rows::SnapshotRow;
