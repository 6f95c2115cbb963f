//! The service's side of the control socket.
//!
//! Knows HTTP and nothing of the mirrors: a request becomes a [`Call`], and whatever the loop
//! answers is sent back as JSON with status 200, a refusal with 409. Where the loop cannot be
//! reached the answer is 503.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fichier_state::failpoint;
use serde::Deserialize;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::warn;

use super::{Call, Reply, Request, path_text};
use crate::base::exit::Exit;
use crate::remote::habits::Habits;
use crate::restore::proof::Proved;

/// A request is a list of mirror names or a path.
const LARGEST_BODY: usize = 64 * 1024;
/// Questions of each kind that wait for an answer at the same time.
const MOST_QUESTIONS: usize = 16;

/// Answers on `listener` until the future is dropped, which closes the socket; questions that
/// are still open then get no answer.
///
/// Each question is sent to `calls`. Waits when that channel is full.
pub async fn serve(listener: UnixListener, calls: mpsc::Sender<Call>) {
    let places = || Arc::new(Semaphore::new(MOST_QUESTIONS));
    let desk = Desk { calls, quick: places(), long: places() };
    let router = Router::new()
        .route("/v1/status", get(async |State(desk): State<Desk>| desk.ask(Request::Status).await))
        .route("/v1/pause", post(async |State(desk): State<Desk>| desk.ask(Request::Pause).await))
        .route("/v1/resume", post(async |State(desk): State<Desk>| desk.ask(Request::Resume).await))
        .route("/v1/sync", post(sync))
        .route("/v1/approve", post(approve))
        .route("/v1/reject", post(reject))
        .route("/v1/prune", post(prune))
        .route("/v1/proved", post(proved))
        .route("/v1/traits", post(habits))
        .route("/v1/why", post(why))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(desk);
    if let Err(error) = axum::serve(listener, router).await {
        warn!(%error, "the control socket has failed; commands cannot reach this service: {error}");
    }
}

/// Opens the socket at `path`, mode 0660, in a folder that is made with mode 0750 when missing.
///
/// A socket left by a service that was killed is replaced, but only after nobody answered on it.
///
/// # Errors
///
/// * `AddrInUse`: somebody answers on that socket, or a file that is no socket lies there.
/// * `InvalidInput`: the path is longer than the 107 bytes that a Unix socket may have.
/// * whatever else the file system says.
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

/// Whether a socket lies at `path` on which nobody listens.
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

/// Where questions are handed over.
#[derive(Clone)]
struct Desk {
    calls: mpsc::Sender<Call>,
    quick: Arc<Semaphore>,
    /// Apart, so that commands that wait for hours do not keep anybody from the status.
    long: Arc<Semaphore>,
}

impl Desk {
    async fn ask(&self, request: Request) -> Response {
        failpoint::reached("control:asked");
        let places = if request.takes_long() { &self.long } else { &self.quick };
        let Ok(_place) = places.try_acquire() else {
            return unavailable("too many commands are waiting for an answer");
        };
        let (reply, answer) = oneshot::channel();
        if self.calls.send(Call { request, reply }).await.is_err() {
            return unavailable("the service is stopping");
        }
        match answer.await {
            Ok(reply @ Reply::Refused { .. }) => {
                (StatusCode::CONFLICT, Json(reply)).into_response()
            }
            Ok(reply) => Json(reply).into_response(),
            Err(_) => unavailable("the service stopped before it had an answer"),
        }
    }
}

fn unavailable(message: &str) -> Response {
    let reply = Reply::Refused { message: message.to_owned(), exit: Exit::TryLater.code() };
    (StatusCode::SERVICE_UNAVAILABLE, Json(reply)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SyncBody {
    #[serde(default)]
    mirrors: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MirrorBody {
    mirror: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApproveBody {
    mirror: String,
    #[serde(default)]
    take_over: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvedBody {
    proved: Proved,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HabitsBody {
    #[serde(rename = "traits")]
    habits: Box<Habits>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyBody {
    #[serde(with = "path_text")]
    path: std::path::PathBuf,
}

async fn sync(State(desk): State<Desk>, Json(body): Json<SyncBody>) -> Response {
    desk.ask(Request::Sync { mirrors: body.mirrors }).await
}

async fn approve(State(desk): State<Desk>, Json(body): Json<ApproveBody>) -> Response {
    desk.ask(Request::Approve { mirror: body.mirror, take_over: body.take_over }).await
}

async fn reject(State(desk): State<Desk>, Json(body): Json<MirrorBody>) -> Response {
    desk.ask(Request::Reject { mirror: body.mirror }).await
}

async fn prune(State(desk): State<Desk>, Json(body): Json<MirrorBody>) -> Response {
    desk.ask(Request::Prune { mirror: body.mirror }).await
}

async fn proved(State(desk): State<Desk>, Json(body): Json<ProvedBody>) -> Response {
    desk.ask(Request::Proved { proved: body.proved }).await
}

async fn habits(State(desk): State<Desk>, Json(body): Json<HabitsBody>) -> Response {
    desk.ask(Request::Habits { habits: body.habits }).await
}

async fn why(State(desk): State<Desk>, Json(body): Json<WhyBody>) -> Response {
    desk.ask(Request::Why { path: body.path }).await
}
