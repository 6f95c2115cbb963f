//! The work between cycles, which keeps the copies a backup: snapshots of the records, the end of
//! old versions, audits, proofs.

mod audit;
mod burst;
mod expiry;
mod proofs;
mod snapshots;
