//! How a command reaches the running service: HTTP over a Unix socket.
//!
//! A command that changes something must not work beside the service, so it asks it. Whoever may
//! open the socket may do everything: it is readable and writable by its owner and its group
//! alone, and that is all the access control there is. It also answers
//! `curl --unix-socket /run/fichierd/control.sock http://localhost/v1/status`.
//!
//! The service's loop answers; the HTTP side only hands each question over ([`Call`]) and waits.
//! Bodies and questions in flight are bounded.
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

/// What the service can be asked. Each variant is a path below `/v1`; the fields are its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// `GET /v1/status`: answered with [`Reply::Status`].
    Status,
    /// `POST /v1/sync`: run a cycle now, answered with [`Reply::Cycle`] when it has ended.
    Sync {
        /// The mirrors to run; all when empty.
        mirrors: Vec<String>,
    },
    /// `POST /v1/pause`: begin nothing new until `Resume`, also after a restart.
    Pause,
    /// `POST /v1/resume`.
    Resume,
    /// `POST /v1/approve`: let the held removals happen.
    Approve {
        /// Of which mirror.
        mirror: String,
        /// Also a target on which somebody else works.
        #[serde(default)]
        take_over: bool,
    },
    /// `POST /v1/reject`: keep the remote files whose local ones are gone.
    Reject {
        /// Of which mirror.
        mirror: String,
    },
    /// `POST /v1/prune`: remove what a new exclude has left on the service.
    Prune {
        /// Of which mirror.
        mirror: String,
    },
    /// `POST /v1/proved`: keep what a command beside the service has proved, answered with
    /// [`Reply::Proved`].
    Proved {
        /// The result.
        proved: Proved,
    },
    /// `POST /v1/traits`: keep what a probe has found.
    Habits {
        /// The answers.
        #[serde(rename = "traits")]
        habits: Box<Habits>,
    },
    /// `POST /v1/why`: answered with [`Reply::Why`].
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
    /// What the cycles that were asked for have done.
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

/// A question on its way to the service's loop. Dropping it unanswered tells the asker that the
/// service is stopping.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes. The asker may be gone by then.
    pub reply: oneshot::Sender<Reply>,
}

impl Request {
    /// The path that stands for this request.
    fn http_path(&self) -> &'static str {
        match self {
            Request::Status => "/v1/status",
            Request::Sync { .. } => "/v1/sync",
            Request::Pause => "/v1/pause",
            Request::Resume => "/v1/resume",
            Request::Approve { .. } => "/v1/approve",
            Request::Reject { .. } => "/v1/reject",
            Request::Prune { .. } => "/v1/prune",
            Request::Proved { .. } => "/v1/proved",
            Request::Habits { .. } => "/v1/traits",
            Request::Why { .. } => "/v1/why",
        }
    }

    /// Whether the answer waits for work that may take hours.
    fn takes_long(&self) -> bool {
        matches!(self, Request::Sync { .. } | Request::Approve { .. } | Request::Prune { .. })
    }
}
