//! One reply of the service, read to its end, and the way from it to a value or a refusal.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{ErrorKind, concerns_all};
use crate::wire::{json, refusal};

/// The longest pause that a `Retry-After` header can demand; a longer one is shortened to it.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

/// The calls that are refused for the sake of one file or one name too: their refusals in unknown
/// words concern the request, unless many follow each other (`pace`).
const OF_ONE_THING: [&str; 3] = ["download/get_token.cgi", "folder/mkdir.cgi", "folder/mv.cgi"];

/// A reply that was read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// The reply to a request that has nothing to report: `status` alone, and it must be there.
#[derive(Debug, Deserialize)]
pub(crate) struct Done {
    #[serde(rename = "status")]
    _status: String,
}

impl Reply {
    /// The value in the reply, or the refusal that came instead.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, ErrorKind> {
        let read = json::decode(self.status, self.content_type.as_deref(), &self.body);
        read.map_err(|kind| self.with_retry_after(kind))
    }

    /// An error of one of the API's own calls, which is another one if the service may mean all calls
    /// by it: a refusal in unknown words with a status that is used for floods and locks, or a page
    /// of its web server that refuses or leads elsewhere (docs/api-notes.md, E).
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds stay as they are")]
    pub(crate) fn taken_for_a_flood(&self, endpoint: &str, kind: ErrorKind) -> ErrorKind {
        let of_one_thing = OF_ONE_THING.contains(&endpoint);
        match kind {
            ErrorKind::Refused { status, message } if status == 410 && !is_token(endpoint) => {
                ErrorKind::UnknownRefusal { status, words: message, is_page: false }
            }
            ErrorKind::Refused { status, message } if concerns_all(status) && !of_one_thing => {
                ErrorKind::UnknownRefusal { status, words: message, is_page: false }
            }
            ErrorKind::UnexpectedReply { .. }
                if (300..500).contains(&self.status) && !is_token(endpoint) =>
            {
                let words = refusal::of_page(&String::from_utf8_lossy(&self.body));
                ErrorKind::UnknownRefusal { status: self.status, words, is_page: true }
            }
            // Said of a file, it may be that of the file's owner (docs/api-notes.md, E).
            ErrorKind::OwnerLocked { message } if is_token(endpoint) => {
                ErrorKind::Refused { status: 403, message }
            }
            ErrorKind::OwnerLocked { message } if names_a_link(endpoint) => {
                ErrorKind::UnknownRefusal { status: self.status, words: message, is_page: false }
            }
            kind => kind,
        }
    }

    /// Adds to a flood answer how long the service wants to be left alone, if a header says so
    /// (docs/api-notes.md, A.1: none was ever recorded).
    pub(crate) fn with_retry_after(&self, kind: ErrorKind) -> ErrorKind {
        let asked = self.retry_after.as_deref().and_then(|text| text.trim().parse::<u64>().ok());
        match (kind, asked) {
            (ErrorKind::Throttled { retry_after }, Some(seconds)) => {
                let asked = Duration::from_secs(seconds).min(MAX_RETRY_AFTER);
                ErrorKind::Throttled { retry_after: retry_after.max(Some(asked)) }
            }
            (kind, _) => kind,
        }
    }
}

fn is_token(endpoint: &str) -> bool {
    endpoint == OF_ONE_THING[0]
}

/// Whether a call asks about a link that may be other people's.
fn names_a_link(endpoint: &str) -> bool {
    matches!(endpoint, "file/info.cgi" | "file/scan.cgi" | "file/cp.cgi")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: &str) -> Reply {
        Reply {
            status: 200,
            content_type: Some("application/json; charset=utf-8".to_owned()),
            location: None,
            retry_after: None,
            body: body.into(),
        }
    }

    #[test]
    fn a_mutation_is_done_only_if_the_reply_says_so() {
        assert!(reply(r#"{"status":"OK"}"#).decode::<Done>().is_ok());
        let kind = reply("{}").decode::<Done>().unwrap_err();
        assert!(kind.outcome_unknown(), "{kind:?}");
    }
}
