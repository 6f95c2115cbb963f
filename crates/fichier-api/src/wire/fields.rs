//! Reads the values of a reply's fields, each in every spelling that the service may use.
//!
//! Numbers come as strings, arrays as null or not at all, flags as 0, "1" or true
//! (docs/api-notes.md, A.8), and a list may come as an object (H.2). Each function is for serde's
//! `deserialize_with`.
//!
//! Invariant: a value that cannot be read is unknown: an error where the field is needed, absent
//! where it is optional. It is never another value.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::link::FileUrl;

/// The largest number that a fraction holds exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// For a number that is needed, also one written as a string.
pub(crate) fn number<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    let found = optional_number(deserializer)?;
    found.ok_or_else(|| D::Error::custom("a number is missing, or cannot be read"))
}

/// For a number that may be missing, null, empty, or written as a string. Fractions are cut.
pub(crate) fn optional_number<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    Ok(whole(&Value::deserialize(deserializer)?).and_then(|whole| N::try_from(whole).ok()))
}

/// For the number of a folder that may be missing: of a flag it is none.
pub(crate) fn optional_id<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    Ok(id(&Value::deserialize(deserializer)?))
}

/// For a 0/1 flag in any of its forms; one that is missing or cannot be read is `false`.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let word = value.as_str().map(|text| text.trim().to_ascii_lowercase());
    let is_yes = word.is_some_and(|word| matches!(&*word, "yes" | "true" | "on" | "y" | "oui"));
    Ok(is_yes || whole(&value).is_some_and(|flag| flag != 0))
}

/// For text that may be null, or a number.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(optional_text(deserializer)?.unwrap_or_default())
}

/// For text that may be missing, null, empty, or a number.
pub(crate) fn optional_text<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(words(&Value::deserialize(deserializer)?))
}

/// For text that is needed and may not be empty, also text that looks like a number.
pub(crate) fn needed_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    optional_text(deserializer)?.ok_or_else(|| D::Error::custom("a text is missing or empty"))
}

/// For an array that may be null, or an object in its place; use with `default` where it may be
/// missing.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let items = optional_list(deserializer)?.unwrap_or_default().into_iter();
    items.map(T::deserialize).collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// For an array that may be missing: `None` tells it from an empty one.
pub(crate) fn optional_list<'de, D>(deserializer: D) -> Result<Option<Vec<Value>>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(items(Value::deserialize(deserializer)?))
}

/// The items of a list, also of one that is written as an object: its items under numbers or
/// names, or a single item without a list around it.
pub(crate) fn items(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(map) if map.values().all(Value::is_object) => {
            Some(map.into_iter().map(|(_, item)| item).collect())
        }
        Value::Object(map) if map.keys().all(|key| key.parse::<u32>().is_ok()) => {
            Some(map.into_iter().map(|(_, item)| item).collect())
        }
        Value::Object(map) => Some(vec![Value::Object(map)]),
        Value::String(text) if text.contains("://") => Some(vec![Value::String(text)]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// The number of a folder.
pub(crate) fn id(value: &Value) -> Option<i64> {
    whole(value).filter(|_| !value.is_boolean())
}

/// For the link of a file that is needed.
pub(crate) fn link<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FileUrl, D::Error> {
    FileUrl::parse(&needed_text(deserializer)?).map_err(D::Error::custom)
}

/// The text of a value, if it has any, also of one that is alone in a list.
pub(crate) fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(only) => match only.as_slice() {
            [only] if !only.is_array() => return words(only),
            _ => return None,
        },
        Value::Null | Value::Bool(_) | Value::Object(_) => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => written(text.trim()),
        Value::Number(number) => number.as_i64().or_else(|| written(&number.to_string())),
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Array(only) => match only.as_slice() {
            [only] if !only.is_array() => whole(only),
            _ => None,
        },
        Value::Null | Value::Object(_) => None,
    }
}

/// A number as it is written: `12`, `-3.5`, `1.5e2`.
fn written(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.bytes().all(|digit| digit.is_ascii_digit())
        && let Ok(whole) = whole.parse()
    {
        return Some(whole);
    }
    let of_a_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let number: f64 = text.bytes().all(of_a_number).then(|| text.parse().ok()).flatten()?;
    #[expect(clippy::cast_possible_truncation, reason = "its size was looked at")]
    (number.abs() <= MAX_EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_read_in_every_spelling() {
        for (value, expected) in [
            (json!(12), Some(12)),
            (json!("12"), Some(12)),
            (json!(" 12 "), Some(12)),
            (json!("34359738368.9"), Some(34_359_738_368)),
            (json!("-1.5e2"), Some(-150)),
            (json!(-1.5e2), Some(-150)),
            (json!(1e3), Some(1000)),
            (json!(true), Some(1)),
            (json!("9223372036854775807"), Some(i64::MAX)),
            (json!("1e400"), None),
            (json!("12 B"), None),
            (json!("nan"), None),
            (json!(""), None),
            (json!(null), None),
            (json!([1]), Some(1)),
            (json!([1, 2]), None),
            (json!({"n": 1}), None),
        ] {
            assert_eq!(whole(&value), expected, "{value}");
        }
        assert_eq!(id(&json!(true)), None);
        assert_eq!(id(&json!("7")), Some(7));
    }

    #[test]
    fn a_list_is_read_in_every_form() {
        for (value, expected) in [
            (json!([{"a": 1}, {"a": 2}]), Some(2)),
            (json!({"0": {"a": 1}, "1": {"a": 2}}), Some(2)),
            (json!({"x.txt": {"a": 1}}), Some(1)),
            (json!({"0": "https://1fichier.com/?aaaaa"}), Some(1)),
            (json!({"a": 1, "b": {}}), Some(1)),
            (json!("https://1fichier.com/?aaaaa"), Some(1)),
            (json!([]), Some(0)),
            (json!({}), Some(0)),
            (json!(null), None),
            (json!(3), None),
            (json!("none"), None),
        ] {
            assert_eq!(items(value.clone()).map(|items| items.len()), expected, "{value}");
        }
    }
}
