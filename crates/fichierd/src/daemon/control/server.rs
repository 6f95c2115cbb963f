//! The service's side of the control socket.
//!
//! This file knows HTTP and nothing of the mirrors: a request becomes a [`Call`], and the answer of
//! the loop is sent back as JSON with status 200, or 409 if it is a refusal. `GET /metrics` tells the
//! same status as `GET /v1/status`, as text for Prometheus (`daemon::web`). The status is 503 if
//! the loop cannot be reached, and 400, 413, 415 or 422 if the body is no [`Request`].

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fichier_state::failpoint;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::warn;

use super::{Call, Identity, Reply, Request};
use crate::base::Exit;
use crate::config::socket_in;
use crate::daemon::web;

/// Bytes in the body of a request (mirror names or a path); a longer body is refused with 413.
const LARGEST_BODY: usize = 64 * 1024;
/// Quick requests, and as many long ones, that wait for an answer at the same time; a further one
/// of the same sort is refused with 503.
const MOST_WAITING: usize = 16;

/// Answers on `listener` until the future is dropped, which closes the socket; requests that are
/// still open then get no answer.
///
/// Each request is sent to `calls`, and waits while that channel is full.
pub async fn serve(listener: UnixListener, identity: Identity, calls: mpsc::Sender<Call>) {
    let places = || Arc::new(Semaphore::new(MOST_WAITING));
    let desk = Desk { calls, identity: Arc::new(identity), quick: places(), long: places() };
    let router = Router::new()
        .route("/v1/service", get(service))
        .route("/v1/status", get(status))
        .route("/metrics", get(metrics))
        .route("/v1/ask", post(ask))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(desk);
    if let Err(error) = axum::serve(listener, router).await {
        warn!(%error, "the control socket has failed; commands cannot reach this service: {error}");
    }
}

/// Opens the socket at `path`, mode 0660, in a folder that is made with mode 0750 when missing.
///
/// A socket that a killed service has left behind is replaced if no process answers on it.
///
/// # Errors
///
/// * `AddrInUse`: another process answers on that socket, or the path is that of another file.
/// * `InvalidInput`: the path is longer than the 107 bytes that a Unix socket may have.
/// * Any other error of the file system.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
    }
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path)? => {
            remove_socket(path)?;
            UnixListener::bind(path)?
        }
        other => other?,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Leaves a link to the service's socket in its state folder, so that a command finds the service
/// whose systemd unit, or whose older configuration, has put the socket elsewhere. A link that an
/// earlier service has left is replaced, also if the socket itself is to lie there. The caller has
/// the lock of the state folder. Without links, as on some file systems, commands of this very
/// configuration find the socket nevertheless.
pub fn try_to_leave_link(state_dir: &Path, socket: &Path) {
    if let Err(error) = leave_link(state_dir, socket) {
        tracing::info!("no link to the control socket is left in the state folder: {error}");
    }
}

pub(super) fn leave_link(state_dir: &Path, socket: &Path) -> io::Result<()> {
    let link = socket_in(state_dir);
    match fs::symlink_metadata(&link) {
        Ok(there) if there.is_symlink() || is_abandoned(&link)? => remove_socket(&link)?,
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if link == socket { Ok(()) } else { std::os::unix::fs::symlink(socket, &link) }
}

/// Whether the file at `path` is a socket on which no process listens.
fn is_abandoned(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    match UnixStream::connect(path) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        Err(error) => Err(error),
    }
}

#[expect(clippy::disallowed_methods, reason = "our own socket, in our own folder")]
fn remove_socket(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Hands requests over to the loop, and limits how many wait.
#[derive(Clone)]
struct Desk {
    calls: mpsc::Sender<Call>,
    identity: Arc<Identity>,
    quick: Arc<Semaphore>,
    /// Permits for long requests. They are counted separately, so that commands that wait for hours
    /// leave room for a quick one.
    long: Arc<Semaphore>,
}

impl Desk {
    async fn answer(&self, request: Request) -> Response {
        match self.reply(request).await {
            Ok(reply @ Reply::Refused { .. }) => {
                (StatusCode::CONFLICT, Json(reply)).into_response()
            }
            Ok(reply) => Json(reply).into_response(),
            Err(unavailable) => unavailable,
        }
    }

    /// The loop's answer; in `Err` the response that tells why there is none.
    async fn reply(&self, request: Request) -> Result<Reply, Response> {
        failpoint::reached("control:asked");
        let places = if request.job().is_some() { &self.long } else { &self.quick };
        let Ok(_place) = places.try_acquire() else {
            return Err(unavailable("too many commands are waiting for an answer"));
        };
        let (reply, answer) = oneshot::channel();
        if self.calls.send(Call { request, reply }).await.is_err() {
            return Err(unavailable("the service is stopping"));
        }
        answer.await.map_err(|_| unavailable("the service stopped before it had an answer"))
    }
}

fn unavailable(message: &str) -> Response {
    let reply = Reply::Refused { message: message.to_owned(), exit: Exit::TryLater.code() };
    (StatusCode::SERVICE_UNAVAILABLE, Json(reply)).into_response()
}

async fn service(State(desk): State<Desk>) -> Json<Identity> {
    Json(Identity::clone(&desk.identity))
}

async fn status(State(desk): State<Desk>) -> Response {
    desk.answer(Request::Status).await
}

async fn metrics(State(desk): State<Desk>, headers: HeaderMap) -> Response {
    match desk.reply(Request::Status).await {
        Ok(Reply::Status(status)) => web::metrics_reply(&status, &headers),
        Ok(_) => unavailable("the service has no status"),
        Err(refused) => refused,
    }
}

async fn ask(State(desk): State<Desk>, Json(request): Json<Request>) -> Response {
    desk.answer(request).await
}
