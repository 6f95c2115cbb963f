//! Replies of the API and of the upload nodes.
//!
//! The first line of the bytes is the head, `STATUS [CONTENT-TYPE [LOCATION]]` with `-` for none;
//! the rest is the body.

use fichier_api::names::RemoteName;
use fichier_api::untrusted::Answer;
use fichier_api::{
    BatchOutcome, ErrorKind, FileUrl, FolderId, FolderListing, MAX_ROWS_PER_LISTING, Remedy,
    UploadResult,
};
use serde_json::Value;
use url::Url;

/// The folder, the links and the names that the replies are about.
const FOLDER: FolderId = FolderId(4242);
const LINKS: [&str; 2] = ["https://1fichier.com/?abcde12345", "https://1fichier.com/?fghij67890"];
const SERVICE: &str = "https://api.1fichier.com/v1";
const LOOPBACK: &str = "http://127.0.0.1:4000/v1";

/// The bytes are one reply, read as the answer to every call there is.
pub fn replies(data: &[u8]) {
    let answer = answer(data);
    let json = object(&answer.body);
    check_errors(&answer, json.is_some());

    if let Ok(listing) = answer.clone().folder_listing(FOLDER) {
        check_listing(&listing, json.as_ref().expect("only an object is a listing"));
    }
    if let Ok(listing) = answer.clone().file_listing() {
        let json = json.as_ref().expect("only an object is a listing");
        assert!(!listing.complete || listing.files.len() == length(items_of(json)));
        assert!(!listing.complete || listing.files.len() < MAX_ROWS_PER_LISTING);
    }
    if let Ok(folder) = answer.clone().new_folder(&RemoteName::encode(b"new")) {
        assert!(folder.id.0 > 0, "files for folder {} go to the root", folder.id);
    }
    let urls = LINKS.map(|link| FileUrl::parse(link).expect("a link"));
    let names = urls.clone().map(|url| (url, RemoteName::encode(b"new")));
    let text = String::from_utf8_lossy(&answer.body);
    for asked in [&urls[..], &urls[..1]] {
        for outcome in [answer.clone().moved(asked), answer.clone().removed(asked)] {
            check_batch(outcome, asked, &text);
        }
    }
    check_batch(answer.clone().renamed(&names), &urls, &text);
    if let Ok(copies) = answer.clone().copied(&urls[..1]) {
        assert!(copies.len() <= 1, "{} copies of one file", copies.len());
        assert!(copies.iter().all(|copy| copy.from == urls[0] && copy.to != urls[0]));
    }
    check_addresses(&answer);
}

/// The bytes are a reply of an upload node: to the files, and to the question about their result.
pub fn node_replies(data: &[u8]) {
    let answer = answer(data);
    let asked = Url::parse("https://up2.1fichier.com/upload.cgi?id=9kGjlUU2CV").expect("a URL");
    match answer.clone().upload_id(&asked) {
        Ok(id) => {
            assert!(matches!(answer.status, 301..=303), "only a redirect says where the result is");
            assert!(is_id(&id), "{id}");
        }
        Err(kind) => check_shown(&kind),
    }
    let links = object(&answer.body).map_or(0, |json| length(&json["links"]));
    match answer.clone().upload_result() {
        Ok(UploadResult::Ready(files)) => {
            assert!((1..=links).contains(&files.len()), "{} files of {links}", files.len());
        }
        Ok(UploadResult::Nothing) => {
            assert!(
                object(&answer.body).is_some(),
                "an empty reply is no report of an empty result"
            );
        }
        Ok(UploadResult::BeingScanned | UploadResult::Unclear(_)) => {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        Err(kind) => check_shown(&kind),
    }
}

/// A head and a body.
fn answer(data: &[u8]) -> Answer {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (head, rest) = data.split_at(line);
    let head = String::from_utf8_lossy(head);
    let mut words = head.split(' ');
    let status = words.next().and_then(|word| word.parse().ok());
    let mut word = || words.next().filter(|word| *word != "-").map(str::to_owned);
    match status {
        Some(status @ 100..=999) => {
            let (content_type, location) = (word(), word());
            let body = rest.strip_prefix(b"\n").unwrap_or(rest).to_vec();
            Answer { status, content_type, location, retry_after: word(), body }
        }
        _ => {
            let (content_type, location, retry_after) = (None, None, None);
            Answer { status: 200, content_type, location, retry_after, body: data.to_vec() }
        }
    }
}

/// The body as a JSON object, also one with the blemishes that are read over.
fn object(body: &[u8]) -> Option<Value> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let strict = serde_json::from_slice(body).ok();
    let read = strict.or_else(|| {
        let text = String::from_utf8_lossy(body);
        serde_json::from_str(&escaped(&text)).ok()
    });
    let read = match read {
        Some(Value::Array(mut only)) if only.len() == 1 => only.pop(),
        other => other,
    };
    read.map(small).filter(Value::is_object)
}

