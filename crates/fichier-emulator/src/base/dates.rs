//! Dates as the service writes them: French local time without a zone (docs/api-notes.md, A.6).

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

// The zone is compiled in (`tz-fat`), so UTC is never used instead of it.
static PARIS: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC));

/// `2021-06-22 14:57:25` for Unix seconds.
pub(crate) fn write(unix_s: i64) -> String {
    let moment = Timestamp::from_second(unix_s).unwrap_or(Timestamp::UNIX_EPOCH);
    ZonedDateTime::new(moment, PARIS.clone()).strftime(FORMAT).to_string()
}

/// Unix seconds of a date as [`write()`] makes it. Where a date stands for two moments, at the end
/// of summer time, it is the earlier one.
pub(crate) fn read(text: &str) -> Option<i64> {
    let local = DateTime::strptime(FORMAT, text).ok()?;
    PARIS
        .to_ambiguous_zoned_datetime(local)
        .earlier()
        .ok()
        .map(|zoned| zoned.timestamp().as_second())
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
    fn a_date_is_read_back() {
        assert_eq!(read("2021-06-22 14:57:25"), Some(1_624_366_645));
        assert_eq!(read("yesterday"), None);
    }
}
