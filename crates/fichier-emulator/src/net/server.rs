//! Connections: HTTP/1.1 on three listeners, with or without TLS.
//!
//! An answer that is an error has no reply: the connection is closed on the client, which is how
//! a lost reply looks from there.

use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::header::{DATE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::api::serve as api;
use crate::download::serve as download;
use crate::net::socket::Socket;
use crate::node::upload as node;
use crate::world::places::{Caller, Places};
use crate::world::shared::World;

/// Which of the service's servers listens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Api,
    Node,
    Download,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) caller: Caller,
    /// Told when the connection has taken all that was written to it.
    pub(crate) flushed: Arc<Notify>,
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
                // Out of descriptors, most likely: others are freed meanwhile.
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

/// With the service's own time; hyper would write that of this machine.
pub(crate) fn dated<B>(mut response: Response<B>, world: &World) -> Response<B> {
    if let Ok(date) = HeaderValue::try_from(world.lock().clock.header()) {
        response.headers_mut().insert(DATE, date);
    }
    response
}
