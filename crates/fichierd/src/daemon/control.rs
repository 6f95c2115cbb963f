//! How a command reaches the running service: HTTP over a Unix socket.
//!
//! A command that changes something must not work beside the service, so it asks the service. Every
//! request goes to `POST /v1/ask`, with a [`Request`] as its body; `GET /v1/status` is there for
//! `curl --unix-socket /run/fichierd/control.sock http://localhost/v1/status`. docs/json.md shows
//! both.
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

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub use self::client::{AskError, ask};
pub use self::server::{listen, serve};
use crate::base::words::path_text;
use crate::remote::Habits;
use crate::restore::Proved;
use crate::status::{CycleSummary, Status, WhyAnswer};

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
    Proved {
        /// The result.
        proved: Proved,
    },
    /// Records the answers that a probe has got from 1fichier; answered with [`Reply::Done`].
    Habits {
        /// The answers.
        #[serde(rename = "traits")]
        habits: Box<Habits>,
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

impl Request {
    /// Whether the answer waits for work that may take hours.
    fn takes_long(&self) -> bool {
        matches!(self, Request::Sync { .. } | Request::Approve { .. } | Request::Prune { .. })
    }
}
