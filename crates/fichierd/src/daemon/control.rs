//! How a command reaches the running service: HTTP over a Unix socket.
//!
//! A command that changes something must not work beside the service, so it asks the service. Every
//! request goes to `POST /v1/ask`, with a [`Request`] as its body; `GET /v1/status` is there for
//! `curl --unix-socket /run/fichierd/control.sock http://localhost/v1/status`. docs/json.md shows
//! both.
//!
//! A machine may have several services, each with a configuration and a state folder of its own.
//! So a command first asks which service it has reached (`GET /v1/service`, an [`Identity`]), on
//! the connection that its request will use. The request goes to the service of the command's own
//! configuration and to no other one.
//!
//! The mode of the socket is the only access control: its owner and its group may open it, and may
//! then ask for everything.
//!
//! The service's loop answers; the HTTP side only hands each request over ([`Call`]) and waits.
//! The size of a body and the number of requests that wait are bounded.
//!
//! Not for secrets: no request or reply carries the API key or a file link (invariant I10).

mod client;
mod server;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use fichier_state::KeysId;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub use self::client::{AskError, ask, foreign};
pub use self::server::{listen, serve, try_to_leave_link};
use crate::base::words::path_text;
use crate::config::Config;
use crate::daemon::Work;
use crate::remote::Habits;
use crate::restore::Proved;
use crate::status::{CycleSummary, Status, WhyAnswer};

/// Which service listens: the answer to `GET /v1/service`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The number of its process.
    pub process: u32,
    /// The version of the program.
    pub version: String,
    /// The file that its configuration was read from.
    #[serde(with = "path_text")]
    pub config: PathBuf,
    /// The folder of its state.
    #[serde(with = "path_text")]
    pub state_dir: PathBuf,
    /// The file in which it keeps its pace; empty if the service does not tell.
    #[serde(with = "path_text", default)]
    pub pace_file: PathBuf,
}

impl Identity {
    /// That of this process, when it works with this configuration.
    pub fn of(config: &Config) -> Identity {
        Identity {
            process: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: config.path.clone(),
            state_dir: config.state_dir.clone(),
            pace_file: config.pace.file.clone(),
        }
    }
}

/// A request to the service, as the body of `POST /v1/ask`: `"pause"`, or `{"sync": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Asks for the whole status; answered with [`Reply::Status`]. `GET /v1/status` does the same.
    Status,
    /// Runs cycles now; answered with [`Reply::Cycle`] when they have ended.
    Sync {
        /// The mirrors; all if the list is empty.
        #[serde(default)]
        mirrors: Vec<String>,
    },
    /// Begins nothing new until [`Request::Resume`], even after a restart.
    Pause,
    /// Ends a pause.
    Resume,
    /// Lets the removals happen that are held.
    Approve {
        /// The name of the mirror.
        mirror: String,
        /// Whether to take over a target on which another installation works.
        #[serde(default)]
        take_over: bool,
        /// Whether to send all files again in the form that is configured now.
        #[serde(default)]
        encrypt_again: bool,
        /// Whether to remove at once the versions in a former form, and nothing else.
        #[serde(default)]
        remove_plain: bool,
    },
    /// Keeps the remote files that are held for removal.
    Reject {
        /// The name of the mirror.
        mirror: String,
    },
    /// Removes the files that a new exclude has left on 1fichier.
    Prune {
        /// The name of the mirror.
        mirror: String,
    },
    /// Records the result of a proof that a command has made; answered with [`Reply::Proved`].
    Proved(Proved),
    /// Records the answers that a probe has got from 1fichier; answered with [`Reply::Done`].
    Habits(Box<Habits>),
    /// Records that a person keeps the password of these keys in another place.
    PasswordKept {
        /// The name of the mirror.
        mirror: String,
        /// Which keys.
        keys: KeysId,
    },
    /// Explains one path; answered with [`Reply::Why`].
    Why {
        /// An absolute local path.
        #[serde(with = "path_text")]
        path: PathBuf,
    },
}

/// An answer of the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "content", rename_all = "snake_case")]
pub enum Reply {
    /// The answer to [`Request::Status`].
    Status(Status),
    /// The request was carried out.
    Done {
        /// What was done, for people.
        message: String,
    },
    /// The answer to [`Request::Sync`]: what each of the cycles has done.
    Cycle(Vec<CycleSummary>),
    /// The answer to [`Request::Why`].
    Why(WhyAnswer),
    /// The answer to [`Request::Proved`].
    Proved {
        /// Files that are sent again because of the proof.
        sent_again: u64,
    },
    /// The request was refused.
    Refused {
        /// Why it was refused, for people.
        message: String,
        /// The exit code that the command ends with ([`crate::base::Exit`]).
        exit: u8,
    },
}

/// A request on its way to the service's loop. If it is dropped unanswered, the asker is told that
/// the service stopped.
#[derive(Debug)]
pub struct Call {
    /// The request.
    pub request: Request,
    /// The channel to the asker, who may have gone away by then.
    pub reply: oneshot::Sender<Reply>,
}

/// Work that the service begins for a request. It is answered when the work has ended, which may be
/// hours later.
#[derive(Clone, Copy, Debug)]
pub enum Job<'a> {
    /// Run a cycle of each of these mirrors; of all if there are none.
    Cycles(&'a [String]),
    /// Do this with the mirror of this name.
    Work(&'a str, Work),
}

impl Request {
    /// The work that the service begins for this request; `None` if it answers at once.
    pub(crate) fn job(&self) -> Option<Job<'_>> {
        match self {
            Request::Sync { mirrors } => Some(Job::Cycles(mirrors)),
            Request::Reject { mirror } => Some(Job::Work(mirror, Work::Reject)),
            Request::Prune { mirror } => Some(Job::Work(mirror, Work::Prune)),
            Request::Status
            | Request::Pause
            | Request::Resume
            | Request::Approve { .. }
            | Request::Proved(_)
            | Request::Habits(_)
            | Request::PasswordKept { .. }
            | Request::Why { .. } => None,
        }
    }
}
