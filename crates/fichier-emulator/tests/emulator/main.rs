//! The emulated service as a client sees it, over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which report by failing")]

mod clock;
mod damage;
mod downloads;
mod faults;
mod habits;
mod locations;
mod plain;
mod service;
mod tls;
