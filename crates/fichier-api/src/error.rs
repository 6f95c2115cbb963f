//! The errors of a call to the service, sorted by what the caller can do.
//!
//! Used by everything that calls the service; it uses nothing else of this crate.
//!
//! Every kind has exactly one [`Remedy`], and nothing outside `refusal` looks at the texts that
//! the service writes. The enums are deliberately exhaustive: a new kind must break each `match`
//! until someone has decided what it means there.
//!
//! `Display` says what happened at *this* level and never repeats the cause; code that prints an
//! error prints the whole chain. No error contains a key or a link.

use std::time::{Duration, SystemTime};
use std::{fmt, io};

use serde::{Deserialize, Serialize};

mod tried;

pub(crate) use tried::{ENDPOINTS, endpoint_at, endpoint_number, tried};

/// The shortest hold-off after a flood answer (docs/api-notes.md, A.5).
pub(crate) const FLOOD_HOLD_OFF: Duration = Duration::from_secs(60);
/// The hold-off after a hard lock, which lasts up to an hour (docs/api-notes.md, E).
pub(crate) const LOCK_HOLD_OFF: Duration = Duration::from_secs(60 * 60);

/// What stands for a text without words.
pub(crate) const NO_WORDS: &str = "(no message)";

/// A call that was given up, after the retries had their say.
#[derive(Debug)]
pub struct Error {
    /// Which call, as a path below the API root: `file/rm.cgi`. For code and for logs at `debug`;
    /// `Display` says in words what was tried.
    pub endpoint: &'static str,
    /// How often it was sent; 0 if it never was.
    pub attempts: u32,
    /// What went wrong the last time.
    pub kind: ErrorKind,
}

impl Error {
    /// The one thing to do about it.
    pub fn remedy(&self) -> Remedy {
        self.kind.remedy()
    }

