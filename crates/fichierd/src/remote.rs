//! The target on 1fichier, and the only hand that changes it: intent, call, record.
//!
//! May be used by `upkeep` and what stands above it; uses `plan` and what stands below it. Only this
//! folder and `upkeep` make calls that change the service. Each of them is written down before it
//! is made (I3), and recorded when the service has confirmed it (I1).

pub mod claims;
pub mod execute;
pub mod finish;
pub mod habits;
pub mod layout;
pub mod ledger;
pub mod owner;
pub mod probe;
pub mod report;
pub mod target;
pub mod trust;
