//! Reads the service's replies, which keep few of the promises of its documentation.
//!
//! Numbers come as strings, arrays as null or not at all, `status` is missing on some successes,
//! refusals come with any HTTP status including 200, and a failing front end answers with HTML
//! (docs/api-notes.md, A.1, A.8, H.2). All of that is dealt with here, so that the callers see
//! either the value they asked for or an [`ErrorKind`].
//!
//! Invariants: a reply that lacks a field that its type needs is an error and never a default. A
//! reply that says OK, or does not say KO, is never a refusal in words that are not known: its
//! outcome is unknown.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{ErrorKind, Remedy};
use crate::wire::fields;
use crate::wire::quote::quote;
use crate::wire::refusal::{classify, classify_page, for_people};

/// What some systems write before a text (a "BOM").
const MARK: &[u8] = b"\xef\xbb\xbf";
/// The `status` of a success, and of a refusal; the service is only known to say `OK` and `KO`.
const GOOD: [&str; 7] = ["ok", "success", "succeeded", "done", "true", "1", "200"];
const BAD: [&str; 9] = ["ko", "nok", "error", "err", "fail", "failed", "failure", "false", "0"];

/// What `status` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Ok,
    Ko,
    /// It is missing, or says neither: the fields that the call needs decide.
    Nothing,
}