    /// Whether the request may have been carried out all the same: its reply was lost, came from
    /// a failing server or could not be read.
    pub fn outcome_unknown(&self) -> bool {
        self.kind.outcome_unknown()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempts {
            0 => write!(f, "{} was not tried", tried(self.endpoint)),
            1 => write!(f, "{} failed", tried(self.endpoint)),
            more => write!(f, "{} failed after {more} attempts", tried(self.endpoint)),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// Nothing was sent: an earlier answer demanded silence, and it has not ended.
    #[error("no calls are made until a hold-off ends: {reason}")]
    HeldOff {
        /// The end of the hold-off, after which calls may be made again.
        until: SystemTime,
        /// How long that was when the call was refused.
        wait: Duration,
        /// What started it.
        reason: String,
        /// What kind of answer started it.
        cause: HoldOffCause,
    },
    /// Too many calls, from this address or for this account (docs/api-notes.md, A.5).
    #[error("the service detected a flood of calls and asked for a slower pace")]
    Throttled {
        /// How long to stay quiet, if the service said so.
        retry_after: Option<Duration>,
    },
    /// A lock of this address or account that lasts up to an hour.
    #[error("the service has locked this address for up to an hour")]
    Locked,
    /// The key is wrong or revoked, or the service knows no such user.
    #[error("the service refused the API key")]
    KeyRefused,
    /// A free account called an endpoint that needs a subscription.
    #[error("the account has no Premium or Access subscription, which 1fichier's API needs")]
    CustomersOnly,
    /// The service has locked, suspended or closed the account, or suspects it after many
    /// `file/info` calls.
    #[error("the service has locked the account{}", saying(message))]
    OwnerLocked {
        /// The service's own words, for people; links in them are left out.
        message: String,
    },
    /// The service takes this address for a server's or a VPN's and wants CDN credits.
    #[error(
        "the service refuses downloads to this address, which it takes for a data centre's or a \
         VPN's, unless the account has CDN credits or a GOLD subscription"
    )]
    AddressRefused,
    /// Another address downloads with this account; that ends some minutes after it stopped.
    #[error("another address is downloading with this account, and only one may")]
    OneLocation,
    /// The file is gone; removals treat this as success.
    #[error("the service knows no such file or folder")]
    NotFound,
    /// The file is private, or its password is missing or wrong.
    #[error("the service does not allow access to the file (private, or a password is needed)")]
    NotAllowed,
    /// A folder was refused, most likely because one of that name exists: list the parent.
    #[error("the service refused the folder name, which may be taken: {message}")]
    NameTaken {
        /// The service's own words, for people.
        message: String,
    },
    /// Each file of a `file/rename` call already has its new name.
    #[error("no file was renamed: the names are already as asked for")]
    NothingRenamed,
    /// The upload node could not open its storage: try once more, with a new node.
    #[error("the upload node could not store the files")]
    NodeStorage,
    /// The upload node found no file in the request: malformed, or empty files only.
    #[error("the upload node found no file in what was sent")]
    NoFileInUpload,
    /// The upload node answered with a page of its own instead of the redirect to the result. The
    /// files may have been stored or not.
    #[error("the upload node refused the files (HTTP {status}): {words}")]
    NodeRefused {
        /// The HTTP status.
        status: u16,
        /// The words of the page, for people; markup and links are left out.
        words: String,
    },
    /// The service is being maintained, usually for about 20 minutes.
    #[error("the service is under maintenance")]
    Maintenance,
    /// The server failed: HTTP 5xx, or a page that says so.
    #[error("the service failed internally (HTTP {status}){}", saying(words))]
    Failing {
        /// The HTTP status.
        status: u16,
        /// The words of the reply, for people.
        words: String,
    },
    /// No reply: DNS, TLS, a stalled or broken connection. [`io::ErrorKind::ConnectionRefused`]
    /// says that no connection was made, so that nothing was sent.
    #[error("the service could not be reached")]
    Unreachable(#[source] io::Error),
    /// A reply that cannot be read, or lacks a field that it should have.
    #[error("unexpected reply from the service: {detail}")]
    UnexpectedReply {
        /// What was expected and what came, without the reply's content.
        detail: String,
    },
    /// The API refused in words that are not known, in a way that is used for floods and locks too,
    /// or with a page of its web server. Taken for a flood until a call succeeds.
    #[error("the service refused the request (HTTP {status}) in unknown words{}", saying(words))]
    UnknownRefusal {
        /// The HTTP status.
        status: u16,
        /// The service's own words, for people; links in them are left out.
        words: String,
        /// Whether they came as a page and not as a reply of the API, so that the request may have
        /// been carried out.
        is_page: bool,
    },
    /// A well-formed refusal of this one request, with a text that is not known.
    #[error("the service refused the request (HTTP {status}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The service's own words, for people; links in it are left out.
        message: String,
    },
    /// The request itself is wrong, and was not sent.
    #[error("{problem}")]
    InvalidRequest {
        /// The mistake, in a sentence.
        problem: String,
    },
    /// The files went to nobody: the result tells how to remove them without an account, and they
    /// are not in the folder that they were sent to.
    #[error(
        "the upload node did not accept the API key: it tells links for the files, but they are \
         not in the account"
    )]
    Anonymous,
    /// What was downloaded is not what was asked for.
    #[error("the downloaded content differs from what the service recorded: {detail}")]
    Corrupt {
        /// Sizes or hashes, expected and found.
        detail: String,
    },
    /// The place where a download is written, given by the caller, failed.
    #[error("the downloaded content could not be written")]
    Sink(#[source] io::Error),
    /// The pacer cannot keep its memory, and without it no call is safe.
    #[error("the record of recent calls cannot be read or written")]
    PaceMemory(#[source] io::Error),
}

/// Whether a refusal with this HTTP status may be one of all calls; others are about what was asked
/// for.
pub(crate) fn concerns_all(status: u16) -> bool {
    !matches!(status, 200..=299 | 400 | 404 | 409 | 411..=417 | 422)
}

/// The service's words behind a sentence about it; nothing if there are none.
pub(crate) fn saying(words: &str) -> String {
    if words.is_empty() || words == NO_WORDS {
        String::new()
    } else {
        format!(", and says \u{201c}{words}\u{201d}")
    }
}

/// What kind of answer started a hold-off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldOffCause {
    /// Too many calls.
    #[default]
    Flood,
    /// The address is locked.
    AddressLocked,
    /// The account is locked or suspended.
    AccountLocked,
    /// Refusals in words that are not known.
    Refusals {
        /// How many in a row.
        in_a_row: u32,
    },
    /// Replies of which none made sense.
    Failures,
}

/// What to do about an [`ErrorKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same work may succeed later, after seconds or minutes.
    TryAgain,
    /// Send nothing at all for this long. The pacer sees to it: until then each call fails with
    /// [`ErrorKind::HeldOff`]. With a scaled clock only the pacer knows the end.
    HoldOff(Duration),
    /// Somebody must change the key, the subscription, the address or the disk first.
    AskOperator,
    /// The request itself is at fault and will not succeed unchanged.
    GiveUp,
}

