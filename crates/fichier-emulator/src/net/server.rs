//! Connections: HTTP/1.1 on three listeners, with or without TLS.
//!
//! When a server returns an error, no reply is sent and the connection is closed: that is how a
//! lost reply looks to the client.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::socket::Socket;
use crate::api;
use crate::download;
use crate::download::Peer;
use crate::node;
use crate::reply::dated;
use crate::world::{Caller, Places, World};

/// The three servers of the service.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Api,
    Node,
    Download,
}

/// Serves every connection until the runtime ends.
pub(crate) async fn run(
    door: Door,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    places: Places,
    world: Arc<World>,
) {
    loop {
        let (socket, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Most likely no descriptor is left; others are freed meanwhile.
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!("no TCP_NODELAY: {error}");
        }
        let (tls, world) = (tls.clone(), Arc::clone(&world));
        let peer = Peer {
            caller: Caller { address: address.ip(), places },
            flushed: Arc::new(Notify::new()),
        };
        tokio::spawn(async move {
            match tls {
                None => converse(door, socket, peer, world).await,
                Some(tls) => match tls.accept(socket).await {
                    Ok(stream) => converse(door, stream, peer, world).await,
                    Err(error) => tracing::debug!("no TLS with a client: {error}"),
                },
            }
        });
    }
}

async fn converse<S>(door: Door, stream: S, peer: Peer, world: Arc<World>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let socket = Socket::new(stream, Arc::clone(&peer.flushed));
    let service = service_fn(move |request| {
        let (world, peer) = (Arc::clone(&world), peer.clone());
        async move {
            let answer = match door {
                Door::Api => api::serve(Arc::clone(&world), request, peer.caller).await,
                Door::Node => node::serve(Arc::clone(&world), request).await,
                Door::Download => download::serve(Arc::clone(&world), request, peer).await,
            };
            answer.map(|response| dated(response, &world))
        }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await
    {
        tracing::debug!("a connection ended: {error}");
    }
}
