//! Reads the service's replies, which keep few of the promises of its documentation.
//!
//! Numbers come as strings, arrays as null or not at all, `status` is missing on some successes,
//! refusals come with any HTTP status including 200, and a failing front end answers with HTML
//! (docs/api-notes.md, A.1, A.8). All of that is dealt with here, so that the callers see either
//! the value they asked for or an [`ErrorKind`].
//!
//! Invariant: a reply that cannot be read, or lacks a field that its type requires, is an error
//! and never a default. Only fields declared optional may be missing.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ErrorKind;
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
    serde_json::from_str(&repaired(&String::from_utf8_lossy(body)))
        .map_err(|_| format!("text that is not JSON, at {place}"))
}

/// Doubles each backslash that escapes nothing, and escapes raw control characters.
fn repaired(text: &str) -> String {
    let mut repaired = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.peek().copied() {
                Some(escaped @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u')) => {
                    repaired.extend([c, escaped]);
                    chars.next();
                }
                _ => repaired.push_str("\\\\"),
            },
            // Between tokens this is white space, which means nothing either way.
            '\t' | '\n' | '\r' => repaired.push(' '),
            c if c.is_control() => repaired.push('\u{FFFD}'),
            c => repaired.push(c),
        }
    }
    repaired
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::wire::fields;

    const JSON: Option<&str> = Some("application/json; charset=utf-8");

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "compared as `Debug` text")]
    struct Reply {
        #[serde(deserialize_with = "fields::number")]
        count: i64,
        #[serde(default, deserialize_with = "fields::optional_number")]
        size: Option<u64>,
        #[serde(default, deserialize_with = "fields::flag")]
        pass: bool,
        #[serde(default, deserialize_with = "fields::text")]
        name: String,
        #[serde(default, deserialize_with = "fields::list")]
        items: Vec<i64>,
    }

    /// The value that a reply is read as, on one line.
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
}
