//! A piece of a reply, for an error that says what came.
//!
//! A reply may hold links, which are capabilities, ids with which results can be read, an address
//! of a person, or what was sent, the key among it. So a quote shows the words and the numbers and
//! hides everything that could be one of those: too much rather than too little.
//!
//! Invariant: a quote has no link, no control character, and at most [`MAX_CHARS`] characters.

use serde_json::Value;

/// The most characters of a quote; the rest is cut off.
const MAX_CHARS: usize = 160;
/// The most bytes of a reply that are looked at.
const MAX_BYTES: usize = 8 * 1024;
/// Letters and digits, mixed, from which on a word may be an id.
const ID_CHARS: usize = 8;
/// Characters of a word from which on it may be a key or a hash, whatever is in it.
const SECRET_CHARS: usize = 24;

/// The beginning of a reply's body, on one line and without what must not be shown.
pub(crate) fn quote(body: &[u8]) -> String {
    let start = &body[..body.len().min(MAX_BYTES)];
    let text = match serde_json::from_slice::<Value>(start) {
        // Without escapes, which could hide a link.
        Ok(value) => value.to_string(),
        Err(_) => String::from_utf8_lossy(start).into_owned(),
    };
    let mut shown = String::new();
    let mut word = String::new();
    for c in text.chars().filter(|c| !c.is_control() || c.is_whitespace()) {
        if c.is_whitespace() || "\"'<>,{}[]()".contains(c) {
            shown += &harmless(&word);
            word.clear();
            let gap = if c.is_whitespace() { ' ' } else { c };
            if gap != ' ' || !shown.ends_with(' ') {
                shown.push(gap);
            }
        } else {
            word.push(c);
        }
    }
    shown += &harmless(&word);
    let shown = shown.trim();
    let mut cut: String = shown.chars().take(MAX_CHARS).collect();
    if cut.len() < shown.len() {
        cut.push('…');
    }
    if cut.is_empty() { "(nothing)".to_owned() } else { cut }
}

/// The word, or what stands for it.
fn harmless(word: &str) -> String {
    let plain = word.replace('\\', "").to_lowercase();
    let is_link = ["://", "/?", "1fichier", "/remove/"].iter().any(|part| plain.contains(part));
    if is_link || plain.starts_with('?') {
        "(link)".to_owned()
    } else if word.contains('@') {
        "(address)".to_owned()
    } else if word.contains("\\u") || may_be_secret(word) {
        "(…)".to_owned()
    } else {
        word.to_owned()
    }
}

fn may_be_secret(word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '-' | ':' | ';' | '.');
    if word.chars().all(is_name) {
        return false;
    }
    let of_a_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=');
    let may_be_id = word.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        let has = |kind: fn(&u8) -> bool| run.as_bytes().iter().any(kind);
        let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
        let has_cases = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        run.len() >= ID_CHARS && (is_mixed || has_cases)
    });
    may_be_id || word.split(|c| !of_a_key(c)).any(|run| run.len() >= SECRET_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_shows_the_words_and_the_numbers() {
        let reply = br#"{"status":"OK","moved":2,"files":null,"date":"2026-11-30 12:00:01"}"#;
        let shown = quote(reply);
        for part in ["\"status\":\"OK\"", "\"moved\":2", "\"files\":null", "2026-11-30 12:00:01"] {
            assert!(shown.contains(part), "{shown}");
        }
        assert_eq!(quote(b"Bad\r\n\tGateway\x07"), "Bad Gateway");
        assert_eq!(quote(b""), "(nothing)");
        assert_eq!(quote(br#"{"available_cold_storage":-1}"#), r#"{"available_cold_storage":-1}"#);
    }

    #[test]
    fn a_quote_has_no_link_no_id_and_no_key() {
        for (reply, secret) in [
            (r#"{"url":"https://1fichier.com/?abcde12345"}"#, "abcde"),
            (r#"{"url":"https:\/\/1fichier.com\/?abcde12345""#, "abcde"),
            (r#"{"url":"\u0068ttps:\u002f\u002f1fichier.com/\u003fabcde""#, "abcde"),
            (r#"{"url":"/?abcde"}"#, "abcde"),
            (r#"{"id":"9kGjlUU2CV"}"#, "9kGj"),
            (r#"{"xid":"kGjlUUCV"}"#, "kGj"),
            (r#"{"email":"someone@example.com"}"#, "someone"),
            (r#"{"key":"0123456789abcdefghijABCDEFGHIJ_-"}"#, "0123"),
            (r#"key="abcdefgh-jklmnop-qrstuvw-AA""#, "abcd"),
            ("<a href=//1fichier.com/?abcde>", "abcde"),
            (r#"{"remove":"https://1fichier.com/remove/abcde/AbCdE123"}"#, "AbCdE"),
        ] {
            let shown = quote(reply.as_bytes());
            assert!(!shown.contains(secret), "{reply}: {shown}");
        }
    }

    #[test]
    fn a_quote_is_short() {
        let shown = quote("é ".repeat(30_000).as_bytes());
        assert_eq!(shown.chars().count(), MAX_CHARS + 1);
        assert!(shown.ends_with('…'));
    }
}
