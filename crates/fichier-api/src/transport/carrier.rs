//! A way to the service that is not the network: for simulations of everything above it.
//!
//! All that the client does (pace, repeats, reading replies) stays as it is; only the bytes go
//! elsewhere. Requests are those that would have gone over the network.

use std::fmt;
use std::io;
use std::pin::Pin;

use bytes::Bytes;

/// What [`Carrier::carry`] returns.
pub type Carried = Pin<Box<dyn Future<Output = io::Result<http::Response<Bytes>>> + Send>>;

/// Takes requests to the service and brings back its responses.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Carries one request, whatever server it is for.
    ///
    /// An error is a lost reply, unless it is `ConnectionRefused`: then nothing was sent.
    fn carry(&self, request: http::Request<reqwest::Body>) -> Carried;
}
