//! The command's side of the control socket.
//!
//! If no service listens, that is an answer and not an error: the command then does the work
//! itself, under the service's lock. Anything doubtful is an error, so that a command never works
//! beside a service that was only slow to answer.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{Reply, Request};
use crate::base::Exit;

/// How long a command waits for an answer that needs no cycle; then it fails. The loop answers at
/// once, unless the machine is overloaded or its disk hangs.
const QUICK_ANSWER: Duration = Duration::from_secs(20);
/// Bytes of an answer that are read, far more than the longest status has; a longer answer is an
/// error ([`AskError::Unreadable`]).
const LARGEST_REPLY: usize = 16 * 1024 * 1024;

/// The running service could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The socket exists, and this user may not open it.
    #[error("the service's socket {} may not be opened: join the group fichierd, or use sudo", path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// Opening the socket, sending or receiving failed.
    #[error("the service at {} cannot be asked: {source}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The service has not answered in time.
    #[error("the service has not answered for {} s; see: journalctl -u fichierd", QUICK_ANSWER.as_secs())]
    Silent,
    /// The answer cannot be read: the service may be of another version.
    #[error("the service gave an answer that cannot be read ({detail}); is it of another version?")]
    Unreadable {
        /// The error, and the HTTP status of the answer.
        detail: String,
    },
}

impl AskError {
    /// The exit code of the command.
    pub fn exit(&self) -> Exit {
        match self {
            AskError::NotAllowed { .. } => Exit::Refused,
            AskError::Broken { .. } | AskError::Silent | AskError::Unreadable { .. } => {
                Exit::Unavailable
            }
        }
    }
}

/// Asks the service that listens at `path`; `None` if none listens there.
///
/// It waits without a limit for requests that run a cycle, else at most 20 seconds.
///
/// # Errors
///
/// [`AskError`]. After any error the service may have done what was asked.
pub async fn ask(path: &Path, request: &Request) -> Result<Option<Reply>, AskError> {
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) => return none_listens(path, error),
    };
    let conversation = converse(path, stream, request);
    let reply = if request.takes_long() {
        conversation.await?
    } else {
        tokio::time::timeout(QUICK_ANSWER, conversation).await.map_err(|_| AskError::Silent)??
    };
    Ok(Some(reply))
}

fn none_listens(path: &Path, error: io::Error) -> Result<Option<Reply>, AskError> {
    let path = path.to_path_buf();
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound || kind == io::ErrorKind::ConnectionRefused {
        Ok(None)
    } else if kind == io::ErrorKind::PermissionDenied {
        Err(AskError::NotAllowed { path })
    } else {
        Err(AskError::Broken { path, source: error })
    }
}

async fn converse(path: &Path, stream: UnixStream, request: &Request) -> Result<Reply, AskError> {
    let broken = |error: hyper::Error| AskError::Broken {
        path: path.to_path_buf(),
        source: io::Error::other(error),
    };
    let body = serde_json::to_vec(request).map_err(unreadable)?;
    let post = hyper::Request::post("/v1/ask")
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::<Bytes>::from(body))
        .map_err(unreadable)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // This task moves the bytes, and ends when the conversation is dropped. An error of it is
    // returned below as well.
    tokio::spawn(connection);
    let response = sender.send_request(post).await.map_err(broken)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_REPLY);
    let body = body.collect().await.map_err(unreadable)?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| unreadable(format!("HTTP {status}: {error}")))
}

fn unreadable(detail: impl Display) -> AskError {
    AskError::Unreadable { detail: detail.to_string() }
}
