//! The outcome of an upload: `end.pl` on the node that took it (docs/api-notes.md, C.4).
//!
//! This is also the answer to "did my upload arrive?" after a lost reply or a crash, for at most
//! two hours. [`crate::match_uploaded`] compares it with what was sent.
//!
//! Invariant: a file is told only with its link, its name and its size. Everything else on it may
//! be missing or late, and nothing is concluded from that: a hash that is not told is not known,
//! and a removal link proves nothing (docs/api-notes.md, C.4). Nothing is removed here.

use serde_json::{Map, Value};

use crate::client::{Client, retry};
use crate::error::{Error, ErrorKind};
use crate::hash::Whirlpool;
use crate::link::{FileUrl, RemovalCode};
use crate::names::RemoteName;
use crate::pace::Lane;
use crate::upload::node_reply;
use crate::upload::slot::UploadSlot;
use crate::wire::{Reply, refusal};

const RESULT: &str = "end.pl";

/// The state of an upload, as its node reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadResult {
    /// These files were stored, in no particular order. There may be more of them later.
    Ready(Vec<UploadedFile>),
    /// The files have arrived and an antivirus examines them. Ask again in 30 s, for at most ten
    /// minutes; then list the folder.
    BeingScanned,
    /// The node knows of no file: nothing arrived, or it has not been stored yet, or the result
    /// is too old. Only a listing can tell.
    Nothing,
    /// The node says something that tells nothing of the files, in these words. Only a listing can
    /// tell.
    Unclear(String),
}

/// One stored file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedFile {
    /// Its link, by which the service knows it.
    pub url: FileUrl,
    /// Its name as it was stored; it may differ from the one that was sent.
    pub name: RemoteName,
    /// How many bytes were stored.
    pub size_bytes: u64,
    /// The hash of the stored bytes; `None` while the service does not tell it.
    pub whirlpool: Option<Whirlpool>,
    /// The code to remove it without an account. The service is said to tell one only for files of
    /// no account: a reason to look into the folder, and no more than that.
    pub removal: Option<RemovalCode>,
}

impl Client {
    /// Asks for the outcome of an upload. `xid` is that of [`crate::Sent`]; without, as after a
    /// lost reply, the slot's own id is asked for. Costs one call.
    ///
    /// # Errors
    ///
    /// A refusal, or no answer. Words that tell nothing are no error.
    ///
    /// Source: docs/api-notes.md, C.4.
    pub async fn upload_result(
        &self,
        slot: &UploadSlot,
        xid: Option<&str>,
    ) -> Result<UploadResult, Error> {
        let wrong = |kind| Error { endpoint: RESULT, attempts: 0, kind };
        let xid = xid.unwrap_or(&slot.id);
        if !node_reply::is_upload_id(xid) {
            let problem = "the id of the upload is not ten letters and digits".to_owned();
            return Err(wrong(ErrorKind::InvalidRequest { problem }));
        }
        let at = self.node(slot, &format!("/{RESULT}?xid={xid}")).map_err(wrong)?;
        retry::call(true, self.pacer(), RESULT, || async {
            let _turn = self.pacer().turn(Lane::Call).await?;
            let asked = self.transport().ask_node(at.clone()).await;
            let answered = asked.and_then(|reply| read(&reply));
            self.pacer().count(RESULT, answered.as_ref().err());
            answered
        })
        .await
    }
}

