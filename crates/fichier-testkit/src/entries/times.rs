//! Dates and pauses of the service.
//!
//! The bytes are a text.

use std::time::Duration;

use fichier_api::Remedy;
use fichier_api::untrusted::{Answer, date, header_date, written_date};
use jiff::{SignedDuration, Timestamp};

/// The longest pause that a header may ask for; a longer one is cut (docs/api-notes.md, A.1).
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The hour that the French clocks show twice is read as its first pass.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The bytes are a text, read as each kind of date and as `Retry-After`.
pub fn times(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(at) = date(&text) {
        // The edges of the calendar are in no request.
        if let Some(written) = written_date(at) {
            let again = date(&written);
            assert!(again.is_some_and(|again| at.duration_since(again).abs() <= HOUR), "{written}");
        }
    }
    if let Some(at) = header_date(&text) {
        assert!(at > Timestamp::UNIX_EPOCH, "{at}");
    }
    for status in [429, 403] {
        let answer = Answer {
            status,
            content_type: None,
            location: None,
            retry_after: Some(text.clone().into_owned()),
            body: br#"{"status":"KO","message":"Flood detected: IP Locked #374"}"#.to_vec(),
        };
        let kind = answer.done().expect_err("a flood answer");
        let Remedy::HoldOff(pause) = kind.remedy() else { panic!("{kind:?}") };
        assert!((Duration::from_secs(60)..=LONGEST_PAUSE).contains(&pause), "{pause:?}");
    }
}
