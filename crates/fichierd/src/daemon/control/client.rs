//! The command's side of the control socket.
//!
//! If no service listens, that is an answer and not an error: the command then does the work
//! itself, under the service's lock. Anything doubtful is an error, so that a command never works
//! beside a service that was only slow to answer. A service of another configuration does not count:
//! the command has a lock, and records, of its own.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{Identity, Reply, Request};
use crate::base::Exit;
use crate::config::Config;

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
    /// The service that was reached is not that of this configuration, and the command cannot work
    /// beside it. It was asked for nothing.
    #[error(
        "process {} runs as a service with the configuration {} and the state folder {}: {advice}",
        found.process,
        found.config.display(),
        found.state_dir.display()
    )]
    Other {
        /// The service that was reached.
        found: Box<Identity>,
        /// What to do, for people.
        advice: String,
    },
    /// The answer cannot be read: the service may be of another version.
    #[error(
        "the service gave an answer that cannot be read ({detail}); if it is of another version: \
         systemctl restart fichierd"
    )]
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
            AskError::Other { .. } => Exit::TryLater,
            AskError::Broken { .. } | AskError::Silent | AskError::Unreadable { .. } => {
                Exit::Unavailable
            }
        }
    }
}

/// Asks the service of this configuration; `None` if it does not run.
///
/// It waits without a limit for requests that begin work, else at most 20 seconds. A service of
/// another configuration that listens where this one would is asked nothing.
///
/// # Errors
///
/// [`AskError`]. After any error but [`AskError::Other`] the service may have done what was asked.
pub async fn ask(config: &Config, request: &Request) -> Result<Option<Reply>, AskError> {
    let mut denied = None;
    for path in std::iter::once(&config.control_socket).chain(&config.other_sockets) {
        let stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                denied.get_or_insert(AskError::NotAllowed { path: path.clone() });
                continue;
            }
            Err(error) if is_nobody(&error) => continue,
            Err(source) => return Err(AskError::Broken { path: path.clone(), source }),
        };
        let conversation = Conversation { path, config };
        if let Some(reply) = conversation.hold(stream, request).await? {
            return Ok(Some(reply));
        }
    }
    denied.map_or(Ok(None), Err)
}

/// The services of other configurations that listen where this one would. Those that may not be
/// asked, or do not answer, are left out.
pub async fn foreign(config: &Config) -> Vec<Identity> {
    let mut found = Vec::new();
    for path in std::iter::once(&config.control_socket).chain(&config.other_sockets) {
        let Ok(stream) = UnixStream::connect(path).await else { continue };
        let Ok((_, who)) = (Conversation { path, config }).begin(stream).await else { continue };
        if matches!(Relation::of(&who, config), Relation::Foreign) {
            found.push(who);
        }
    }
    found
}

/// Whether the error says that no service listens there. None can have a path that is too long for
/// a socket.
fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, InvalidInput, NotADirectory, NotFound};
    [NotFound, ConnectionRefused, NotADirectory, InvalidInput].contains(&error.kind())
}

/// What a service that was reached is to a configuration.
enum Relation {
    /// The service of this configuration.
    Ours,
    /// It has this configuration file, and the state folder that the file named when it started.
    OursBefore,
    /// It has another configuration, and the same state folder.
    SameState,
    /// It has nothing to do with this configuration.
    Foreign,
}

impl Relation {
    fn of(found: &Identity, config: &Config) -> Relation {
        let same_config = is_same(&found.config, &config.path);
        match (same_config, is_same(&found.state_dir, &config.state_dir)) {
            (true, true) => Relation::Ours,
            (true, false) => Relation::OursBefore,
            (false, true) => Relation::SameState,
            (false, false) => Relation::Foreign,
        }
    }
}

/// Whether two paths lead to one file or folder.
fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| std::fs::canonicalize(path).ok();
    one == other || whole(one).is_some_and(|one| Some(one) == whole(other))
}

/// The talk with one service.
struct Conversation<'a> {
    path: &'a Path,
    config: &'a Config,
}

impl Conversation<'_> {
    /// Asks which service this is, and then, on the same connection, for what is requested; `None`
    /// if the service is a foreign one.
    async fn hold(&self, stream: UnixStream, request: &Request) -> Result<Option<Reply>, AskError> {
        let (mut sender, found) = self.begin(stream).await?;
        match (Relation::of(&found, self.config), request) {
            (Relation::Ours, _) | (Relation::OursBefore, Request::Status) => {}
            (Relation::Foreign, _) => {
                tracing::debug!("at {} listens another service: {found:?}", self.path.display());
                return Ok(None);
            }
            (relation, _) => return Err(self.other(&relation, &found)),
        }
        let body = serde_json::to_string(request).map_err(unreadable)?;
        let post = hyper::Request::post("/v1/ask").header(CONTENT_TYPE, "application/json");
        let asking = self.send(&mut sender, post, &body);
        let answer = if request.job().is_some() { asking.await? } else { in_time(asking).await? };
        parse(&answer).map(Some)
    }

    /// Begins a conversation, and asks which service this is.
    async fn begin(
        &self,
        stream: UnixStream,
    ) -> Result<(http1::SendRequest<Full<Bytes>>, Identity), AskError> {
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.broken(error))?;
        // This task moves the bytes, and ends when the conversation is dropped. An error of it is
        // returned by what is sent.
        tokio::spawn(connection);
        let who = in_time(self.send(&mut sender, hyper::Request::get("/v1/service"), "")).await?;
        Ok((sender, parse(&who)?))
    }

    async fn send(
        &self,
        sender: &mut http1::SendRequest<Full<Bytes>>,
        head: hyper::http::request::Builder,
        body: &str,
    ) -> Result<Answer, AskError> {
        let body = Full::from(body.to_owned());
        let request = head.header(HOST, "localhost").body(body).map_err(unreadable)?;
        let ready = sender.ready().await;
        ready.map_err(|error| self.broken(error))?;
        let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_REPLY);
        Ok(Answer { status, body: body.collect().await.map_err(unreadable)?.to_bytes() })
    }

    fn broken(&self, error: hyper::Error) -> AskError {
        AskError::Broken { path: self.path.to_path_buf(), source: io::Error::other(error) }
    }

    fn other(&self, relation: &Relation, found: &Identity) -> AskError {
        let advice = if matches!(relation, Relation::SameState) {
            format!(
                "it has the state folder of {}, and two services cannot share one: stop it, or set \
                 another `state_dir`",
                self.config.path.display()
            )
        } else {
            "its configuration names another state folder now, which needs a restart: \
             systemctl restart fichierd"
                .to_owned()
        };
        AskError::Other { found: Box::new(found.clone()), advice }
    }
}

/// What came back.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T, AskError> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| unreadable(format!("HTTP {}: {error}", answer.status)))
}

async fn in_time(
    answer: impl Future<Output = Result<Answer, AskError>>,
) -> Result<Answer, AskError> {
    tokio::time::timeout(QUICK_ANSWER, answer).await.map_err(|_| AskError::Silent)?
}

fn unreadable(detail: impl Display) -> AskError {
    AskError::Unreadable { detail: detail.to_string() }
}
