//! Why work on the target cannot go on, and what that means for the other work.

use std::time::Duration;

use fichier_api::{ErrorKind, Remedy};
use serde::{Deserialize, Serialize};

use crate::base::RecordedForm;
use crate::base::words::{bytes, counted, duration};
use crate::disk::RootTrouble;

/// Why a step, and with it the cycle or the chore, could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A call failed: see the error's remedy.
    #[error(transparent)]
    Api(#[from] fichier_api::Error),
    /// The state file failed. Nothing may be changed on the service without it (P03).
    #[error("cannot use the state file")]
    State(#[from] fichier_state::Error),
    /// The watched folder is not what it was; nothing may be removed.
    #[error(transparent)]
    Root(#[from] RootTrouble),
    /// The target folder needs a decision.
    #[error(transparent)]
    Target(#[from] TargetRefused),
}

/// Why a target cannot be used before a person has decided. The message tells the cause alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum TargetRefused {
    /// Another installation mirrors to the same folder.
    #[error("the target belongs to another installation of fichierd ({other})")]
    OwnedByAnother {
        /// The other installation's id.
        other: String,
    },
    /// Another machine has worked on the target since this state did.
    #[error(
        "another machine works on the target, and has been further than this state: nothing is \
         sent and nothing is removed"
    )]
    OtherMachine,
    /// Two processes work on the target, each with a copy of this state.
    #[error(
        "two copies of this installation work on the target, such as a machine and its clone: \
         this one sends and removes nothing"
    )]
    OtherCopy,
    /// The folder that was there is gone (X05).
    #[error("the target folder is no longer on 1fichier")]
    Gone,
    /// The mirror has another target in the configuration than on record.
    #[error(
        "the files of this mirror are in {from} on 1fichier, and the configuration says {to}: \
         approving moves the folder there, with its history; to begin anew in {to}, give the \
         mirror another name"
    )]
    Retargeted {
        /// The target on record.
        from: String,
        /// The target of the configuration.
        to: String,
    },
    /// Something is where the target is to be moved to.
    #[error(
        "the target cannot be moved from {from} to {to}, since there is a folder of that name on \
         1fichier: move or rename that one first (fichierd remote mv)"
    )]
    Occupied {
        /// The target on record.
        from: String,
        /// The target of the configuration.
        to: String,
    },
    /// A mirror was split, or mirrors were merged.
    #[error(
        "{source_path} was mirrored to {target} by `{name}`, which is no longer configured: \
         approving ends its records, and takes over what is in the target of this mirror by then, \
         without sending it. To bring it there first: fichierd remote mv"
    )]
    Overlaps {
        /// The name of the former mirror.
        name: String,
        /// Its source.
        source_path: String,
        /// Its target.
        target: String,
    },
    /// The password of an encrypted mirror is not the one that it was.
    #[error(
        "the password, or the salt, is not the one with which the files of this mirror are \
         encrypted: nothing is sent and nothing is removed"
    )]
    OtherPassword {
        /// The form that the configuration asks for.
        wanted: Box<RecordedForm>,
    },
    /// Encryption was turned on or off, or names are to be kept in another way.
    #[error(
        "the files of this mirror are stored {from}, and the configuration says {to}: approving \
         sends all of them again, {}, and keeps those that are there now as versions",
        price(*files, *bytes, *seconds)
    )]
    OtherForm {
        /// How they are stored, for people.
        from: String,
        /// How they are to be stored, for people.
        to: String,
        /// The number of files.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// How long these take at the bandwidth that was measured, if any was.
        #[serde(default)]
        seconds: Option<u64>,
        /// The form that the configuration asks for; `None` for a plain one.
        wanted: Option<Box<RecordedForm>>,
    },
    /// A plain mirror is to go where an encrypted one is.
    #[error(
        "the target holds the files of an encrypted mirror, and `encrypt` is not configured for \
         this one"
    )]
    Encrypted,
    /// The records are of another account (D06).
    #[error("the state file was made with another 1fichier account than the one of this API key")]
    OtherAccount,
}

/// The price of sending files again. A call takes up to a hundred of them out of their place.
fn price(files: u64, size_bytes: u64, seconds: Option<u64>) -> String {
    let calls = 3 * files.div_ceil(500) + 2 * files.div_ceil(100);
    let time = seconds.map(|seconds| format!(" and {}", duration(Duration::from_secs(seconds))));
    format!(
        "{} with {} in at least {}{}",
        counted(files, "file"),
        bytes(size_bytes),
        counted(calls, "call"),
        time.unwrap_or_default()
    )
}

/// One sentence for a person if the error is that the service could not be reached.
pub fn unreachable(error: &fichier_api::Error) -> Option<String> {
    let ErrorKind::Unreachable(cause) = &error.kind else { return None };
    let tries = if error.attempts > 1 { ", tried several times" } else { "" };
    Some(format!("1fichier could not be reached ({cause}{tries})"))
}

/// Whether an error concerns only the files of the step that met it.
pub(crate) fn is_local(error: &fichier_api::Error) -> bool {
    matches!(error.remedy(), Remedy::GiveUp)
}

/// Whether an error is about the account, the pace or the network, so that nothing else can
/// succeed now.
pub(crate) fn stops_everything(error: &fichier_api::Error) -> bool {
    match error.remedy() {
        Remedy::HoldOff(_) | Remedy::AskOperator => true,
        Remedy::TryAgain => matches!(error.kind, ErrorKind::Unreachable(_)),
        Remedy::GiveUp => false,
    }
}

/// Whether an error says that the thing asked for is not there.
pub(crate) fn is_gone(error: &fichier_api::Error) -> bool {
    matches!(error.kind, ErrorKind::NotFound)
}
