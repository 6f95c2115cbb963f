//! One reply of the service, read to its end, and the way from it to a value or a refusal.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ErrorKind;
use crate::wire::json;

/// The longest pause that a `Retry-After` header can demand; a longer one is shortened to it.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

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
