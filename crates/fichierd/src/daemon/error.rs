//! Why the service could not start, or had to end, and with which exit code.

use tokio::task::JoinError;

use crate::base::exit::Exit;

/// Why the service could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The key, or the program's view of the network.
    #[error(transparent)]
    Connect(#[from] crate::config::connect::ConnectError),
    /// The state file.
    #[error("cannot use the state file")]
    State(#[from] fichier_state::Error),
    /// A mirror's filter.
    #[error(transparent)]
    Open(#[from] crate::mirror::OpenError),
    /// The control socket.
    #[error("cannot listen on the control socket {path}")]
    Socket {
        /// Where.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The kernel's list of mounts, or the handlers for signals.
    #[error("cannot set up the service")]
    Setup(#[source] std::io::Error),
    /// The key or the account was refused, before anything was ever done: somebody has to look.
    #[error("{0}")]
    Refused(String),
    /// The sandbox, most likely that of the unit, does not let it work.
    #[error("{0}")]
    Sandbox(String),
    /// The state file and the key are of two accounts.
    #[error("{0}")]
    OtherAccount(String),
    /// A part of the service crashed; whatever it did is on disk and will be gone through.
    #[error("a part of the service crashed")]
    Crashed(#[source] JoinError),
}

impl DaemonError {
    /// The process's exit code.
    pub fn exit(&self) -> Exit {
        match self {
            DaemonError::Connect(error) => error.exit(),
            DaemonError::State(fichier_state::Error::Locked { .. }) => Exit::TryLater,
            DaemonError::State(fichier_state::Error::FromTheFuture { .. })
            | DaemonError::Sandbox(_)
            | DaemonError::OtherAccount(_)
            | DaemonError::Open(crate::mirror::OpenError::Filter(_)) => Exit::Config,
            DaemonError::Refused(_) => Exit::Refused,
            DaemonError::State(_)
            | DaemonError::Open(_)
            | DaemonError::Socket { .. }
            | DaemonError::Setup(_)
            | DaemonError::Crashed(_) => Exit::Failed,
        }
    }
}
