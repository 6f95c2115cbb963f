//! How a command reaches the running service: HTTP over a Unix socket.
//!
//! A command that changes something must not work beside the service, so it asks the service. Every
//! request goes to `POST /v1/ask`, with a [`Request`] as its body; `GET /v1/status` is there for
//! `curl --unix-socket /run/fichierd/control.sock http://localhost/v1/status`. docs/json.md shows
//! both.
//!
//! The mode of the socket is all the access control there is: its owner and its group may open it,
//! and may then do everything.
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
use crate::remote::habits::Habits;
use crate::restore::proof::Proved;
use crate::status::{CycleSummary, Status, WhyAnswer};

/// What the service can be asked, as the body of `POST /v1/ask`: `"pause"`, or `{"sync": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Tell everything: answered with [`Reply::Status`]. Also `GET /v1/status`.
    Status,
    /// Run a cycle now: answered with [`Reply::Cycle`] when it has ended.
    Sync {
        /// The mirrors to run; all when empty.
        #[serde(default)]
        mirrors: Vec<String>,
    },
    /// Begin nothing new until [`Request::Resume`], also after a restart.
    Pause,
    /// End a pause.
    Resume,
    /// Let the held removals happen.
    Approve {
        /// Of which mirror.
        mirror: String,
        /// Also use a target on which another installation works.
        #[serde(default)]
        take_over: bool,
    },
    /// Keep the remote files whose local ones are gone.
    Reject {
        /// Of which mirror.
        mirror: String,
    },
    /// Remove the files that a new exclude has left on 1fichier.
    Prune {
        /// Of which mirror.
        mirror: String,
    },
    /// Record what a command beside the service has proved: answered with [`Reply::Proved`].
    Proved {
        /// The result.
        proved: Proved,
    },
    /// Record what a probe has found out about 1fichier.
    Habits {
        /// The answers.
        #[serde(rename = "traits")]
        habits: Box<Habits>,
    },
    /// Explain one path: answered with [`Reply::Why`].
    Why {
        /// An absolute local path.
        #[serde(with = "path_text")]
        path: PathBuf,
    },
}

/// What the service answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "content", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Status),
    /// It is done.
    Done {
        /// What was done, for people.
        message: String,
    },
    /// To [`Request::Sync`]: what each of the cycles has done.
    Cycle(Vec<CycleSummary>),
    /// To [`Request::Why`].
    Why(WhyAnswer),
    /// To [`Request::Proved`].
    Proved {
        /// Files that are sent again.
        sent_again: u64,
    },
    /// It was not done.
    Refused {
        /// Why, for people.
        message: String,
        /// The exit code that the command ends with ([`crate::base::exit::Exit`]).
        exit: u8,
    },
}

/// A request on its way to the service's loop. The asker of one that is dropped unanswered is told
/// that the service stopped.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes; the asker may be gone by then.
    pub reply: oneshot::Sender<Reply>,
}

impl Request {
    /// Whether the answer waits for work that may take hours.
    fn takes_long(&self) -> bool {
        matches!(self, Request::Sync { .. } | Request::Approve { .. } | Request::Prune { .. })
    }
}
