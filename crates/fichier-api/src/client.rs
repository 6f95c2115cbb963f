//! The client of one account: key, connections and pace, held together.
//!
//! [`Client`] is a handle that all endpoints are methods of. Its one way to call an endpoint,
//! `Client::call`, takes a turn, sends, reads the reply, tells the pacer, and repeats only what
//! may be repeated (`retry`).
//!
//! Used by `calls`, `upload` and `download`, which give it its methods. Uses `pace`, `transport`
//! and what they use; it knows no endpoint.

mod download_options;
mod handle;
pub(crate) mod retry;

pub use download_options::DownloadOptions;
pub use handle::{Client, ClientBuilder};
