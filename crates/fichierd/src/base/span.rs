//! Durations as people write them: `5s`, `1h 30m`, `30 days`.

use std::time::Duration;

const MS: u64 = 1;
const SECOND: u64 = 1_000 * MS;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// Reads one or more numbers with units, such as `90s`, `1h 30m` or `30 days`; `0` needs no unit.
///
/// # Errors
///
/// A sentence for the person who wrote the duration.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return Err("an empty duration".to_owned());
    }
    // Nothing is nothing in every unit.
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, tail) = after.split_at(letters);
        let count: u64 = number.parse().map_err(|_| format!("`{text}` is not a duration"))?;
        let part = count
            .checked_mul(unit_ms(text, number, unit)?)
            .ok_or_else(|| format!("`{text}` is too long"))?;
        total_ms = total_ms.checked_add(part).ok_or_else(|| format!("`{text}` is too long"))?;
        rest = tail.trim_start();
    }
    Ok(Duration::from_millis(total_ms))
}

fn unit_ms(text: &str, number: &str, unit: &str) -> Result<u64, String> {
    match unit {
        "ms" => Ok(MS),
        "s" | "sec" | "second" | "seconds" => Ok(SECOND),
        "m" | "min" | "minute" | "minutes" => Ok(MINUTE),
        "h" | "hour" | "hours" => Ok(HOUR),
        "d" | "day" | "days" => Ok(DAY),
        "w" | "week" | "weeks" => Ok(WEEK),
        "" if text.trim() == number => {
            Err(format!("`{text}` has no unit; did you mean `{number}s` or `{number}m`?"))
        }
        "" => Err(format!("`{text}` is not a duration; write whole numbers with units")),
        _ => Err(format!("`{unit}` is not a unit of time; the units are ms, s, m, h, d and w")),
    }
}
