//! Reads the values of a reply's fields, each in every spelling that the service uses.
//!
//! Numbers come as strings, arrays as null or not at all, flags as 0, "1" or true
//! (docs/api-notes.md, A.8). Each function is for serde's `deserialize_with`.
//!
//! Invariant: a value that cannot be read is an error and never a default; only null, an empty
//! text and, where `default` stands beside it, a missing field count as absent.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// For a number, also one written as a string.
pub(crate) fn number<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    let found = optional_number(deserializer)?;
    found.ok_or_else(|| serde::de::Error::custom("a number is null or empty"))
}

/// For a number that may be missing, null, empty, or written as a string. Fractions are cut.
pub(crate) fn optional_number<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    let whole = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => whole_part(text.trim()),
        Value::Number(number) => whole_part(&number.to_string()),
        Value::Bool(flag) => Some(i64::from(flag)),
        Value::Array(_) | Value::Object(_) => None,
    };
    let fits = whole.and_then(|whole| N::try_from(whole).ok());
    fits.map(Some).ok_or_else(|| serde::de::Error::custom("a number is none, or out of range"))
}

fn whole_part(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction.bytes().all(|digit| digit.is_ascii_digit()).then(|| whole.parse().ok()).flatten()
}

/// For a 0/1 flag in any of its forms; missing or null is `false`.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(optional_number::<D, i64>(deserializer)?.is_some_and(|flag| flag != 0))
}

/// For text that may be null, or a number.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    })
}

/// For an array that may be null; use with `default` where it may be missing.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