/// What a reply tells of an upload.
pub(crate) fn read(reply: &Reply) -> Result<UploadResult, ErrorKind> {
    let text = String::from_utf8_lossy(&reply.body);
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if reply.status != 200 || !start.starts_with('{') {
        return page(reply, &text);
    }
    let told: Value = match reply.decode() {
        Ok(told) => told,
        Err(ErrorKind::UnexpectedReply { detail }) => return Ok(UploadResult::Unclear(detail)),
        Err(kind) => return Err(kind),
    };
    let unclear = |why: &str| Ok(UploadResult::Unclear(why.to_owned()));
    let rows = match lower(&told).remove("links") {
        Some(Value::Array(rows)) => rows,
        // A list that a program wrote as an object, keyed by numbers.
        Some(Value::Object(rows)) => rows.into_iter().map(|(_, row)| row).collect(),
        Some(Value::Null) => Vec::new(),
        _ => return unclear("a result without `links`"),
    };
    let mut files = Vec::new();
    for row in rows {
        match file(&lower(&row)) {
            Row::File(file) => files.push(file),
            Row::NotStored => {}
            // It is a file, only not one that can be named: a caller that took it for none would
            // send it again.
            Row::Unreadable => return unclear("a result with a file that cannot be read"),
        }
    }
    Ok(if files.is_empty() { UploadResult::Nothing } else { UploadResult::Ready(files) })
}

/// What a page tells, or any other text. With status 200, one that is no known refusal and not the
/// scanner's tells nothing.
fn page(reply: &Reply, text: &str) -> Result<UploadResult, ErrorKind> {
    if reply.status == 200 && is_scanners(text) {
        return Ok(UploadResult::BeingScanned);
    }
    let kind = refusal::classify_page(reply.status, text);
    if reply.status == 200 && matches!(kind, ErrorKind::UnexpectedReply { .. }) {
        return Ok(UploadResult::Unclear(node_reply::words(text)));
    }
    Err(reply.with_retry_after(kind))
}

/// Whether a text is the virus scanner's page (C.4), which may be as short as "Please wait".
fn is_scanners(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("please wait") || refusal::says_being_scanned(&text)
}

enum Row {
    File(UploadedFile),
    /// Entries without a link are shown for files that were not stored (docs/api-notes.md, C.4).
    NotStored,
    Unreadable,
}

