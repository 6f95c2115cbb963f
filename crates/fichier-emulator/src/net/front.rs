//! The sockets of the service: API, node and download, plain or under the service's own names.
//!
//! One service may have several fronts. A caller is sent only to servers of the front that it
//! came to, so that a caller with TLS is never sent to plain HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use super::engine::Engine;
use super::proxy;
use super::server::{self, Door};
use super::tls::{self, Wardrobe};
use crate::habits::Certificate;
use crate::world::{Places, World};

/// Servers with TLS under the service's own names, and the proxy that leads there.
#[derive(Debug)]
pub struct Front {
    ca_pem: String,
    proxy: SocketAddr,
    wardrobe: Arc<Wardrobe>,
}

impl Front {
    /// Opens the servers and the proxy, the API at `listen`.
    pub(crate) fn open(
        listen: SocketAddr,
        engine: &Engine,
        world: &Arc<World>,
    ) -> io::Result<(Places, Front)> {
        let identity = tls::identity(listen.ip())?;
        let places = open(listen, Some(&identity.acceptor), engine, world)?;
        let listener = bind(SocketAddr::new(listen.ip(), 0))?;
        let proxy = listener.local_addr()?;
        engine.listen(listener, |listener| proxy::run(listener, places, Arc::clone(world)))?;
        let front = Front { ca_pem: identity.ca_pem, proxy, wardrobe: identity.wardrobe };
        Ok((places, front))
    }

    /// The certificate of the authority that clients must trust, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The address of the proxy, which leads to the service's host names only.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy)
    }

    /// Shows this certificate to clients that connect from now on.
    pub(crate) fn show(&self, certificate: Certificate) {
        self.wardrobe.show(certificate);
    }
}

/// Opens the three servers without TLS, the API at `listen`.
pub(crate) fn open_plain(
    listen: SocketAddr,
    engine: &Engine,
    world: &Arc<World>,
) -> io::Result<Places> {
    open(listen, None, engine, world)
}

fn open(
    listen: SocketAddr,
    acceptor: Option<&TlsAcceptor>,
    engine: &Engine,
    world: &Arc<World>,
) -> io::Result<Places> {
    let free = SocketAddr::new(listen.ip(), 0);
    let (api, node, download) = (bind(listen)?, bind(free)?, bind(free)?);
    let places = Places {
        api: api.local_addr()?,
        node: node.local_addr()?,
        download: download.local_addr()?,
        tls: acceptor.is_some(),
    };
    for (door, listener) in [(Door::Api, api), (Door::Node, node), (Door::Download, download)] {
        engine.listen(listener, |listener| {
            server::run(door, listener, acceptor.cloned(), places, Arc::clone(world))
        })?;
    }
    Ok(places)
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
