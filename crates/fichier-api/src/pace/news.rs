//! What an error of a call tells the pacer: whether a hold-off begins, and which.
//!
//! A refusal of one of the API's own endpoints in unknown words is taken for a flood until proved
//! otherwise (docs/api-notes.md, E). Upload nodes and download servers have pages of their own,
//! and rests of their own; of theirs only known texts count here.

use std::time::Duration;

use crate::error::{ErrorKind, HoldOffCause, LOCK_HOLD_OFF, concerns_all, tried};
use crate::pace::schedule::{Micros, Refusal, Rules, Schedule, Why};

/// The call that asks for a download address: it is refused for the sake of single files too.
const TOKEN: &str = "download/get_token.cgi";
/// Refusals of it in a row; one more begins a hold-off.
const TOKENS_TOLERATED: u32 = 9;
/// The calls that are refused for the sake of single names too.
const OF_NAMES: [&str; 2] = ["folder/mkdir.cgi", "folder/mv.cgi"];
/// Refusals of one of them in a row; one more begins a hold-off.
const NAMES_TOLERATED: u32 = 2;

/// What the pacer is told.
#[derive(Clone, Debug)]
pub(crate) enum News {
    Flood {
        asked: Option<Duration>,
        cause: HoldOffCause,
        reason: String,
    },
    AccountLocked {
        reason: String,
    },
    Refused {
        endpoint: &'static str,
        lasts: bool,
        reason: String,
    },
    /// A reply that made no sense, or a server that failed.
    Failed {
        reason: String,
    },
    /// A refusal that is well known and concerns the request alone.
    Understood,
}

impl News {
    /// What the error of a call tells; `None` if nothing.
    pub(crate) fn of(endpoint: &'static str, kind: &ErrorKind) -> Option<News> {
        let reason = kind.to_string();
        let of_call = || format!("{}: {kind}", tried(endpoint));
        let is_api = endpoint.contains('/');
        Some(match kind {
            ErrorKind::Throttled { retry_after } => {
                News::Flood { asked: *retry_after, cause: HoldOffCause::Flood, reason }
            }
            ErrorKind::Locked => {
                let cause = HoldOffCause::AddressLocked;
                News::Flood { asked: Some(LOCK_HOLD_OFF), cause, reason }
            }
            ErrorKind::OwnerLocked { .. } => News::AccountLocked { reason },
            ErrorKind::UnknownRefusal { status, .. } => {
                News::Refused { endpoint, lasts: *status == 410, reason: of_call() }
            }
            // A status that is about what was asked for says nothing else, nor does a refused name.
            ErrorKind::Refused { status, .. }
                if endpoint != TOKEN
                    && !concerns_all(*status)
                    && (*status >= 400 || OF_NAMES.contains(&endpoint)) =>
            {
                return None;
            }
            ErrorKind::Refused { .. } if endpoint == TOKEN || OF_NAMES.contains(&endpoint) => {
                News::Refused { endpoint, lasts: false, reason: of_call() }
            }
            ErrorKind::Refused { .. }
            | ErrorKind::Failing { .. }
            | ErrorKind::Maintenance
            | ErrorKind::UnexpectedReply { .. }
                if is_api =>
            {
                News::Failed { reason: of_call() }
            }
            ErrorKind::NotFound | ErrorKind::NotAllowed | ErrorKind::NothingRenamed if is_api => {
                News::Understood
            }
            ErrorKind::HeldOff { .. }
            | ErrorKind::KeyRefused
            | ErrorKind::CustomersOnly
            | ErrorKind::AddressRefused
            | ErrorKind::OneLocation
            | ErrorKind::NotFound
            | ErrorKind::NotAllowed
            | ErrorKind::NameTaken { .. }
            | ErrorKind::NothingRenamed
            | ErrorKind::NodeStorage
            | ErrorKind::NodeRefused { .. }
            | ErrorKind::NoFileInUpload
            | ErrorKind::Maintenance
            | ErrorKind::Failing { .. }
            | ErrorKind::Unreachable(_)
            | ErrorKind::UnexpectedReply { .. }
            | ErrorKind::Refused { .. }
            | ErrorKind::InvalidRequest { .. }
            | ErrorKind::Anonymous
            | ErrorKind::Corrupt { .. }
            | ErrorKind::Sink(_)
            | ErrorKind::PaceMemory(_) => return None,
        })
    }

    /// Tells it to the schedule.
    pub(crate) fn tell(&self, schedule: &mut Schedule, now: Micros, rules: &Rules) {
        match self {
            News::Flood { asked, cause, reason } => {
                schedule.flood(now, *asked, Why { reason, cause: *cause }, rules);
            }
            // No question of pace, so the rate stays; one probe an hour (docs/api-notes.md, E).
            News::AccountLocked { reason } => {
                let cause = HoldOffCause::AccountLocked;
                schedule.hold_off(now, LOCK_HOLD_OFF, Why { reason, cause }, rules);
            }
            News::Refused { endpoint, lasts, reason } => {
                let tolerated = tolerated(endpoint);
                schedule.refused(
                    now,
                    Refusal { endpoint, lasts: *lasts, tolerated },
                    reason,
                    rules,
                );
            }
            News::Failed { reason } => schedule.failed(now, reason, rules),
            News::Understood => {
                schedule.understood();
            }
        }
    }
}

fn tolerated(endpoint: &str) -> u32 {
    if endpoint == TOKEN {
        TOKENS_TOLERATED
    } else if OF_NAMES.contains(&endpoint) {
        NAMES_TOLERATED
    } else {
        0
    }
}
