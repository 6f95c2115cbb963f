//! The errors with which the service does not start or has to end, and their exit codes.

use tokio::task::JoinError;

use crate::base::Exit;
use crate::mirror::OpenError;

/// An error with which the service does not start, or has to end.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The key cannot be read, or no client can be made with it.
    #[error(transparent)]
    Connect(#[from] crate::config::connect::ConnectError),
    /// The state file cannot be opened, read or written.
    #[error("cannot use the state file")]
    State(#[from] fichier_state::Error),
    /// A mirror cannot be opened, because of its filter or its records.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The control socket cannot be opened.
    #[error("cannot listen on the control socket {path} (`control_socket` names another place)")]
    Socket {
        /// The socket's path.
        path: String,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// The kernel's list of mounts cannot be watched, or signals cannot be received.
    #[error("cannot watch the list of mounts, or cannot receive signals")]
    Setup(#[source] std::io::Error),
    /// The key or the account was refused before the first success: a person has to act.
    #[error("{0}")]
    Refused(String),
    /// The sandbox, most likely that of the unit, forbids something that the service needs.
    #[error("{0}")]
    Sandbox(String),
    /// The state file and the key are of two accounts.
    #[error("{0}")]
    OtherAccount(String),
    /// A part of the service crashed; its intents are on disk, and the next start finishes them.
    #[error("a part of the service crashed; the next start goes on from its records")]
    Crashed(#[source] JoinError),
}

impl DaemonError {
    /// The exit code for a mirror that cannot be opened.
    pub fn exit_of_open(error: &OpenError) -> Exit {
        match error {
            OpenError::Filter(_) | OpenError::Password { .. } => Exit::Config,
            OpenError::State(_) | OpenError::NoRandom(_) => Exit::Failed,
        }
    }

    /// The process's exit code.
    pub fn exit(&self) -> Exit {
        match self {
            DaemonError::Connect(error) => error.exit(),
            DaemonError::State(fichier_state::Error::Locked { .. }) => Exit::TryLater,
            DaemonError::State(fichier_state::Error::FromTheFuture { .. })
            | DaemonError::Sandbox(_)
            | DaemonError::OtherAccount(_) => Exit::Config,
            DaemonError::Open(error) => DaemonError::exit_of_open(error),
            DaemonError::Refused(_) => Exit::Refused,
            DaemonError::State(_)
            | DaemonError::Socket { .. }
            | DaemonError::Setup(_)
            | DaemonError::Crashed(_) => Exit::Failed,
        }
    }
}
