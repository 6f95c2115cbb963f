//! Values as people write them: `"5s"`, `"1h 30m"`, `"25%"`, `"forever"`.
//!
//! A duration carries its unit; a bare number is a count. A bare `5` in place of a duration is
//! refused, because it could mean seconds or minutes. Each refusal says how the value is written.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::command::CommandLine;
use super::{Keep, MaxRemovals};
use crate::base::span::parse_duration;

/// A duration in its written form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HumanDuration(pub(super) Duration);

/// A number of bytes in its written form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HumanSize(pub(super) u64);

/// `keep` in its written form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeepText(pub(super) Keep);

/// A command in its written form; `None` if it is empty.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CommandText(pub(super) Option<CommandLine>);

/// Reads a whole number with a unit, such as `256 MiB`. A bare letter is refused, because `M` could
/// be a million or 1,048,576.
fn parse_size(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let factor: u64 = match unit.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "" => return Err(format!("`{text}` has no unit; write it like \"256 MiB\"")),
        other => {
            return Err(format!("`{other}` is not a unit of size; the units are B, KiB, MiB, GiB"));
        }
    };
    let count: u64 = number.parse().map_err(|_| format!("`{text}` is not a size"))?;
    count.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

fn parse_percent(text: &str) -> Result<MaxRemovals, String> {
    let number = text.trim().strip_suffix('%').map(str::trim_end);
    match number.map(str::parse::<u8>) {
        Some(Ok(percent)) if percent <= 100 => Ok(MaxRemovals::Percent(percent)),
        Some(_) => Err(format!("`{text}` is not a share between \"0%\" and \"100%\"")),
        None => match text.trim().parse::<u64>() {
            Ok(files) => Err(format!(
                "`{text}` could be a share or a count; write \"{files}%\", or {files} without \
                 quotes for that many files"
            )),
            Err(_) => Err(format!("`{text}` is neither a share such as \"25%\" nor a number")),
        },
    }
}

fn parse_keep(text: &str) -> Result<Keep, String> {
    match text.trim() {
        "forever" => Ok(Keep::Forever),
        "0" => Ok(Keep::None),
        other => match parse_duration(other)? {
            Duration::ZERO => Ok(Keep::None),
            duration => Ok(Keep::For(duration)),
        },
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written {
            expected: "a duration with its unit, in quotes, such as \"90s\" or \"1h 30m\"",
            text: |text| parse_duration(text).map(HumanDuration),
            number: |_| None,
        })
    }
}

impl<'de> Deserialize<'de> for HumanSize {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written {
            expected: "a size with its unit, in quotes, such as \"256 MiB\"",
            text: |text| parse_size(text).map(HumanSize),
            number: |_| None,
        })
    }
}

impl<'de> Deserialize<'de> for KeepText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written {
            expected: "a duration in quotes such as \"30d\", or \"0\", or \"forever\"",
            text: |text| parse_keep(text).map(KeepText),
            number: |_| None,
        })
    }
}

impl<'de> Deserialize<'de> for MaxRemovals {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written {
            expected: "a share such as \"25%\", or a number of files",
            text: parse_percent,
            number: |number| u64::try_from(number).ok().map(MaxRemovals::Files),
        })
    }
}

impl<'de> Deserialize<'de> for CommandText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WrittenCommand)
    }
}

/// Reads a command: a list of words, or a line for a shell.
struct WrittenCommand;

impl<'de> Visitor<'de> for WrittenCommand {
    type Value = CommandText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command: [\"program\", \"argument\"], or \"a line for a shell\"")
    }

    fn visit_str<E: Error>(self, line: &str) -> Result<CommandText, E> {
        Ok(CommandText(CommandLine::of_shell(line)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<CommandText, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = list.next_element::<String>()? {
            words.push(word);
        }
        Ok(CommandText(CommandLine::of_words(words)))
    }
}

/// Reads a value from text, or from a whole number if `number` gives it a meaning.
struct Written<T> {
    expected: &'static str,
    text: fn(&str) -> Result<T, String>,
    number: fn(i64) -> Option<T>,
}

impl<T> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let wrong = serde::de::Unexpected::Signed(number);
        (self.number)(number).ok_or_else(|| E::invalid_type(wrong, &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit_and_added_up() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_millis());
        assert_eq!(seconds("250ms"), Ok(250));
        assert_eq!(seconds("5s"), Ok(5_000));
        assert_eq!(seconds("1h 30m"), Ok(5_400_000));
        assert_eq!(seconds("1h30m"), Ok(5_400_000));
        assert_eq!(seconds(" 2 days "), Ok(172_800_000));
        assert_eq!(seconds("1w"), Ok(604_800_000));
    }

    #[test]
    fn sizes_are_read_with_units_that_leave_no_doubt() {
        assert_eq!(parse_size("256 MiB"), Ok(256 << 20));
        assert_eq!(parse_size("1GB"), Ok(1_000_000_000));
        assert_eq!(parse_size("0 B"), Ok(0));
        assert_eq!(
            parse_size("5M").unwrap_err(),
            "`M` is not a unit of size; the units are B, KiB, MiB, GiB"
        );
        assert_eq!(parse_size("5").unwrap_err(), "`5` has no unit; write it like \"256 MiB\"");
        assert_eq!(parse_size("MiB").unwrap_err(), "`MiB` is not a size");
        assert_eq!(parse_size("99999999 TiB").unwrap_err(), "`99999999 TiB` is too large");
    }

    #[test]
    fn a_duration_that_is_not_one_says_why() {
        let complaint = |text| parse_duration(text).unwrap_err();
        assert_eq!(complaint("5"), "`5` has no unit; did you mean `5s` or `5m`?");
        assert_eq!(
            complaint("5 parsecs"),
            "`parsecs` is not a unit of time; the units are ms, s, m, h, d and w"
        );
        assert_eq!(complaint("-5s"), "`-5s` is not a duration");
        assert_eq!(complaint("1.5h"), "`1.5h` is not a duration; write whole numbers with units");
        assert_eq!(complaint(""), "an empty duration");
        assert_eq!(complaint("99999999999999999999s"), "`99999999999999999999s` is not a duration");
        assert_eq!(complaint("9999999999999999w"), "`9999999999999999w` is too long");
    }

    #[test]
    fn removals_are_a_share_or_a_count_and_never_ambiguous() {
        assert_eq!(parse_percent("25%"), Ok(MaxRemovals::Percent(25)));
        assert_eq!(
            parse_percent("101%").unwrap_err(),
            "`101%` is not a share between \"0%\" and \"100%\""
        );
        assert_eq!(
            parse_percent("25").unwrap_err(),
            "`25` could be a share or a count; write \"25%\", or 25 without quotes for that many \
             files"
        );
    }

    #[test]
    fn keep_knows_nothing_for_a_while_and_forever() {
        assert_eq!(parse_keep("0"), Ok(Keep::None));
        assert_eq!(parse_keep("0d"), Ok(Keep::None));
        assert_eq!(parse_keep("forever"), Ok(Keep::Forever));
        assert_eq!(parse_keep("30d"), Ok(Keep::For(Duration::from_secs(30 * 86_400))));
    }
}
