//! A running service: its addresses, and its end.
//!
//! It runs on threads of its own: a test that blocks its runtime does not block the service, and
//! the service outlives the runtime that started it. Dropping the [`Emulator`] stops it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::net::{Engine, Front, inside};
use crate::world::{Places, World};

/// A running service on loopback; dropping it stops it.
pub struct Emulator {
    pub(super) world: Arc<World>,
    pub(super) key: String,
    pub(super) places: Places,
    pub(super) front: Option<Front>,
    pub(super) engine: Engine,
}

impl Emulator {
    /// Answers a request to a service without sockets; see
    /// [`Builder::start_inside`](crate::Builder::start_inside).
    ///
    /// # Errors
    ///
    /// When the connection is closed without an answer, or the host is none of the service's.
    pub async fn answer<B>(&self, request: hyper::Request<B>) -> io::Result<hyper::Response<Bytes>>
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Unpin
            + Send,
    {
        inside::answer(Arc::clone(&self.world), request).await
    }

    /// The address that endpoints are appended to: `http://127.0.0.1:PORT/v1`.
    pub fn api_url(&self) -> String {
        let scheme = if self.places.tls { "https" } else { "http" };
        format!("{scheme}://{}/v1", self.places.api)
    }

    /// The key that the service was started with.
    pub fn api_key(&self) -> &str {
        &self.key
    }

    /// The certificate of the authority that clients must trust, as PEM, if there is TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.front.as_ref().map(Front::ca_pem)
    }

    /// The address of the proxy that knows the service's host names, if there is TLS.
    pub fn proxy_url(&self) -> Option<String> {
        self.front.as_ref().map(Front::proxy_url)
    }

    /// Opens a second front with TLS and a proxy to the same account, so that a client which
    /// knows the service by its names alone can look at an account that others reach over plain
    /// HTTP. It stays open until the emulator stops, and its requests are recorded and checked like
    /// the others.
    ///
    /// # Errors
    ///
    /// When there is no free port or no certificate can be made.
    pub fn open_to_others(&self) -> io::Result<Front> {
        let free = SocketAddr::new(self.places.api.ip(), 0);
        Front::open(free, &self.engine, &self.world).map(|(_, front)| front)
    }

    /// Stops, and returns when the ports are free.
    pub async fn stop(mut self) {
        self.engine.stop().await;
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("api_url", &self.api_url()).finish_non_exhaustive()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Err(error) = self.world.save() {
            tracing::warn!("the emulator's index is not saved: {error}");
        }
    }
}
