//! Points in time as people write them for `--at`: a date, a time, or how long ago.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::base::span::parse_duration;

/// Reads a point in time, as written at `now` in the time zone `zone`, and returns Unix seconds.
///
/// `2026-11-24` is the end of that day, or now if it is today; `2026-11-24 10:15` and
/// `2026-11-24T10:15:00` are local times; with `Z` or an offset they are what they say; `3h`, `2d`
/// and `2 hours ago` are that long before now; `now`, `today` and `yesterday` are what they say.
///
/// # Errors
///
/// A sentence for the person who wrote the time.
pub fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<i64, String> {
    let text = text.trim();
    let word = text.to_ascii_lowercase();
    let at = if matches!(&*word, "now" | "today") {
        now
    } else if word == "yesterday" {
        let today = now.to_zoned_datetime(zone.clone()).date();
        let day = today.yesterday().map_err(|_| format!("`{text}` is out of range"))?;
        local(day.to_datetime(Time::MAX), zone)?
    } else if let Ok(at) = text.parse::<Timestamp>() {
        at
    } else if let (true, Ok(at)) = (text.contains(':'), text.parse::<DateTime>()) {
        local(at, zone)?
    } else if let (false, Ok(date)) = (text.contains(':'), text.parse::<Date>()) {
        let end = local(date.to_datetime(Time::MAX), zone)?;
        if date == now.to_zoned_datetime(zone.clone()).date() { now } else { end }
    } else {
        let ago = word.strip_suffix("ago").unwrap_or(&word).replace(" and ", " ").replace(',', " ");
        let ago = parse_duration(&in_digits(&ago)).map_err(|_| {
            format!(
                "`{text}` is no time; write 2026-11-24, \"2026-11-24 10:15\", \
                 2026-11-24T10:15:00Z, yesterday, or how long ago: 3h, \"2 days ago\""
            )
        })?;
        let ago = SignedDuration::try_from(ago).map_err(|_| format!("`{text}` is too long ago"))?;
        now.checked_sub(ago).map_err(|_| format!("`{text}` is too long ago"))?
    };
    if at > now {
        return Err(format!("`{text}` has not come yet"));
    }
    Ok(at.as_second())
}

/// A duration that begins with `a` or `an`, with the number in its place.
fn in_digits(text: &str) -> String {
    let text = text.trim();
    let rest = text.strip_prefix("an ").or_else(|| text.strip_prefix("a "));
    rest.map_or_else(|| text.to_owned(), |rest| format!("1 {rest}"))
}

fn local(at: DateTime, zone: &TimeZone) -> Result<Timestamp, String> {
    // A local time that the clocks skip means the moment after the gap; one that occurs twice means
    // the earlier.
    let at = at.to_zoned_datetime(zone.clone()).map_err(|_| format!("`{at}` is out of range"))?;
    Ok(at.timestamp())
}

/// The time as a column of a table shows it, in the time zone of this machine, without its name:
/// `2026-11-24 10:15:00`.
pub fn shown(at_s: i64) -> String {
    local_form(timestamp(at_s), "%Y-%m-%d %H:%M:%S")
}

/// The time as a sentence tells it, with its zone: `2026-11-24 10:15:00 CET`.
pub fn told(at_s: i64) -> String {
    local_form(timestamp(at_s), "%Y-%m-%d %H:%M:%S %Z")
}

/// The time of day as people read it, in the time zone of this machine: `10:15:00 CET`.
pub fn clock(at: Timestamp) -> String {
    local_form(at, "%H:%M:%S %Z")
}

/// The day as people read it, in the time zone of this machine: `2026-11-24`.
pub fn day(at: Timestamp) -> String {
    local_form(at, "%Y-%m-%d")
}

/// The time as a line of the log bears it, with the offset of this machine's time zone:
/// `2026-11-24T10:15:00+01:00`.
pub fn logged(at: Timestamp) -> String {
    local_form(at, "%Y-%m-%dT%H:%M:%S%:z")
}

fn timestamp(at_s: i64) -> Timestamp {
    Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn local_form(at: Timestamp, form: &str) -> String {
    at.to_zoned_datetime(TimeZone::system()).strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Paris").unwrap();
        parse(text, now, &zone).map(|at| Timestamp::from_second(at).unwrap().to_string())
    }

    #[test]
    fn times_are_local_unless_they_say_otherwise_and_a_date_is_its_end() {
        assert_eq!(read("2026-11-20 10:15").unwrap(), "2026-11-20T09:15:00Z");
        assert_eq!(read("2026-11-20T10:15:30").unwrap(), "2026-11-20T09:15:30Z");
        assert_eq!(read("2026-11-20T10:15:30Z").unwrap(), "2026-11-20T10:15:30Z");
        assert_eq!(read("2026-07-01T10:00+01:00").unwrap(), "2026-07-01T09:00:00Z");
        assert_eq!(read("2026-11-20").unwrap(), "2026-11-20T22:59:59Z");
    }

    #[test]
    fn how_long_ago_counts_from_now() {
        assert_eq!(read("2d").unwrap(), "2026-11-22T12:00:00Z");
        assert_eq!(read("1h 30m ago").unwrap(), "2026-11-24T10:30:00Z");
        assert_eq!(read("2 hours ago").unwrap(), "2026-11-24T10:00:00Z");
        assert_eq!(read("1 hour and 5 minutes ago").unwrap(), "2026-11-24T10:55:00Z");
        assert_eq!(read("An hour ago").unwrap(), "2026-11-24T11:00:00Z");
    }

    #[test]
    fn words_that_people_type_are_understood() {
        for now in ["now", "NOW", " today ", "2026-11-24"] {
            assert_eq!(read(now).unwrap(), "2026-11-24T12:00:00Z", "{now}");
        }
        assert_eq!(read("yesterday").unwrap(), "2026-11-23T22:59:59Z");
    }

    #[test]
    fn what_is_no_time_or_has_not_come_is_refused_with_the_ways_to_write_it() {
        assert_eq!(
            read("the other day").unwrap_err(),
            "`the other day` is no time; write 2026-11-24, \"2026-11-24 10:15\", \
             2026-11-24T10:15:00Z, yesterday, or how long ago: 3h, \"2 days ago\""
        );
        assert_eq!(read("2027-01-01").unwrap_err(), "`2027-01-01` has not come yet");
    }
}
