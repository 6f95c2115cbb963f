//! What an error means for a mirror: whether to wait, for how long, and for whom.

use std::time::SystemTime;

use fichier_api::{ErrorKind, Remedy};

use crate::base::words::chain;
use crate::disk::root::RootTrouble;
use crate::disk::scan::is_gone;
use crate::mirror::error::MirrorError;
use crate::mirror::held::Held;
use crate::remote::error::{RemoteError, TargetRefused};
use crate::status::kind::Kind;

/// Why a mirror waits.
#[derive(Debug)]
pub enum Trouble {
    /// A person has to decide; looked at again now and then all the same.
    Held(Held),
    /// Nothing may be sent until then.
    HeldOff(SystemTime, String),
    /// The network or the service; tried again soon.
    Unreachable(String),
    /// The key or the account was refused: one look an hour.
    Refused(Reason),
    /// The records are of another account than the key: only a person can mend that.
    OtherAccount(String),
    /// The state file cannot be used (full disk, I/O error): tried again soon (P03).
    NoState(String),
}

/// Which of several degraded states it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Which.
    pub kind: Kind,
    /// For people.
    pub text: String,
}

impl Trouble {
    /// Whether it is the service that is waited for, and nothing on this machine ends that.
    pub fn is_of_the_service(&self) -> bool {
        matches!(self, Trouble::HeldOff(..) | Trouble::Unreachable(_) | Trouble::Refused(_))
    }

    /// What an error means for this mirror, at this time of day.
    pub(super) fn judge(error: MirrorError, now: SystemTime) -> Trouble {
        let text = chain(&error);
        let held = |kind, cause| Trouble::Held(Held::Source { kind, cause });
        match error {
            MirrorError::Source(error) if is_gone(&error) => held(Kind::SourceMissing, text),
            MirrorError::Survey(_) | MirrorError::Source(_) => held(Kind::SourceUnreadable, text),
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
        match (error.remedy(), &error.kind) {
            (_, ErrorKind::HeldOff { until, .. }) => Trouble::HeldOff(*until, text),
            (Remedy::HoldOff(wait), _) => Trouble::HeldOff(now + wait, text),
            // The pacer's memory lies beside the state: the same disk has to be looked at.
            (_, ErrorKind::PaceMemory(_)) => Trouble::NoState(text),
            (Remedy::AskOperator, kind) => {
                Trouble::Refused(Reason { kind: refused_kind(kind), text })
            }
            (Remedy::TryAgain | Remedy::GiveUp, _) => Trouble::Unreachable(text),
        }
    }

    /// Which degraded state this is.
    pub fn kind(&self) -> Kind {
        match self {
            Trouble::Held(held) => held.kind(),
            Trouble::Refused(reason) => reason.kind,
            Trouble::HeldOff(..) => Kind::HoldOff,
            Trouble::Unreachable(_) => Kind::Unreachable,
            Trouble::OtherAccount(_) => Kind::OtherAccount,
            Trouble::NoState(_) => Kind::StateUnusable,
        }
    }

    /// What was met, without what to do about it.
    pub fn cause(&self) -> String {
        match self {
            Trouble::Held(held) => held.to_string(),
            Trouble::Refused(reason) => reason.text.clone(),
            Trouble::HeldOff(_, text)
            | Trouble::Unreachable(text)
            | Trouble::OtherAccount(text)
            | Trouble::NoState(text) => text.clone(),
        }
    }

    /// For people: what was met, and what a person has to do where only a person can.
    pub fn text(&self, mirror: &str) -> String {
        match self {
            Trouble::Held(held) => held.text(mirror),
            Trouble::OtherAccount(cause) => {
                format!("{cause}; {}", Kind::OtherAccount.what_to_do(Some(mirror)))
            }
            Trouble::Refused(_)
            | Trouble::HeldOff(..)
            | Trouble::Unreachable(_)
            | Trouble::NoState(_) => self.cause(),
        }
    }
}

fn refused_kind(error: &ErrorKind) -> Kind {
    if matches!(error, ErrorKind::CustomersOnly) {
        Kind::NoSubscription
    } else if matches!(error, ErrorKind::OwnerLocked) {
        Kind::AccountLocked
    } else {
        // A node that takes no key is the same to whoever has to mend it.
        Kind::KeyRefused
    }
}

fn source_kind(trouble: &RootTrouble) -> Kind {
    match trouble {
        RootTrouble::Missing { .. } => Kind::SourceMissing,
        // It went while somebody looked at it.
        RootTrouble::Unreadable { error, .. } if is_gone(error) => Kind::SourceMissing,
        RootTrouble::Unreadable { .. } => Kind::SourceUnreadable,
        RootTrouble::BecameEmpty { .. } => Kind::SourceEmpty,
        RootTrouble::NotAFolder { .. }
        | RootTrouble::ChangedMeanwhile { .. }
        | RootTrouble::OtherFileSystem { .. }
        | RootTrouble::Replaced { .. } => Kind::SourceChanged,
    }
}