/// Reads one reply of the API, or says which refusal it is.
///
/// # Errors
///
/// The refusal's kind; [`ErrorKind::UnexpectedReply`] and the like if the body is not the JSON
/// object that `T` wants, in which case the request may have been carried out.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds stay as they are")]
pub(crate) fn decode<T: DeserializeOwned>(
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<T, ErrorKind> {
    let body = body.strip_prefix(MARK).unwrap_or(body);
    let start = body.trim_ascii_start();
    let page = || Err(classify_page(status, &String::from_utf8_lossy(body)));
    let html = content_type.is_some_and(|kind| kind.trim_start().starts_with("text/html"));
    let is_json = start.starts_with(b"{") || start.starts_with(b"[");
    if start.starts_with(b"<") || (html && !is_json) || (start.is_empty() && status != 200) {
        return page();
    }
    let unexpected =
        |problem: &str| ErrorKind::unexpected(format!("{problem}; it is: {}", quote(body)));
    let reply = match parse(body).map(object) {
        Ok(Some(reply)) => reply,
        Ok(None) if status == 200 => return Err(unexpected("JSON that is no object")),
        Err(detail) if status == 200 => return Err(unexpected(&detail)),
        Ok(None) | Err(_) => return page(),
    };
    let (said, message) = (said(&reply), message(&reply));
    // The whole reply says more than no words at all, but means nothing.
    let refusal = || match classify(status, &message) {
        ErrorKind::Refused { status, .. } if message.is_empty() => {
            ErrorKind::Refused { status, message: quote(body) }
        }
        kind => kind,
    };
    let refused = |problem: &str| match refusal() {
        ErrorKind::Refused { .. } if said != Said::Ko => unexpected(problem),
        // To say OK and that something is not there is to say nothing.
        kind if said == Said::Ok && kind.remedy() == Remedy::GiveUp => unexpected(problem),
        kind => kind,
    };
    if said == Said::Ko {
        return Err(refusal());
    }
    if !(200..300).contains(&status) {
        return Err(match said {
            Said::Ok => refused(&format!("HTTP {status} and a reply that says OK")),
            Said::Ko | Said::Nothing => refusal(),
        });
    }
    T::deserialize(&Value::Object(reply)).map_err(|error| {
        let problem = for_people(&error.to_string());
        if message.is_empty() { unexpected(&problem) } else { refused(&problem) }
    })
}

/// The object that a reply is, with small letters in its keys: one client has always matched them
/// in any case (A.8). Also one that is alone in a list. Of two keys that differ in case only, the
/// small one counts.
fn object(reply: Value) -> Option<Map<String, Value>> {
    let alone = reply.as_array().filter(|only| only.len() == 1).map(|only| only[0].clone());
    let Value::Object(mut reply) = lowered(alone.unwrap_or(reply)) else { return None };
    let word = match said(&reply) {
        Said::Ok => "OK",
        Said::Ko => "KO",
        Said::Nothing => {
            reply.remove("status");
            return Some(reply);
        }
    };
    reply.insert("status".to_owned(), word.into());
    Some(reply)
}

fn lowered(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(lowered).collect()),
        Value::Object(map) => {
            let (small, other): (Vec<_>, Vec<_>) = map
                .into_iter()
                .map(|(key, value)| (key, lowered(value)))
                .partition(|(key, _)| !key.bytes().any(|byte| byte.is_ascii_uppercase()));
            let mut map: Map<String, Value> = small.into_iter().collect();
            for (key, value) in other {
                map.entry(key.to_ascii_lowercase()).or_insert(value);
            }
            Value::Object(map)
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

fn said(reply: &Map<String, Value>) -> Said {
    let word = match reply.get("status") {
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(value @ (Value::String(_) | Value::Number(_))) => {
            fields::words(value).unwrap_or_default().trim().to_lowercase()
        }
        Some(Value::Array(words)) => match words.as_slice() {
            [Value::String(word)] => word.trim().to_lowercase(),
            _ => return Said::Nothing,
        },
        Some(Value::Null | Value::Object(_)) | None => return Said::Nothing,
    };
    if GOOD.contains(&&*word) {
        Said::Ok
    } else if BAD.contains(&&*word) {
        Said::Ko
    } else {
        Said::Nothing
    }
}

/// The service's words, which may be a text or a list of texts.
fn message(reply: &Map<String, Value>) -> String {
    let told = ["message", "error", "msg"].iter().find_map(|key| reply.get(*key));
    let words = match told {
        Some(Value::Array(items)) => items.iter().filter_map(fields::words).collect(),
        Some(Value::Object(map)) => map.values().filter_map(fields::words).collect(),
        Some(value) => Vec::from_iter(fields::words(value)),
        None => Vec::new(),
    };
    words.join(" ")
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
    fn y01_a_needed_number_that_cannot_be_read_is_never_a_default_and_the_reply_is_quoted() {
        for (body, problem) in [
            (r#"{"status":"OK"}"#, "missing field `count`"),
            (r#"{"count":null}"#, "a number is missing, or cannot be read"),
            (r#"{"count":"x"}"#, "a number is missing, or cannot be read"),
            (r#"{"count":[1,2]}"#, "a number is missing, or cannot be read"),
        ] {
            let start = "unexpected reply from the service: ";
            check(200, body, &format!("{start}{problem}; it is: {body}"));
        }
    }

    #[test]
    fn y02_an_optional_value_that_cannot_be_read_is_absent() {
        let read = "Reply { count: 1, size: None, pass: false, name: \"\", items: [] }";
        for body in [
            r#"{"count":1,"size":-1}"#,
            r#"{"count":1,"size":{},"pass":[],"name":{},"items":{}}"#,
            r#"{"count":1,"size":"many","pass":"perhaps","name":[],"items":7}"#,
        ] {
            check(200, body, read);
        }
    }

    #[test]
    fn y03_the_status_and_the_keys_are_read_in_every_case_and_type() {
        let read = "Reply { count: 1, size: None, pass: true, name: \"\", items: [] }";
        for status in ["\"ok\"", "\" Ok \"", "true", "1", "[\"OK\"]", "null", "\"weird\"", "{}"] {
            check(200, &format!("{{\"STATUS\":{status},\"Count\":1,\"PASS\":\"yes\"}}"), read);
        }
        let gone = "the service knows no such file or folder";
        for status in ["\"ko\"", "\"Error\"", "false", "0"] {
            let body = format!("{{\"Status\":{status},\"MESSAGE\":[\"Resource\",\"not found\"]}}");
            // The words of a list are one text.
            check(200, &body.replace("\"Resource\",\"not found\"", "\"Resource not found\""), gone);
        }
    }

    #[test]
    fn y04_a_reply_is_read_with_a_mark_with_any_label_and_alone_in_a_list() {
        for (kind, body) in [
            (JSON, "\u{feff}{\"count\":1}"),
            (Some("text/plain"), "{\"count\":1}"),
            (Some("text/html; charset=utf-8"), " {\"count\":1}"),
            (None, "[{\"count\":1,\"new\":{\"a\":[{}]}}]"),
        ] {
            decode::<Reply>(200, kind, body.as_bytes()).unwrap();
        }
    }

    #[test]
    fn y05_a_reply_that_says_ok_is_never_a_refusal() {
        for body in [
            r#"{"status":"OK","message":"Folder created"}"#,
            r#"{"status":"OK","message":"Resource not found #469"}"#,
            r#"{"message":"Something new"}"#,
        ] {
            let kind = decode::<Reply>(200, JSON, body.as_bytes()).unwrap_err();
            assert!(matches!(kind, ErrorKind::UnexpectedReply { .. }), "{body}: {kind:?}");
        }
        let flood = br#"{"status":"OK","message":"Flood detected: IP Locked #1"}"#;
        let kind = decode::<Reply>(200, JSON, flood).unwrap_err();
        assert!(matches!(kind, ErrorKind::Throttled { .. }), "{kind:?}");
        let kind = decode::<Reply>(403, JSON, br#"{"status":"OK"}"#).unwrap_err();
        assert!(!matches!(kind, ErrorKind::Refused { .. }), "{kind:?}");
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
        let page = "HTTP 200 with a page instead of JSON, and says \u{201c}hello\u{201d}";
        check(200, "<html>hello", &format!("{start}{page}"));
        for (body, problem) in [
            ("[]", "JSON that is no object; it is: []"),
            ("nonsense", "text that is not JSON, at line 1, column 2; it is: nonsense"),
            ("", "JSON that ends too early, at line 1, column 0; it is: (nothing)"),
        ] {
            check(200, body, &format!("{start}{problem}"));
        }
        let cut = r#"{"status":"OK","count":1"#;
        let problem = "JSON that ends too early, at line 1, column 24";
        check(200, cut, &format!("{start}{problem}; it is: {cut}"));
        check(502, "", "the service failed internally (HTTP 502)");
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
