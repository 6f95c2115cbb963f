//! Downloads files into nothing and compares what comes with the records: proof that they are
//! there, whole, and can be had from here.
//!
//! Listings only tell what the service believes. A sample of the files, or all, is read back: one
//! download for each distinct content, hashed as it comes and kept nowhere. The state is only
//! read, so that this runs beside the service; what was found is handed to it ([`crate::restore::proof`]),
//! and it sends again what is damaged or gone.

mod run;
mod sample;

pub use run::{Finding, Outcome, Progress, Verify, Wrong};
pub use sample::{Sample, Share, Wanted};
