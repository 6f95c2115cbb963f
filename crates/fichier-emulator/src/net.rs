//! The ways to the servers: sockets, TLS and the proxy, and one without sockets.
//!
//! May use the servers and all below them. Only `harness` uses this.

mod engine;
mod front;
pub(crate) mod inside;
mod proxy;
mod server;
mod socket;
mod tls;

pub(crate) use engine::Engine;
pub use front::Front;
pub(crate) use front::open_plain;
