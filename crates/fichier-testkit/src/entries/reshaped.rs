//! Good replies of the service, changed where a service might change them: a field is gone, null, of
//! another type, in other letters or in another place; a list is an object. What plain mutations of
//! bytes hardly ever reach, since nearly all of those are no JSON any more.
//!
//! The first byte selects a good reply, each further one takes part in a choice. Whatever comes out,
//! each decoder ends with a result, or with an error that quotes the reply.

use fichier_api::ErrorKind;
use fichier_api::untrusted::Answer;
use serde_json::{Map, Value, json};

use super::replies::{outcomes, replies};

/// The most changes of one reply.
const MOST_CHANGES: usize = 4;

/// The bytes are a good reply and what is changed in it.
pub fn reshaped_replies(data: &[u8]) {
    let mut choices = Choices { bytes: data, at: 0 };
    let mut reply = good(choices.below(GOOD));
    let mut mark = "";
    for _ in 0..=choices.below(MOST_CHANGES) {
        match choices.below(12) {
            0 => reply = json!([reply]),
            1 => mark = "\u{feff}",
            _ => change_somewhere(&mut reply, &mut choices, 0),
        }
    }
    let body = format!("{mark}{reply}");
    let content_type = [None, Some("application/json"), Some("text/plain"), Some("text/html")];
    let answer = Answer {
        status: 200,
        content_type: content_type[choices.below(content_type.len())].map(str::to_owned),
        location: None,
        retry_after: None,
        body: body.clone().into_bytes(),
    };
    for kind in outcomes(&answer).into_iter().flatten() {
        let shown = kind.to_string();
        let names_a_place =
            ["upload node", "download address", "id of the upload", "no host of 1fichier"];
        if matches!(kind, ErrorKind::UnexpectedReply { .. }) {
            let is_named = names_a_place.iter().any(|place| shown.contains(place));
            assert!(is_named || shown.contains("it is: "), "it quotes nothing: {shown}");
        }
    }
    replies(body.as_bytes());
}

/// Choices that are made by bytes, the first ones again when all are used up.
struct Choices<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Choices<'_> {
    fn below(&mut self, end: usize) -> usize {
        let byte = self.bytes.get(self.at % self.bytes.len().max(1)).copied().unwrap_or(0);
        self.at += 1;
        usize::from(byte).wrapping_add(self.at / self.bytes.len().max(1)) % end.max(1)
    }
}

/// Goes down into the reply as far as the choices lead, and changes what is there.
#[expect(clippy::wildcard_enum_match_arm, reason = "what has nothing in it is changed itself")]
fn change_somewhere(value: &mut Value, choices: &mut Choices<'_>, depth: usize) {
    let goes_on = depth == 0 || choices.below(2) == 0;
    match value {
        Value::Object(map) if goes_on && !map.is_empty() => {
            let key = map.keys().nth(choices.below(map.len())).cloned().unwrap_or_default();
            if choices.below(2) == 0 {
                change_field(map, &key, choices);
            } else if let Some(inner) = map.get_mut(&key) {
                change_somewhere(inner, choices, depth + 1);
            }
        }
        Value::Array(items) if goes_on && !items.is_empty() => {
            let at = choices.below(items.len());
            change_somewhere(&mut items[at], choices, depth + 1);
        }
        other => *other = changed(other.take(), choices),
    }
}

fn change_field(map: &mut Map<String, Value>, key: &str, choices: &mut Choices<'_>) {
    let Some(value) = map.remove(key) else { return };
    match choices.below(6) {
        0 => {}
        1 => drop(map.insert(key.to_uppercase(), value)),
        2 => drop(map.insert(format!("new_{key}"), value)),
        3 => {
            map.insert(key.to_uppercase(), changed(value.clone(), choices));
            map.insert(key.to_owned(), value);
        }
        _ => drop(map.insert(key.to_owned(), changed(value, choices))),
    }
}

