//! Reads the service's replies, which keep few of the promises of its documentation.
//!
//! Numbers come as strings, arrays as null or not at all, `status` is missing on some successes,
//! refusals come with any HTTP status including 200, and a failing front end answers with HTML
//! (docs/api-notes.md, A.1, A.8). All of that is settled here, so that the callers see either
//! what they asked for or an [`ErrorKind`].
//!
//! Invariant: a reply that cannot be read, or lacks a field that its type requires, is an error
//! and never a default. Only fields declared optional may be missing.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::ErrorKind;
use crate::hash::digest::Whirlpool;
use crate::link::FileUrl;
use crate::names::RemoteName;
use crate::types::RemoteFile;
use crate::wire::dates;
use crate::wire::refusal::{classify, classify_page, for_people};

/// Reads one reply of the API, or says which refusal it is.
///
/// # Errors
///
/// The refusal's kind; [`ErrorKind::UnexpectedReply`] and the like if the body is not the JSON
/// object that `T` wants, in which case the request may have been carried out.
pub(crate) fn decode<T: DeserializeOwned>(
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<T, ErrorKind> {
    let html = content_type.is_some_and(|kind| kind.trim_start().starts_with("text/html"));
    let start = body.trim_ascii_start();
    if html || start.starts_with(b"<") || (start.is_empty() && status != 200) {
        return Err(classify_page(status, &String::from_utf8_lossy(body)));
    }
    let reply = match parse(body) {
        Ok(reply @ Value::Object(_)) => reply,
        Ok(_) if status == 200 => return Err(ErrorKind::unexpected("JSON that is no object")),
        Err(detail) if status == 200 => return Err(ErrorKind::unexpected(detail)),
        Ok(_) | Err(_) => return Err(classify_page(status, &String::from_utf8_lossy(body))),
    };
    let message = field(&reply, "message").and_then(Value::as_str).unwrap_or_default();
    let ok = match field(&reply, "status").and_then(Value::as_str) {
        Some(word) => word.eq_ignore_ascii_case("ok"),
        // Missing on success in several replies; the fields that `T` requires decide.
        None => true,
    };
    if !ok || !(200..300).contains(&status) {
        return Err(classify(status, message));
    }
    T::deserialize(&reply).map_err(|error| match message {
        "" => ErrorKind::unexpected(for_people(&error.to_string())),
        // A refusal without `status`, seen where a flood is answered (B.2).
        _ => classify(status, message),
    })
}

/// A field by its name in either case: one client has always matched them so (A.8).
fn field<'a>(reply: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = reply.as_object()?;
    fields.get(name).or_else(|| {
        fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

/// Parses JSON, and once more without what old bad names can do to it (B.5).
fn parse(body: &[u8]) -> Result<Value, String> {
    let error = match serde_json::from_slice(body) {
        Ok(reply) => return Ok(reply),
        Err(error) => error,
    };
    let place = format!("line {}, column {}", error.line(), error.column());
    if error.is_eof() {
        return Err(format!("JSON that ends too early, at {place}"));
    }
    serde_json::from_str(&mended(&String::from_utf8_lossy(body)))
        .map_err(|_| format!("text that is not JSON, at {place}"))
}

/// Doubles each backslash that escapes nothing, and escapes raw control characters.
fn mended(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.peek().copied() {
                Some(escaped @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u')) => {
                    mended.extend([c, escaped]);
                    chars.next();
                }
                _ => mended.push_str("\\\\"),
            },
            // Between tokens this is white space, which means nothing either way.
            '\t' | '\n' | '\r' => mended.push(' '),
            c if c.is_control() => mended.push('\u{FFFD}'),
            c => mended.push(c),
        }
    }
    mended
}

/// The reply to a request that has nothing to report: `status` alone, and it must be there.
#[derive(Debug, Deserialize)]
pub(crate) struct Done {
    #[serde(rename = "status")]
    _status: String,
}

/// A file as listings and `file/info` describe it (B.5, B.6).
#[derive(Debug, Deserialize)]
pub(crate) struct FileItem {
    url: FileUrl,
    filename: String,
    #[serde(deserialize_with = "number")]
    size: u64,
    #[serde(default, deserialize_with = "text")]
    date: String,
    #[serde(default, deserialize_with = "text")]
    checksum: String,
}

impl FileItem {
    pub(crate) fn into_file(self) -> RemoteFile {
        RemoteFile {
            url: self.url,
            name: RemoteName::from_service(self.filename),
            size_bytes: self.size,
            whirlpool: Whirlpool::parse_hex(&self.checksum).ok(),
            sent_at: dates::parse(&self.date),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Option<&str> = Some("application/json; charset=utf-8");

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "compared as `Debug` text")]
    struct Reply {
        #[serde(deserialize_with = "number")]
        count: i64,
        #[serde(default, deserialize_with = "optional_number")]
        size: Option<u64>,
        #[serde(default, deserialize_with = "flag")]
        pass: bool,
        #[serde(default, deserialize_with = "text")]
        name: String,
        #[serde(default, deserialize_with = "list")]
        items: Vec<i64>,
    }

    /// What a reply is read as, on one line.
    #[track_caller]
    fn check(status: u16, body: &str, expected: &str) {
        let read = match decode::<Reply>(status, JSON, body.as_bytes()) {
            Ok(reply) => format!("{reply:?}"),
            Err(kind) => format!("{kind}"),
        };
        assert_eq!(read, expected, "{body}");
    }

    #[test]
    fn every_spelling_of_a_value_is_read() {
        check(
            200,
            r#"{"status":"OK","count":"12","size":null,"pass":"1","name":7,"items":null}"#,
            "Reply { count: 12, size: None, pass: true, name: \"7\", items: [] }",
        );
        check(
            200,
            r#"{"Status":"ok","count":-3.5,"size":"","pass":0,"name":null,"items":[1]}"#,
            "Reply { count: -3, size: None, pass: false, name: \"\", items: [1] }",
        );
        check(
            200,
            r#"{"count":0,"size":"34359738368"}"#,
            "Reply { count: 0, size: Some(34359738368), pass: false, name: \"\", items: [] }",
        );
    }

    #[test]
    fn a_missing_or_impossible_number_is_never_a_default() {
        let start = "unexpected reply from the service: ";
        check(200, r#"{"status":"OK"}"#, &format!("{start}missing field `count`"));
        check(200, r#"{"count":null}"#, &format!("{start}a number is null or empty"));
        check(200, r#"{"count":"x"}"#, &format!("{start}a number is none, or out of range"));
        let negative = r#"{"count":1,"size":-1}"#;
        check(200, negative, &format!("{start}a number is none, or out of range"));
    }

    #[test]
    fn a_refusal_is_found_whatever_the_http_status() {
        let gone = "the service knows no such file or folder";
        for status in [200, 403, 404] {
            check(status, r#"{"status":"KO","message":"Resource not found #469"}"#, gone);
        }
        check(404, r#"{"message":"Resource not found #469"}"#, gone);
        check(200, r#"{"message":"Resource not found #469"}"#, gone);
        check(500, r#"{"count":1}"#, "the service failed internally (HTTP 500)");
    }

    #[test]
    fn what_is_not_a_json_object_is_an_unexpected_reply() {
        let start = "unexpected reply from the service: ";
        check(200, "<html>hello", &format!("{start}HTTP 200 with a page instead of JSON"));
        check(200, "[]", &format!("{start}JSON that is no object"));
        check(200, "nonsense", &format!("{start}text that is not JSON, at line 1, column 2"));
        let cut = r#"{"status":"OK","count":1"#;
        check(200, cut, &format!("{start}JSON that ends too early, at line 1, column 24"));
        check(200, "", &format!("{start}JSON that ends too early, at line 1, column 0"));
        check(502, "", "the service failed internally (HTTP 502)");
        let labelled = decode::<Reply>(200, Some("text/html"), br#"{"count":1}"#).unwrap_err();
        assert!(matches!(labelled, ErrorKind::UnexpectedReply { .. }), "{labelled:?}");
    }

    #[test]
    fn an_unexpected_reply_does_not_repeat_a_link() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only its failure to decode is of interest")]
        struct Number {
            url: i64,
        }
        let body = br#"{"url":"https://1fichier.com/?abcde12345"}"#;
        let kind = decode::<Number>(200, JSON, body).unwrap_err();
        assert!(!kind.to_string().contains("abcde"), "{kind}");
    }

    #[test]
    fn a_name_that_spoils_the_json_is_read_as_well_as_possible() {
        let spoilt = "{\"count\":1,\"name\":\"C:\\Windows\u{1}\\\"x\"}";
        check(
            200,
            spoilt,
            "Reply { count: 1, size: None, pass: false, name: \"C:\\\\Windows�\\\"x\", items: [] }",
        );
    }

    #[test]
    fn the_recorded_listing_item_is_read() {
        // Recorded from the service (docs/api-notes.md, B.5).
        let item: FileItem =
            serde_json::from_str(include_str!("../../fixtures/item.json")).unwrap();
        let file = item.into_file();
        assert_eq!(file.name.as_str(), "test.txt");
        assert_eq!(file.size_bytes, 12);
        assert_eq!(file.sent_at.unwrap().to_string(), "2021-06-22T12:57:25Z");
        let hash = file.whirlpool.unwrap().to_hex();
        assert!(hash.starts_with("0a894ff0") && hash.ends_with("f006a2c5"), "{hash}");
    }

    #[test]
    fn a_mutation_is_done_only_if_the_reply_says_so() {
        assert!(decode::<Done>(200, JSON, br#"{"status":"OK"}"#).is_ok());
        let kind = decode::<Done>(200, JSON, b"{}").unwrap_err();
        assert!(kind.outcome_unknown(), "{kind:?}");
    }
}
