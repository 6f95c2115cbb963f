//! What an error means for a mirror: whether to wait, for how long, and for whom.

use std::time::SystemTime;

use fichier_api::{ErrorKind, Remedy};

use crate::base::words::chain;
use crate::disk::root::RootTrouble;
use crate::disk::scan::is_gone;
use crate::mirror::cycle::{CycleError, Held};
use crate::remote::execute::StepError;
use crate::remote::report::CycleReport;
use crate::remote::target::TargetError;
use crate::status::kind::Kind;

/// Why a mirror waits.
#[derive(Debug)]
pub enum Trouble {
    /// A person has to decide; looked at again now and then all the same.
    Held(Reason),
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

/// A cycle that did not come to its end, with what it did until then.
pub(super) struct Failure {
    pub(super) report: CycleReport,
    pub(super) error: FailureKind,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FailureKind {
    #[error(transparent)]
    Cycle(#[from] CycleError),
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl Failure {
    /// Before anything was done.
    pub(super) fn early(error: impl Into<CycleError>) -> Failure {
        Failure { report: CycleReport::default(), error: FailureKind::Cycle(error.into()) }
    }

    /// While the target was prepared.
    pub(super) fn target(error: TargetError) -> Failure {
        Failure { report: CycleReport::default(), error: FailureKind::Target(error) }
    }
}

impl FailureKind {
    /// Whether the target has to be looked at again before anything goes there.
    ///
    /// A refused key must fail at a listing: a node would take files for nobody's account, where
    /// all the world may read them (docs/api-notes.md, C.7).
    pub(super) fn doubts_the_target(&self) -> bool {
        let step = match self {
            FailureKind::Cycle(CycleError::Step(step))
            | FailureKind::Target(TargetError::Step(step)) => step,
            FailureKind::Cycle(CycleError::Survey(_) | CycleError::Source(_))
            | FailureKind::Target(
                TargetError::OwnedByAnother { .. }
                | TargetError::OtherMachine { .. }
                | TargetError::OtherCopy { .. }
                | TargetError::OtherAccount
                | TargetError::Gone { .. },
            ) => return false,
        };
        let StepError::Api(error) = step else { return false };
        matches!(error.kind, ErrorKind::NotFound) || matches!(error.remedy(), Remedy::AskOperator)
    }
}

impl Trouble {
    /// Whether it is the service that is waited for, and nothing on this machine ends that.
    pub fn is_of_the_service(&self) -> bool {
        matches!(self, Trouble::HeldOff(..) | Trouble::Unreachable(_) | Trouble::Refused(_))
    }

    /// What an error means for this mirror, at this time of day.
    pub(super) fn judge(error: FailureKind, now: SystemTime) -> Trouble {
        let text = chain(&error);
        let step = match error {
            FailureKind::Cycle(CycleError::Step(step)) => step,
            FailureKind::Cycle(CycleError::Source(error)) if is_gone(&error) => {
                return Trouble::Held(Reason { kind: Kind::SourceMissing, text });
            }
            FailureKind::Cycle(CycleError::Survey(_) | CycleError::Source(_)) => {
                return Trouble::Held(Reason { kind: Kind::SourceUnreadable, text });
            }
            FailureKind::Target(TargetError::Step(step)) => step,
            FailureKind::Target(TargetError::OtherAccount) => return Trouble::OtherAccount(text),
            FailureKind::Target(error) => return Trouble::of_target(&error, text),
        };
        match step {
            StepError::Api(error) => match (error.remedy(), &error.kind) {
                (_, ErrorKind::HeldOff { until, .. }) => Trouble::HeldOff(*until, text),
                (Remedy::HoldOff(wait), _) => Trouble::HeldOff(now + wait, text),
                // The pacer's memory lies beside the state, and is mended as soon.
                (_, ErrorKind::PaceMemory(_)) => Trouble::NoState(text),
                (Remedy::AskOperator, kind) => {
                    Trouble::Refused(Reason { kind: refused_kind(kind), text })
                }
                (Remedy::TryAgain | Remedy::GiveUp, _) => Trouble::Unreachable(text),
            },
            StepError::State(_) => Trouble::NoState(text),
            StepError::Root(trouble) => Trouble::Held(Reason { kind: source_kind(&trouble), text }),
            StepError::Target(error) => Trouble::of_target(&error, text),
        }
    }

    fn of_target(error: &TargetError, text: String) -> Trouble {
        let kind = match error {
            TargetError::OwnedByAnother { .. }
            | TargetError::OtherMachine { .. }
            | TargetError::OtherCopy { .. } => Kind::TargetTaken,
            TargetError::OtherAccount => Kind::OtherAccount,
            TargetError::Gone { .. } | TargetError::Step(_) => Kind::TargetGone,
        };
        Trouble::Held(Reason { kind, text })
    }

    /// Which degraded state this is.
    pub fn kind(&self) -> Kind {
        match self {
            Trouble::Held(reason) | Trouble::Refused(reason) => reason.kind,
            Trouble::HeldOff(..) => Kind::HoldOff,
            Trouble::Unreachable(_) => Kind::Unreachable,
            Trouble::OtherAccount(_) => Kind::OtherAccount,
            Trouble::NoState(_) => Kind::StateUnusable,
        }
    }

    /// For people.
    pub fn text(&self) -> &str {
        match self {
            Trouble::Held(reason) | Trouble::Refused(reason) => &reason.text,
            Trouble::HeldOff(_, text)
            | Trouble::Unreachable(text)
            | Trouble::OtherAccount(text)
            | Trouble::NoState(text) => text,
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

impl Held {
    /// What is held, and what to do.
    pub fn text(&self, mirror: &str) -> String {
        format!(
            "{} removals are held: more than {} within 24 hours. If they are meant: fichierd \
             approve {mirror}. If not: fichierd reject {mirror}, and put the files back",
            self.removals, self.limit
        )
    }
}