/// The value in another form.
fn changed(value: Value, choices: &mut Choices<'_>) -> Value {
    let odd = [
        Value::Null,
        json!(""),
        json!(0),
        json!(-1),
        json!("-1.5e2"),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
        json!([]),
        json!({}),
        json!("KO"),
        json!("https://evil.example/?abcde12345"),
        json!({"a": {"b": [null]}}),
    ];
    match (choices.below(8), value) {
        (0, Value::Array(items)) => {
            let named = items.into_iter().enumerate().map(|(at, item)| (at.to_string(), item));
            Value::Object(named.collect())
        }
        (0 | 1, Value::Object(map)) => {
            Value::Array(map.into_iter().map(|(_, item)| item).collect())
        }
        (1 | 2, Value::Array(items)) if items.len() == 1 => {
            items.into_iter().next().unwrap_or_default()
        }
        (0..=2, Value::Number(number)) => number.to_string().into(),
        (0, Value::String(text)) => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        (1, Value::String(text)) => text.to_lowercase().into(),
        (2, Value::String(text)) => format!(" {text}/").into(),
        (3, value) => json!([value]),
        _ => odd[choices.below(odd.len())].clone(),
    }
}

const GOOD: usize = 14;

/// A reply as the documentation has it (docs/api-notes.md, B).
fn good(number: usize) -> Value {
    let (one, two) = ("https://1fichier.com/?abcde12345", "https://1fichier.com/?fghij67890");
    let hash = "0a894ff039da399d5a72116b3665cd952abc8a9ffe37bfae4eae4d5381c5102b\
                237c27e88b03f71c516e08ffa1cc9de9eac55d7d3abd38ea56220018f006a2c5";
    let item = |url: &str, name: &str| {
        json!({"url": url, "filename": name, "size": 12, "date": "2021-06-22 14:57:25",
            "checksum": hash, "content-type": "text/plain", "pass": 0, "acl": 0, "cdn": 0})
    };
    match number {
        0 => json!({"status": "OK", "folder_id": 4242, "name": "photos", "files": 2, "size": 24,
            "create_date": "", "pass": 0, "items": [item(one, "a"), item(two, "b")],
            "sub_folders": [{"id": 7, "name": "deep", "pass": 0, "create_date": ""}]}),
        1 => json!({"status": "OK", "folder_id": 4242, "name": "photos", "files": 0, "size": null,
            "sub_folders": []}),
        2 => json!({"status": "OK", "count": 2, "items": [item(one, "a"), item(two, "b")]}),
        3 => json!({"url": one, "filename": "a", "size": 12, "date": "2021-06-22 14:57:25",
            "folder_id": 4242, "path": "photos", "checksum": hash, "content-type": "text/plain",
            "description": "", "pass": 0}),
        4 => json!({"status": "OK", "email": "someone@example.com", "offer": "1", "cdn": "1.5",
            "subscription_end": "2027-01-31 23:59:59", "cold_storage": 5, "hot_storage": 6,
            "allowed_cold_storage": 7, "available_cold_storage": 2, "overquota": 0,
            "upload_forbidden": "0", "ftp_did": 12}),
        5 => json!({"status": "OK", "folder_id": 4243, "name": "new"}),
        6 => json!({"status": "OK", "moved": 2, "urls": [one, two]}),
        7 => json!({"status": "OK", "moved": 1, "urls": [one], "filename": "new"}),
        8 => json!({"status": "OK", "renamed": 1,
            "urls": [{"url": one, "old_filename": "a", "new_filename": "new"}]}),
        9 => json!({"status": "OK", "copied": 1, "urls": [{"from_url": one, "to_url": two}]}),
        10 => json!({"status": "OK", "removed": 1, "urls": [one]}),
        11 => json!({"url": "up2.1fichier.com", "id": "9kGjlUU2CV"}),
        12 => json!({"status": "OK", "url": "https://a-4.1fichier.com/p1058755667"}),
        _ => json!({"status": "OK", "message": "", "old_name": "a", "new_name": "new"}),
    }
}
