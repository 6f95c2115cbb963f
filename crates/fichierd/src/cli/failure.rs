//! The end of a command that failed: one message on stderr, and one exit code.
//!
//! Only this file decides the exit code, by the type of the error and never by its text.

use std::io::{self, IsTerminal, Write};

use fichier_api::{ErrorKind, Remedy};

use super::output;
use crate::base::Exit;
use crate::base::words::chain;
use crate::config::connect::ConnectError;
use crate::config::{ConfigError, Drawing, SecretError};
use crate::daemon::DaemonError;
use crate::daemon::control::AskError;
use crate::mirror::OpenError;
use crate::remote::unreachable;

/// An error with a given exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Ended {
    /// The message for people.
    pub(super) message: String,
    /// The exit code of the command.
    pub(super) exit: Exit,
}

/// Makes an error with the exit code `exit`.
pub(super) fn ended(exit: Exit, message: impl Into<String>) -> anyhow::Error {
    Ended { message: message.into(), exit }.into()
}

/// The exit code that fits the error.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(ended) = error.downcast_ref::<Ended>() {
        ended.exit
    } else if error.is::<ConfigError>() || error.is::<SecretError>() {
        Exit::Config
    } else if let Some(error) = error.downcast_ref::<AskError>() {
        error.exit()
    } else if let Some(error) = error.downcast_ref::<ConnectError>() {
        error.exit()
    } else if let Some(error) = error.downcast_ref::<DaemonError>() {
        error.exit()
    } else if let Some(error) = error.downcast_ref::<OpenError>() {
        DaemonError::exit_of_open(error)
    } else if let Some(error) = error.downcast_ref::<fichier_state::Error>() {
        exit_of_state(error)
    } else if let Some(error) = error.downcast_ref::<fichier_api::Error>() {
        exit_of_call(error)
    } else if is_closed_pipe(error) {
        // The reader of `fichierd … | head` has seen enough.
        Exit::Done
    } else {
        Exit::Failed
    }
}

fn exit_of_state(error: &fichier_state::Error) -> Exit {
    match error {
        fichier_state::Error::Locked { .. } | fichier_state::Error::Busy(_) => Exit::TryLater,
        fichier_state::Error::FromTheFuture { .. } | fichier_state::Error::FromThePast { .. } => {
            Exit::Config
        }
        fichier_state::Error::AlreadyHere { .. } => Exit::Held,
        fichier_state::Error::Absent { .. }
        | fichier_state::Error::NotOurs { .. }
        | fichier_state::Error::Corrupt { .. }
        | fichier_state::Error::Displaced { .. }
        | fichier_state::Error::Storage(_)
        | fichier_state::Error::Refused(_)
        | fichier_state::Error::Missing(_)
        | fichier_state::Error::Cycle
        | fichier_state::Error::TimeUp
        | fichier_state::Error::Io { .. }
        | fichier_state::Error::Sqlite(_) => Exit::Failed,
    }
}

/// The exit code of a command that ends with the error of a call: 69 only where 1fichier was not
/// reached, 75 where it was and the same may succeed later.
pub(super) fn exit_of_call(error: &fichier_api::Error) -> Exit {
    match error.remedy() {
        Remedy::TryAgain if matches!(error.kind, ErrorKind::Unreachable(_)) => Exit::Unavailable,
        Remedy::TryAgain | Remedy::HoldOff(_) => Exit::TryLater,
        Remedy::AskOperator => Exit::Refused,
        Remedy::GiveUp => Exit::Failed,
    }
}

/// Tells the user what went wrong, on stderr.
pub fn complain(error: &anyhow::Error) {
    if is_closed_pipe(error) {
        return;
    }
    let stderr = io::stderr();
    let text = match error.downcast_ref::<ConfigError>() {
        Some(config) => config.render(drawing(stderr.is_terminal())),
        None => {
            let text = format!("fichierd: {}\n", said(error));
            output::harmless_lines(&text).into_owned()
        }
    };
    // A closed stderr leaves no way to tell anything.
    let _told = stderr.lock().write_all(text.as_bytes());
}

/// The error in words: one sentence if the service cannot be reached, else the causes in a row.
fn said(error: &anyhow::Error) -> String {
    let call = error.chain().find_map(|cause| cause.downcast_ref::<fichier_api::Error>());
    match call.and_then(unreachable) {
        Some(sentence) => format!("{sentence}; see: fichierd check --online"),
        None => chain(error.as_ref()),
    }
}

fn drawing(terminal: bool) -> Drawing {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match (terminal, no_colour) {
        (false, _) => Drawing::Plain,
        (true, true) => Drawing::Monochrome,
        (true, false) => Drawing::Colour,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_error_decides_the_exit_code() {
        let held = ended(Exit::Held, "held").context("while approving");
        assert_eq!(exit_of(&held), Exit::Held);
        let silent = anyhow::Error::new(AskError::Silent);
        assert_eq!(exit_of(&silent), Exit::Unavailable);
        let closed = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(exit_of(&closed), Exit::Done);
        assert_eq!(exit_of(&anyhow::anyhow!("anything else")), Exit::Failed);
    }
}
