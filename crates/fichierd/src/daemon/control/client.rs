//! The command's side of the control socket.
//!
//! "No service is listening" is an answer and not an error: the command then does the work
//! itself, under the service's lock. Anything doubtful is an error, so that a command never
//! works beside a service that was only slow to answer.

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
use crate::base::exit::Exit;

/// How long a command waits for an answer that needs no cycle, before it fails. The loop gives it
/// at once, unless the machine is in trouble.
const QUICK_ANSWER: Duration = Duration::from_secs(20);
/// Bytes of an answer that are read, far more than the longest status has; a longer answer is an
/// error.
const LARGEST_REPLY: usize = 16 * 1024 * 1024;

/// The running service could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The socket is there and may not be opened.
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
        /// What failed.
        source: io::Error,
    },
    /// No answer in time.
    #[error("the service has not answered for {} s; see: journalctl -u fichierd", QUICK_ANSWER.as_secs())]
    Silent,
    /// The answer is not that of a fichierd of about this version.
    #[error("the service gave an answer that cannot be read ({detail}); is it of another version?")]
    Unreadable {
        /// What came.
        detail: String,
    },
}

impl AskError {
    /// What the command ends with.
    pub fn exit(&self) -> Exit {
        match self {
            AskError::NotAllowed { .. } => Exit::Refused,
            AskError::Broken { .. } | AskError::Silent | AskError::Unreadable { .. } => {
                Exit::Unavailable
            }
        }
    }
}

/// Asks the service that listens at `path`; `None` if none does.
///
/// Waits as long as it takes for requests that run a cycle, else at most 20 seconds.
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
    // It moves the bytes, and ends when this conversation is dropped. Its error comes out below.
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
