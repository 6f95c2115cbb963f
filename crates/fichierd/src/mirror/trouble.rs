//! What an error means for a mirror: whether it waits, for how long, and what ends the wait.

use std::time::SystemTime;

use fichier_api::{ErrorKind, HoldOffCause, Remedy};

use crate::base::Exit;
use crate::base::words::chain;
use crate::disk::RootTrouble;
use crate::disk::at::is_gone;
use crate::disk::trusted::untrusted_link;
use crate::mirror::error::MirrorError;
use crate::mirror::held::Held;
use crate::remote::{RemoteError, TargetRefused, unreachable};
use crate::status::Kind;

/// Why a mirror waits.
#[derive(Debug)]
pub enum Trouble {
    /// A person has to decide. The mirror tries again now and then all the same.
    Held(Held),
    /// The service or the pacer allows no call until this time, for this reason, which is told as
    /// this degraded state.
    HeldOff(SystemTime, String, Kind),
    /// The service cannot be reached: nothing was sent. The mirror tries again soon.
    Unreachable(String),
    /// A connection to the service was made, and broke before a reply came. The mirror tries again
    /// after a pause that grows: the service has met each of these calls.
    Unanswered(String),
    /// The service was reached, and its answers make no sense or say that it fails. The mirror tries
    /// again after a pause that grows.
    Failing(String),
    /// The key or the account was refused. The mirror tries once an hour.
    Refused(Reason),
    /// The records are of another account than the key. Only a person can correct that.
    OtherAccount(String),
    /// The state file cannot be used (full disk, I/O error). The mirror tries again soon (P03).
    NoState(String),
}

/// The degraded state of a refused key or account, and its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The degraded state.
    pub kind: Kind,
    /// The cause, for people.
    pub text: String,
}

impl Trouble {
    /// Whether the mirror waits for the service, so that no change on this machine ends the wait.
    pub fn is_of_the_service(&self) -> bool {
        match self {
            Trouble::HeldOff(..)
            | Trouble::Unreachable(_)
            | Trouble::Unanswered(_)
            | Trouble::Failing(_)
            | Trouble::Refused(_) => true,
            Trouble::Held(_) | Trouble::OtherAccount(_) | Trouble::NoState(_) => false,
        }
    }

    /// Whether the key or the account is refused, so that other mirrors would meet the same.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Trouble::Refused(_) | Trouble::OtherAccount(_))
    }

    /// What the error means for the mirror; a hold-off is counted from `now`.
    pub fn judge(error: MirrorError, now: SystemTime) -> Trouble {
        let text = chain(&error);
        let held = |kind, cause| Trouble::Held(Held::Source { kind, cause });
        match error {
            MirrorError::Source { source, .. } if untrusted_link(&source).is_some() => {
                held(Kind::SourceBehindLink, text)
            }
            MirrorError::Source { source, .. } if is_gone(&source) => {
                held(Kind::SourceMissing, text)
            }
            MirrorError::Survey(_) | MirrorError::Source { .. } => {
                held(Kind::SourceUnreadable, text)
            }
            MirrorError::Remote(RemoteError::Api(error)) => Trouble::of_call(&error, text, now),
            MirrorError::Remote(RemoteError::State(_)) => Trouble::NoState(text),
            MirrorError::Remote(RemoteError::Root(trouble)) => held(source_kind(&trouble), text),
            MirrorError::Remote(RemoteError::Target(TargetRefused::OtherAccount)) => {
                Trouble::OtherAccount(text)
            }
            MirrorError::Remote(RemoteError::Target(refused)) => {
                Trouble::Held(Held::Target(refused))
            }
        }
    }

    fn of_call(error: &fichier_api::Error, text: String, now: SystemTime) -> Trouble {
        let text = unreachable(error).unwrap_or(text);
        match (error.remedy(), &error.kind) {
            (_, ErrorKind::HeldOff { until, cause, .. }) => {
                Trouble::HeldOff(*until, text, kind_of_hold_off(*cause))
            }
            (Remedy::HoldOff(wait), _) => Trouble::HeldOff(now + wait, text, Kind::HoldOff),
            // The pacer's memory lies beside the state file, so the cause is the same disk.
            (_, ErrorKind::PaceMemory(_)) => Trouble::NoState(text),
            (Remedy::AskOperator, kind) => {
                Trouble::Refused(Reason { kind: refused_kind(kind), text })
            }
            (_, ErrorKind::Unreachable(_)) if error.outcome_unknown() => Trouble::Unanswered(text),
            (_, ErrorKind::Unreachable(_)) => Trouble::Unreachable(text),
            (_, ErrorKind::UnexpectedReply { .. }) => {
                Trouble::Failing(format!("its reply cannot be read: {text}"))
            }
            (Remedy::TryAgain | Remedy::GiveUp, _) => Trouble::Failing(text),
        }
    }

    /// The degraded state that this is.
    pub fn kind(&self) -> Kind {
        match self {
            Trouble::Held(held) => held.kind(),
            Trouble::Refused(reason) => reason.kind,
            Trouble::HeldOff(_, _, kind) => *kind,
            Trouble::Unreachable(_) | Trouble::Unanswered(_) => Kind::Unreachable,
            Trouble::Failing(_) => Kind::Failing,
            Trouble::OtherAccount(_) => Kind::OtherAccount,
            Trouble::NoState(_) => Kind::StateUnusable,
        }
    }

    /// The exit code of a command that ends for this.
    pub fn exit(&self) -> Exit {
        self.kind().about().exit.unwrap_or(Exit::Failed)
    }

    /// The cause, without what to do about it.
    pub fn cause(&self) -> String {
        match self {
            Trouble::Held(held) => held.to_string(),
            Trouble::Refused(reason) => reason.text.clone(),
            Trouble::HeldOff(_, text, _)
            | Trouble::Unreachable(text)
            | Trouble::Unanswered(text)
            | Trouble::Failing(text)
            | Trouble::OtherAccount(text)
            | Trouble::NoState(text) => text.clone(),
        }
    }

    /// The text for people: the cause, and what to do if only a person can end the wait.
    pub fn text(&self, mirror: &str) -> String {
        match self {
            Trouble::Held(held) => held.text(mirror),
            Trouble::OtherAccount(cause) => {
                format!("{cause}; {}", Kind::OtherAccount.what_to_do(Some(mirror)))
            }
            Trouble::Refused(_)
            | Trouble::HeldOff(..)
            | Trouble::Unreachable(_)
            | Trouble::Unanswered(_)
            | Trouble::Failing(_)
            | Trouble::NoState(_) => self.cause(),
        }
    }
}