fn file(row: &Map<String, Value>) -> Row {
    let text = |field: &str| match row.get(field) {
        Some(Value::String(text)) => Some(text.trim().to_owned()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    if text("download").is_some_and(|link| link.is_empty()) {
        return Row::NotStored;
    }
    let url = text("download").and_then(|link| FileUrl::parse(&link).ok());
    let name = row.get("filename").and_then(Value::as_str).filter(|name| !name.is_empty());
    let size_bytes = text("size").and_then(|size| size.parse().ok());
    let (Some(url), Some(name), Some(size_bytes)) = (url, name, size_bytes) else {
        return Row::Unreadable;
    };
    let hash = text("whirlpool").or_else(|| text("checksum"));
    Row::File(UploadedFile {
        url,
        name: RemoteName::from_service(name.to_owned()),
        size_bytes,
        whirlpool: hash.and_then(|hash| Whirlpool::parse_hex(&hash).ok()),
        removal: text("remove").and_then(|link| RemovalCode::from_removal_link(&link)),
    })
}

/// The fields of an object under their names in lower case; none of anything else.
fn lower(value: &Value) -> Map<String, Value> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str) -> Result<UploadResult, ErrorKind> {
        read(&Reply {
            status,
            content_type: None,
            location: None,
            retry_after: None,
            body: body.into(),
        })
    }

    fn files(body: &str) -> Vec<UploadedFile> {
        match check(200, body) {
            Ok(UploadResult::Ready(files)) => files,
            other => panic!("{body}: {other:?}"),
        }
    }

    const HASH: &str = "0a894ff0a80c2d2fb1b7b6a4d4e3cdb7ce5c9cbf5e9a2bb4cbea1b1ec2e4d4ba\
        0a894ff0a80c2d2fb1b7b6a4d4e3cdb7ce5c9cbf5e9a2bb4cbea1b1ec2e4d4ba";

    #[test]
    fn the_documented_result_is_read() {
        // Documented (docs/api-notes.md, C.4).
        let files = files(include_str!("../../fixtures/end.json"));
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].size_bytes, 12);
        assert_eq!(files[0].name.as_str(), "test.txt");
        assert!(files[0].whirlpool.is_some());
        assert_eq!(files[0].removal.as_ref().unwrap().as_str(), "AbCdE123");
    }

    #[test]
    fn y40_only_the_scanners_own_words_mean_that_files_are_being_scanned() {
        for page in [
            "<html>Veuillez patienter</html>",
            "Please wait",
            "\n please WAIT \n",
            "<!DOCTYPE html><p>Please wait until the file has been scanned by our anti-virus",
        ] {
            assert_eq!(check(200, page).unwrap(), UploadResult::BeingScanned, "{page}");
        }
        for page in [
            " <!DOCTYPE html>whatever",
            "<title>File upload</title>This is a temporary page and is not accessible",
            "",
            "ok",
            "null",
            "[]",
        ] {
            assert!(matches!(check(200, page), Ok(UploadResult::Unclear(_))), "{page}");
        }
    }

    #[test]
    fn a_page_with_a_known_refusal_or_of_a_failing_server_is_an_error() {
        let page = check(200, "<html>Your requests are too fast</html>");
        assert!(matches!(page, Err(ErrorKind::Throttled { .. })));
        assert!(matches!(check(502, "<html>"), Err(ErrorKind::Failing { status: 502, .. })));
    }

    #[test]
    fn half_a_result_and_one_without_links_tell_nothing() {
        for body in ["", r#"{"links":[{"downl"#, "{}", r#"{"links":"none"}"#] {
            assert!(matches!(check(200, body), Ok(UploadResult::Unclear(_))), "{body}");
        }
        for body in [r#"{"links":[]}"#, r#"{"links":null}"#, r#"{"Links":{}}"#] {
            assert_eq!(check(200, body).unwrap(), UploadResult::Nothing, "{body}");
        }
    }

    #[test]
    fn entries_without_a_link_are_no_files() {
        let body = r#"{"incoming":0,"links":[{"download":"","filename":"a","size":"1"}]}"#;
        assert_eq!(check(200, body).unwrap(), UploadResult::Nothing);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_not_taken_for_no_file() {
        for body in [
            r#"{"links":[{"download":"https://1fichier.com/?a/b","filename":"a","size":"1"}]}"#,
            r#"{"links":[{"download":"https://1fichier.com/?abcde","filename":"a","size":"1 B"}]}"#,
            r#"{"links":[{"download":"https://1fichier.com/?abcde","filename":"a"}]}"#,
            r#"{"links":[{"url":"https://1fichier.com/?abcde","filename":"a","size":"1"}]}"#,
            r#"{"links":["https://1fichier.com/?abcde"]}"#,
        ] {
            assert!(matches!(check(200, body), Ok(UploadResult::Unclear(_))), "{body}");
        }
    }

    #[test]
    fn y41_a_hash_that_is_not_told_is_not_known_and_the_file_is_told_all_the_same() {
        let file = r#""download":"https://1fichier.com/?abcde","filename":"a","size":1"#;
        for hash in ["", r#","whirlpool":"""#, r#","whirlpool":null"#, r#","whirlpool":"later""#] {
            let told = files(&format!(r#"{{"incoming":0,"links":[{{{file}{hash}}}]}}"#));
            assert_eq!((told.len(), told[0].whirlpool), (1, None), "{hash}");
        }
        let (upper, lower) = (HASH.to_uppercase(), HASH);
        for hash in [upper.as_str(), lower] {
            let row = format!(r#"{{{file},"Whirlpool":"{hash}"}}"#);
            for list in [format!("[{row}]"), format!(r#"{{"0":{row}}}"#)] {
                let told = files(&format!(r#"{{"Links":{list}}}"#));
                assert_eq!(told[0].whirlpool, Whirlpool::parse_hex(HASH).ok(), "{list}");
            }
        }
    }
}
