//! What an error means for a mirror: whether to wait, for how long, and for whom.

use std::time::SystemTime;

use fichier_api::{ErrorKind, Remedy};

use crate::cycle::{CycleError, Held};
use crate::execute::StepError;
use crate::report::CycleReport;
use crate::target::TargetError;

/// Why a mirror waits.
#[derive(Debug)]
pub enum Trouble {
    /// A person has to decide; looked at again now and then all the same.
    Held(String),
    /// Nothing may be sent until then.
    HeldOff(SystemTime, String),
    /// The network or the service; tried again soon.
    Unreachable(String),
    /// The key or the account was refused: one look an hour.
    Refused(String),
    /// The state file is not of this account: a person has to put the right one back (D06).
    OtherAccount(String),
    /// The state file cannot be used (full disk, I/O error): tried again soon (P03).
    NoState(String),
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
                | TargetError::Gone { .. }
                | TargetError::OtherAccount { .. },
            ) => {
                return false;
            }
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

    /// What an error means for this mirror.
    pub(super) fn judge(error: FailureKind) -> Trouble {
        let text = chain(&error);
        let step = match error {
            FailureKind::Cycle(CycleError::Step(step)) => step,
            FailureKind::Cycle(CycleError::Survey(_) | CycleError::Source(_)) => {
                return Trouble::Held(text);
            }
            FailureKind::Target(TargetError::Step(step)) => step,
            FailureKind::Target(TargetError::OwnedByAnother { .. } | TargetError::Gone { .. }) => {
                return Trouble::Held(text);
            }
            FailureKind::Target(TargetError::OtherAccount { .. }) => {
                return Trouble::OtherAccount(text);
            }
        };
        match step {
            StepError::Api(error) => match (error.remedy(), &error.kind) {
                (_, ErrorKind::HeldOff { until, .. }) => Trouble::HeldOff(*until, text),
                (Remedy::HoldOff(wait), _) => Trouble::HeldOff(SystemTime::now() + wait, text),
                (Remedy::AskOperator, _) => Trouble::Refused(text),
                (Remedy::TryAgain | Remedy::GiveUp, _) => Trouble::Unreachable(text),
            },
            StepError::State(_) => Trouble::NoState(text),
            StepError::Root(_) | StepError::Target(_) => Trouble::Held(text),
        }
    }

    /// Whether both say the same. How long a hold-off lasts, and which call met it, changes from
    /// one time to the next.
    pub fn is_like(&self, other: &Trouble) -> bool {
        match (self, other) {
            (Trouble::HeldOff(until, _), Trouble::HeldOff(other, _)) => until == other,
            (Trouble::Unreachable(_), Trouble::Unreachable(_))
            | (Trouble::Refused(_), Trouble::Refused(_)) => true,
            _ => self.text() == other.text(),
        }
    }

    /// For people.
    pub fn text(&self) -> &str {
        match self {
            Trouble::Held(text)
            | Trouble::HeldOff(_, text)
            | Trouble::Unreachable(text)
            | Trouble::Refused(text)
            | Trouble::OtherAccount(text)
            | Trouble::NoState(text) => text,
        }
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

/// An error with its causes, each thing said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
