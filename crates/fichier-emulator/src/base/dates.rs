//! The service's clock, and dates as it writes them: French local time without a zone
//! (docs/api-notes.md, A.6).
//!
//! Lifetimes and limits do not follow this clock: they are measured, not read off.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

// The zone is compiled in (`tz-fat`), so UTC is never used instead of it.
static PARIS: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC));

/// This moment, as lifetimes and limits are measured: that of the runtime, which a simulation
/// lets pass as it likes.
pub(crate) fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The clock of this machine, or one that is wrong by some seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// Negative: behind.
    pub(crate) ahead_s: i64,
    /// Instead of that of this machine: what it showed then, and has gone on from.
    pub(crate) started: Option<(i64, Instant)>,
}

impl Clock {
    /// Unix seconds of this moment.
    pub(crate) fn now(self) -> i64 {
        let shown = match self.started {
            Some((start_s, since)) => {
                let passed: Duration = instant().saturating_duration_since(since);
                start_s.saturating_add(i64::try_from(passed.as_secs()).unwrap_or(i64::MAX))
            }
            None => Timestamp::now().as_second(),
        };
        shown.saturating_add(self.ahead_s)
    }

    /// This moment as a `Date` header has it: `Tue, 22 Jun 2021 12:57:25 GMT`.
    pub(crate) fn header(self) -> String {
        let moment = Timestamp::from_second(self.now()).unwrap_or(Timestamp::UNIX_EPOCH);
        // Only a year of five digits cannot be written.
        DateTimePrinter::new().timestamp_to_rfc9110_string(&moment).unwrap_or_default()
    }
}

/// `2021-06-22 14:57:25` for Unix seconds.
pub(crate) fn write(unix_s: i64) -> String {
    let moment = Timestamp::from_second(unix_s).unwrap_or(Timestamp::UNIX_EPOCH);
    Zoned::new(moment, PARIS.clone()).strftime(FORMAT).to_string()
}

/// Unix seconds of a date as [`write()`] makes it; of the earlier moment where it stands for two.
pub(crate) fn read(text: &str) -> Option<i64> {
    let local = DateTime::strptime(FORMAT, text).ok()?;
    PARIS.to_ambiguous_zoned(local).earlier().ok().map(|zoned| zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_is_two_hours_ahead_and_winter_one() {
        // The recorded pair of docs/api-notes.md, A.6: 12:57:25 GMT in June.
        assert_eq!(write(1_624_366_645), "2021-06-22 14:57:25");
        assert_eq!(write(1_609_459_200), "2021-01-01 01:00:00");
    }

    #[test]
    fn a_header_is_in_the_form_of_http() {
        let epoch = Clock { ahead_s: -Clock::default().now(), started: None };
        let header = epoch.header();
        // A second may have passed.
        assert!(
            header.starts_with("Thu, 01 Jan 1970 00:00:0") && header.ends_with(" GMT"),
            "{header}"
        );
    }

    #[test]
    fn a_date_is_read_back() {
        assert_eq!(read("2021-06-22 14:57:25"), Some(1_624_366_645));
        assert_eq!(read("yesterday"), None);
    }
}
