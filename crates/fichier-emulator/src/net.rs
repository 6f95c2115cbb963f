//! The ways to the servers: sockets, TLS and the proxy, and one without sockets.
//!
//! May use the servers and all that is below them. Only `harness` uses it.

pub(crate) mod front;
pub(crate) mod inside;
pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod tls;
