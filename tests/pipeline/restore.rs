//! The way back: files to a disk, records to a new machine, and drills which show that it works.

mod drill;
mod enciphered;
mod enciphered_listed;
mod enciphered_proofs;
mod enciphered_walk;
mod interrupted;
mod lost;
mod past;
mod recovering;
mod sealed;
mod whole;
