//! The network: one request out, one reply in.
//!
//! It says which hosts may be spoken to and which of them see the key (`address`), whom the
//! client trusts (`tls`), which address family is used (`family`), and what sends requests instead
//! of the network in a simulation (`carrier`). `http` puts them together in [`Transport`].
//!
//! Used by `client`, `upload` and `download`; the calls of the API go through `client`. Uses
//! `wire` for the [`Reply`](crate::wire::Reply) that it fills, `key`, `clock` and `error`; it
//! decides neither when a request is sent nor whether it is repeated.

mod address;
mod build_error;
mod carrier;
mod family;
mod http;
pub(crate) mod service_clock;
mod tls;

pub(crate) use address::ApiAddress;
pub use build_error::BuildError;
pub use carrier::{Carried, Carrier};
pub use family::AddressFamily;
pub(crate) use http::{ALSO_BY_GET, Part, Settings, Transport, unreachable};
pub use service_clock::ServiceClock;
pub use tls::tls_config;
