//! Downloads files without keeping them and compares them with the records: proof that they are
//! there, whole, and can be had from here.
//!
//! Listings only tell what the service believes. A sample of the files, or all of them, is read
//! back: one download for each distinct content, hashed as it comes, and deciphered where its keys
//! are at hand. The state is only read, so
//! that this runs beside the service; the findings are handed to the service
//! ([`crate::restore::proof`]), which sends damaged or missing files again.

mod run;
mod sample;

pub use run::{Finding, Progress, Verify, VerifyOutcome, Wrong};
pub use sample::{Sample, Share, Wanted};
