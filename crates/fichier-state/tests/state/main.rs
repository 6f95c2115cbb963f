//! The state crate as its user sees it: records round trips, transactions, opening, damage.

mod damage;
mod fixture;
mod opening;
mod pending;
mod records;
mod releases;
mod trees;
