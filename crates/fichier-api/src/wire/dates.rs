//! The service's dates: French local time, without saying so.
//!
//! `YYYY-MM-DD HH:MM:SS` in Europe/Paris, summer time included; a recorded pair of a date and an
//! HTTP header proves it (docs/api-notes.md, A.6). Twice a year an hour repeats or is skipped:
//! a repeated one is read as its first pass, and windows should overlap by more than an hour.

use std::sync::OnceLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";
const DAY: &str = "%Y-%m-%d";

/// Reads a date; `None` for the empty and the odd ones that the service is known to send. A date
/// without a time begins its day.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let whole_day = || Date::strptime(DAY, text).map(DateTime::from);
    let local = DateTime::strptime(FORMAT, text).or_else(|_| whole_day()).ok()?;
    local.to_zoned_datetime(paris()?).ok().map(|zoned| zoned.timestamp())
}

/// Writes a date as the service expects it in a request.
pub(crate) fn format(at: Timestamp) -> Option<String> {
    Some(at.to_zoned_datetime(paris()?).strftime(FORMAT).to_string())
}

/// Whether the French clocks are changed within a day of `at`, so that dates may be ambiguous.
pub(crate) fn is_near_clock_change(at: Timestamp) -> bool {
    let Some(paris) = paris() else { return true };
    let day = SignedDuration::from_hours(24);
    let offset = |at: Result<Timestamp, _>| at.map(|at| paris.to_offset(at)).ok();
    offset(at.checked_sub(day)) != offset(at.checked_add(day))
}

/// From the bundled time zones: nothing of the host is needed.
fn paris() -> Option<TimeZone> {
    static PARIS: OnceLock<Option<TimeZone>> = OnceLock::new();
    PARIS.get_or_init(|| TimeZone::get("Europe/Paris").ok()).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(paris: &str, utc: &str) {
        let at: Timestamp = utc.parse().unwrap();
        assert_eq!(parse(paris), Some(at));
        assert_eq!(format(at).as_deref(), Some(paris));
    }

    #[test]
    fn dates_are_french_local_time() {
        check("2021-06-22 14:57:25", "2021-06-22T12:57:25Z");
        check("2026-01-15 08:00:00", "2026-01-15T07:00:00Z");
    }

    #[test]
    fn the_repeated_hour_is_read_as_its_first_pass() {
        check("2026-10-25 02:30:00", "2026-10-25T00:30:00Z");
    }

    #[test]
    fn clocks_are_changed_twice_a_year() {
        for (at, near) in [
            ("2026-10-25T00:59:59Z", true),
            ("2026-10-25T23:00:00Z", true),
            ("2026-03-28T12:00:00Z", true),
            ("2026-10-23T12:00:00Z", false),
            ("2026-06-01T00:00:00Z", false),
        ] {
            assert_eq!(is_near_clock_change(at.parse().unwrap()), near, "{at}");
        }
    }

    #[test]
    fn a_date_without_a_time_begins_its_day() {
        assert_eq!(parse("2026-01-15"), parse("2026-01-15 00:00:00"));
        assert_eq!(parse("2026-01-15").unwrap().to_string(), "2026-01-14T23:00:00Z");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "0", "0000-00-00 00:00:00", "2026-13-01 00:00:00", "yesterday"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
