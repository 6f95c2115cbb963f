//! The entry functions of `tests/hostile`, for the fuzz targets.

#![allow(missing_docs, reason = "tests are their own documentation")]

#[path = "../hostile/entries/mod.rs"]
pub mod entries;