impl ErrorKind {
    /// The one thing to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            ErrorKind::HeldOff { wait, .. } => Remedy::HoldOff(*wait),
            ErrorKind::Throttled { retry_after } => {
                Remedy::HoldOff(retry_after.unwrap_or_default().max(FLOOD_HOLD_OFF))
            }
            ErrorKind::UnknownRefusal { status: 410, .. } | ErrorKind::Locked => {
                Remedy::HoldOff(LOCK_HOLD_OFF)
            }
            ErrorKind::UnknownRefusal { .. } => Remedy::HoldOff(FLOOD_HOLD_OFF),
            ErrorKind::KeyRefused
            | ErrorKind::CustomersOnly
            | ErrorKind::OwnerLocked { .. }
            | ErrorKind::AddressRefused
            | ErrorKind::Anonymous
            | ErrorKind::Sink(_)
            | ErrorKind::PaceMemory(_) => Remedy::AskOperator,
            ErrorKind::OneLocation
            | ErrorKind::NodeStorage
            | ErrorKind::NodeRefused { .. }
            | ErrorKind::Maintenance
            | ErrorKind::Failing { .. }
            | ErrorKind::Unreachable(_)
            | ErrorKind::UnexpectedReply { .. }
            | ErrorKind::Corrupt { .. } => Remedy::TryAgain,
            // Unknown texts: 200 and 403 may pass, while repeated 401, 404 and 410 lead to a
            // ban (docs/api-notes.md, E).
            ErrorKind::Refused { status: 200 | 403, .. } => Remedy::TryAgain,
            ErrorKind::Refused { .. }
            | ErrorKind::NotFound
            | ErrorKind::NotAllowed
            | ErrorKind::NameTaken { .. }
            | ErrorKind::NothingRenamed
            | ErrorKind::NoFileInUpload
            | ErrorKind::InvalidRequest { .. } => Remedy::GiveUp,
        }
    }

    pub(crate) fn outcome_unknown(&self) -> bool {
        match self {
            ErrorKind::Unreachable(source) => source.kind() != io::ErrorKind::ConnectionRefused,
            ErrorKind::Failing { .. }
            | ErrorKind::NodeRefused { .. }
            | ErrorKind::Maintenance
            | ErrorKind::UnexpectedReply { .. } => true,
            ErrorKind::UnknownRefusal { is_page, .. } => *is_page,
            ErrorKind::HeldOff { .. }
            | ErrorKind::Throttled { .. }
            | ErrorKind::Locked
            | ErrorKind::KeyRefused
            | ErrorKind::CustomersOnly
            | ErrorKind::OwnerLocked { .. }
            | ErrorKind::AddressRefused
            | ErrorKind::OneLocation
            | ErrorKind::NotFound
            | ErrorKind::NotAllowed
            | ErrorKind::NameTaken { .. }
            | ErrorKind::NothingRenamed
            | ErrorKind::NodeStorage
            | ErrorKind::NoFileInUpload
            | ErrorKind::Refused { .. }
            | ErrorKind::InvalidRequest { .. }
            | ErrorKind::Anonymous
            | ErrorKind::Corrupt { .. }
            | ErrorKind::Sink(_)
            | ErrorKind::PaceMemory(_) => false,
        }
    }

    pub(crate) fn unexpected(detail: impl Into<String>) -> ErrorKind {
        ErrorKind::UnexpectedReply { detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(error: &dyn std::error::Error) -> String {
        let rest = error.source().map(|source| format!(": {}", printed(source)));
        format!("{error}{}", rest.unwrap_or_default())
    }

    #[test]
    fn the_printed_chain_says_each_thing_once() {
        let kind = ErrorKind::Unreachable(io::ErrorKind::TimedOut.into());
        let error = Error { endpoint: "folder/ls.cgi", attempts: 4, kind };
        assert_eq!(
            printed(&error),
            "listing a folder failed after 4 attempts: the service could not be reached: timed out"
        );
    }

    #[test]
    fn a_call_that_was_never_sent_says_so() {
        let until = SystemTime::now();
        let wait = Duration::from_secs(60);
        let kind = ErrorKind::HeldOff {
            until,
            wait,
            reason: "a flood".to_owned(),
            cause: HoldOffCause::Flood,
        };
        let error = Error { endpoint: "file/rm.cgi", attempts: 0, kind };
        assert_eq!(
            printed(&error),
            "removing files was not tried: no calls are made until a hold-off ends: a flood"
        );
        assert!(!error.outcome_unknown());
    }

    #[test]
    fn only_an_attempt_that_never_connected_is_known_to_be_void() {
        let unreachable = |kind: io::ErrorKind| ErrorKind::Unreachable(kind.into());
        assert!(!unreachable(io::ErrorKind::ConnectionRefused).outcome_unknown());
        assert!(unreachable(io::ErrorKind::ConnectionReset).outcome_unknown());
        assert!(ErrorKind::Failing { status: 502, words: String::new() }.outcome_unknown());
        assert!(!ErrorKind::NotFound.outcome_unknown());
    }

    #[test]
    fn a_flood_is_quiet_for_a_minute_at_least_and_longer_if_asked() {
        let seconds = |s| Some(Duration::from_secs(s));
        for (asked, quiet_s) in [(None, 60), (seconds(5), 60), (seconds(300), 300)] {
            let remedy = ErrorKind::Throttled { retry_after: asked }.remedy();
            assert_eq!(remedy, Remedy::HoldOff(Duration::from_secs(quiet_s)));
        }
    }
}
