//! The service without sockets: a request comes in as a value and its response goes out as one.
//!
//! The same servers answer as on sockets, so that a simulation is watched as strictly as any other
//! test. Downloads need a connection that can be held up, and are not served.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Request, Response};

use crate::api;
use crate::node;
use crate::node::Arriving;
use crate::reply::dated;
use crate::world::{Caller, Places, World};

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Ports that tell the servers apart; nothing listens there.
const API_PORT: u16 = 1;
const NODE_PORT: u16 = 2;
const DOWNLOAD_PORT: u16 = 3;

/// The addresses of the servers, at which only [`answer`] finds them.
pub(crate) fn places() -> Places {
    let at = |port| SocketAddr::new(HOST, port);
    Places { api: at(API_PORT), node: at(NODE_PORT), download: at(DOWNLOAD_PORT), tls: false }
}

/// Answers one request.
///
/// # Errors
///
/// When the connection is closed without an answer, or no server has this address.
pub(crate) async fn answer<B: Arriving>(
    world: Arc<World>,
    request: Request<B>,
) -> io::Result<Response<Bytes>> {
    let caller = Caller { address: HOST, places: places() };
    let response = match request.uri().port_u16() {
        Some(API_PORT) => api::serve(Arc::clone(&world), request, caller).await?,
        Some(NODE_PORT) => node::serve(Arc::clone(&world), request).await?,
        _ => return Err(io::ErrorKind::ConnectionRefused.into()),
    };
    let (head, body) = dated(response, &world).into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(Response::from_parts(head, body))
}