/// Refusals in a row, in words that are not known, that are told as a hold-off; more are a state of
/// their own.
const REFUSALS_TOLERATED: u32 = 2;

/// The degraded state that a hold-off with this cause is.
pub fn kind_of_hold_off(cause: HoldOffCause) -> Kind {
    match cause {
        HoldOffCause::Flood | HoldOffCause::AddressLocked => Kind::HoldOff,
        HoldOffCause::AccountLocked => Kind::AccountLocked,
        HoldOffCause::Refusals { in_a_row } if in_a_row <= REFUSALS_TOLERATED => Kind::HoldOff,
        HoldOffCause::Refusals { .. } => Kind::UnknownRefusal,
        HoldOffCause::Failures => Kind::Failing,
    }
}

fn refused_kind(error: &ErrorKind) -> Kind {
    if matches!(error, ErrorKind::CustomersOnly) {
        Kind::NoSubscription
    } else if matches!(error, ErrorKind::OwnerLocked { .. }) {
        Kind::AccountLocked
    } else {
        // An upload node that refuses the key means the same to the person who has to correct it.
        Kind::KeyRefused
    }
}

fn source_kind(trouble: &RootTrouble) -> Kind {
    match trouble {
        // Nothing that a person approves makes a folder of a file.
        RootTrouble::Missing { .. } | RootTrouble::NotAFolder { .. } => Kind::SourceMissing,
        // The source went away during the look at it.
        RootTrouble::Unreadable { error, .. } if is_gone(error) => Kind::SourceMissing,
        RootTrouble::ALink { .. } | RootTrouble::BehindLink { .. } => Kind::SourceBehindLink,
        RootTrouble::Unreadable { .. } => Kind::SourceUnreadable,
        RootTrouble::BecameEmpty { .. } => Kind::SourceEmpty,
        RootTrouble::ChangedMeanwhile { .. }
        | RootTrouble::OtherFileSystem { .. }
        | RootTrouble::Replaced { .. } => Kind::SourceChanged,
    }
}

#[cfg(test)]
mod tests {
    use fichier_api::Error;

    use super::*;

    #[test]
    fn y58_a_reply_that_cannot_be_read_is_quoted_and_the_service_not_called_unreachable() {
        let detail = "text that is not JSON, at line 1, column 2; it is: nonsense".to_owned();
        let kind = ErrorKind::UnexpectedReply { detail };
        let error = Error { endpoint: "folder/ls.cgi", attempts: 2, kind };
        let trouble = Trouble::judge(RemoteError::Api(error).into(), SystemTime::now());
        assert_eq!(trouble.kind(), Kind::Failing);
        assert!(trouble.cause().starts_with("its reply cannot be read: "));
        assert!(trouble.cause().contains("it is: nonsense"), "{}", trouble.cause());
        let told = format!("{} {}", trouble.kind().about().title, trouble.cause());
        assert!(!told.contains("reached"), "{told}");
    }
}
