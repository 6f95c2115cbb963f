//! `GET /metrics` over HTTP, on an address of this machine.
//!
//! A small server beside the loop, which it asks for the status as any command does: the loop never
//! waits for it. It tells, and takes no orders: only GET and HEAD are answered. A page in a browser
//! can send requests to this machine under a name of its own, so the `Host` must be that of this
//! machine; that keeps such a page from reading the answer.
//!
//! Connections are few and short, so that a program that opens very many of them, or sends nothing,
//! takes no more than its own turns.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::{Asker, metrics_reply};
use crate::status::Status;

/// Connections at the same time; a further one waits.
const MOST_CONNECTIONS: usize = 8;
/// How long one connection may take, with request and answer.
const LONGEST_CONNECTION: Duration = Duration::from_secs(10);
/// How long the status is told again without asking the loop.
const FRESH: Duration = Duration::from_secs(1);
/// The pause after a connection that could not be taken.
const REST: Duration = Duration::from_secs(1);
/// The pause before the address is tried again, when another program has it.
const PAUSE: Duration = Duration::from_secs(30);

/// Answers on `address` until the future is dropped. An address that another program has is tried
/// again and again, and told once: metrics are never worth a mirror.
pub(super) async fn serve(address: SocketAddr, asker: Asker) {
    let listener = bind(address).await;
    info!("the metrics are told on http://{address}/metrics");
    let router = router(asker);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, for example.
            sleep(REST).await;
            continue;
        };
        let router = router.clone();
        connections.spawn(async move {
            answer(stream, router).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    let mut is_told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if !is_told => {
                warn!(
                    "`listen` of [metrics], {address}, cannot be used, and is tried again: {error}"
                );
                is_told = true;
            }
            Err(_) => {}
        }
        sleep(PAUSE).await;
    }
}

/// Answers one request; what goes wrong with it concerns its sender alone.
async fn answer(stream: TcpStream, router: Router) {
    let service = TowerToHyperService::new(router);
    let connection =
        http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    timeout(LONGEST_CONNECTION, connection).await.ok();
}

/// What the answers are made from.
#[derive(Clone)]
struct Source {
    asker: Asker,
    /// The last status, and when it was asked for.
    last: Arc<Mutex<Option<(Instant, Status)>>>,
}

pub(super) fn router(asker: Asker) -> Router {
    let source = Source { asker, last: Arc::default() };
    Router::new()
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn(only_for_this_machine))
        .with_state(source)
}

async fn metrics(State(source): State<Source>, headers: HeaderMap) -> Response {
    // Held while the loop is asked: those who come meanwhile get the same answer.
    let mut last = source.last.lock().await;
    if last.as_ref().is_none_or(|(asked, _)| asked.elapsed() >= FRESH) {
        *last = source.asker.status().await.map(|status| (Instant::now(), status));
    }
    match last.as_ref() {
        Some((_, status)) => metrics_reply(status, &headers),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn only_for_this_machine(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST);
    let of_header = hosts.iter().map(|host| host.to_str().unwrap_or_default());
    // A request to a proxy has the host in its first line.
    let mut all = of_header.chain(request.uri().host());
    if all.next().is_some_and(is_this_machine) && all.all(is_this_machine) {
        next.run(request).await
    } else {
        StatusCode::MISDIRECTED_REQUEST.into_response()
    }
}

/// Whether a `Host` is a name of this machine, with a port or without.
fn is_this_machine(host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    };
    let bare = without_port.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    without_port.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for host in ["127.0.0.1", "127.0.0.1:7576", "localhost:7576", "LOCALHOST", "[::1]:7576"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["evil.test", "evil.test:7576", "localhost.evil.test", "127.0.0.1.evil.test"] {
            assert!(!is_this_machine(host), "{host}");
        }
        for host in ["", ":7576", "192.0.2.1", "127.0.0.1@evil.test", "[::]:7576"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