/// The same, with small letters in all keys; a key that has them already wins.
fn small(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut read = serde_json::Map::new();
            for (key, value) in &map {
                if *key == key.to_ascii_lowercase() {
                    read.insert(key.clone(), small(value.clone()));
                }
            }
            for (key, value) in map {
                read.entry(key.to_ascii_lowercase()).or_insert_with(|| small(value));
            }
            Value::Object(read)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(small).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// The list of a listing's files, which may stand where their count should.
fn items_of(json: &Value) -> &Value {
    let is_list = |value: &Value| value.is_array() || value.is_object();
    let is_link = json["items"].as_str().is_some_and(|text| text.contains("://"));
    if is_list(&json["items"]) || is_link || !is_list(&json["files"]) {
        &json["items"]
    } else {
        &json["files"]
    }
}

fn is_id(text: &str) -> bool {
    (6..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// An independent, more generous reading than the program's own: every control character is
/// white space, and every backslash that escapes nothing is one.
fn escaped(text: &str) -> String {
    let mut chars = text.chars().peekable();
    let mut out = String::new();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match c {
            '\\' if next.is_some_and(|next| "\"\\/bfnrtu".contains(next)) => {
                out.push(c);
                out.extend(chars.next());
            }
            '\\' => out.push_str("\\\\"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

/// The rows of a list, also of one that is written as an object.
fn length(list: &Value) -> usize {
    match list {
        Value::Array(rows) => rows.len(),
        Value::Object(map) => {
            let is_rows = map.values().all(Value::is_object)
                || map.keys().all(|key| key.parse::<u32>().is_ok());
            if is_rows { map.len() } else { 1 }
        }
        Value::String(text) => usize::from(text.contains("://")),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// A reply that reports no success is none for the program, and one that is not the API's is no
/// refusal that passes for success.
fn check_errors(answer: &Answer, is_object: bool) {
    for outcome in outcomes(answer) {
        let Some(kind) = outcome else {
            assert!(is_object, "read without being JSON: {answer:?}");
            assert!((200..300).contains(&answer.status), "read in spite of {}", answer.status);
            continue;
        };
        check_shown(&kind);
        if !is_object {
            let passes = matches!(kind, ErrorKind::NotFound | ErrorKind::NothingRenamed);
            assert!(!passes, "a page is no word of the service: {answer:?}");
        }
        if let Remedy::HoldOff(pause) = kind.remedy() {
            assert!((60..=3600).contains(&pause.as_secs()), "{pause:?} for {kind:?}");
        }
    }
}

/// The error of each call for which this is the reply; `None` if it reads it.
pub(super) fn outcomes(answer: &Answer) -> [Option<ErrorKind>; 8] {
    let outcomes = [
        answer.clone().done(),
        answer.clone().folder_listing(FOLDER).map(|_| ()),
        answer.clone().file_listing().map(|_| ()),
        answer.clone().file_info(&FileUrl::parse(LINKS[0]).expect("a link")).map(|_| ()),
        answer.clone().account().map(|_| ()),
        answer.clone().new_folder(&RemoteName::encode(b"new")).map(|_| ()),
        answer.clone().upload_slot(SERVICE).map(|_| ()),
        answer.clone().download_address(SERVICE).map(|_| ()),
    ];
    outcomes.map(Result::err)
}

/// Panics if a text for people has a link, a control character or too much length.
pub(super) fn check_shown(kind: &ErrorKind) {
    let shown = kind.to_string();
    assert!(!shown.contains("://") && !shown.contains("/?"), "a link is shown: {shown}");
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(shown.chars().count() <= 450, "{} characters", shown.chars().count());
}

/// Panics if a listing counts as complete that does not name its folder, or has another number of
/// rows than it tells.
pub(super) fn check_listing(listing: &FolderListing, json: &Value) {
    if !listing.complete {
        return;
    }
    assert_eq!(listing.id, FOLDER);
    assert_eq!(listing.files.len(), length(items_of(json)));
    assert_eq!(listing.folders.len(), length(&json["sub_folders"]));
    assert!(listing.files.len() < MAX_ROWS_PER_LISTING);
    assert!(listing.folders.len() < MAX_ROWS_PER_LISTING);
    if let Some(said) = count(&json["files"]) {
        assert_eq!(said, listing.files.len(), "{}", json["files"]);
    }
    assert!(listing.folders.iter().all(|folder| folder.id.0 > 0));
}

/// A count, if it is one in any spelling.
fn count(value: &Value) -> Option<usize> {
    let said = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
    said.split('.').next().unwrap_or_default().trim_start_matches('+').parse().ok()
}

fn check_batch(outcome: Result<BatchOutcome, ErrorKind>, asked: &[FileUrl], text: &str) {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(kind) => return check_shown(&kind),
    };
    let mut told: Vec<_> = outcome.done.iter().chain(&outcome.missing).collect();
    told.sort();
    assert_eq!(told, asked.iter().collect::<Vec<_>>(), "each link is either done or missing");
    let text = text.to_lowercase();
    let says_so = ["resource not found", "no file has been renamed"];
    for url in &outcome.done {
        // JSON may write any character as an escape.
        let is_named = text.contains(&url.id().to_lowercase()) || text.contains("\\u");
        let is_new = outcome.new_urls.contains_key(url);
        assert!(is_named || is_new || says_so.iter().any(|say| text.contains(say)), "{text}");
    }
}

/// Neither the key nor a download goes anywhere but to the service.
fn check_addresses(answer: &Answer) {
    if let Ok(slot) = answer.clone().upload_slot(SERVICE) {
        let url = Url::parse(&format!("https://{}/", slot.node)).expect("a host");
        check_host(&url, ".1fichier.com");
        assert!(is_id(&slot.id), "{}", slot.id);
    }
    if let Ok(url) = answer.clone().download_address(SERVICE) {
        assert_eq!(url.scheme(), "https");
        check_host(&url, ".1fichier.com");
    }
    if let Ok(slot) = answer.clone().upload_slot(LOOPBACK) {
        let url = Url::parse(&format!("http://{}/", slot.node)).expect("a host");
        check_host(&url, "127.0.0.1");
    }
    if let Ok(url) = answer.clone().download_address(LOOPBACK) {
        check_host(&url, "127.0.0.1");
    }
}

fn check_host(url: &Url, end: &str) {
    let host = url.host_str().unwrap_or_default();
    assert!(host.ends_with(end), "`{host}` is no host of the service");
    assert!(url.username().is_empty() && url.password().is_none());
}
