//! The outcome of an upload: `end.pl` on the node that took it (docs/api-notes.md, C.4).
//!
//! This is also the answer to "did my upload arrive?" after a lost reply or a crash, for at most
//! two hours. [`crate::match_uploaded`] compares it with what was sent.
//!
//! Invariant: an upload that was stored for no account is never reported as done. Its files are
//! removed again as far as that is possible.

use serde::Deserialize;
use serde_json::Value;

use crate::calls::MAX_LINKS_PER_CALL;
use crate::client::{Client, retry};
use crate::error::{Error, ErrorKind};
use crate::hash::Whirlpool;
use crate::link::{FileUrl, RemovalCode};
use crate::names::RemoteName;
use crate::pace::Lane;
use crate::upload::node_reply;
use crate::upload::slot::UploadSlot;
use crate::wire::{Reply, fields, refusal};

const RESULT: &str = "end.pl";

/// The state of an upload, as its node reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadResult {
    /// These files were stored, in no particular order.
    Ready(Vec<UploadedFile>),
    /// The files have arrived and an antivirus examines them. Ask again in 30 s, for at least 5
    /// minutes.
    BeingScanned,
    /// The node knows of no file: nothing arrived, or it has not been stored yet, or the result
    /// is too old. Only a listing can tell.
    Nothing,
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
    /// The hash of the stored bytes.
    pub whirlpool: Option<Whirlpool>,
}

#[derive(Deserialize)]
struct Links {
    #[serde(deserialize_with = "fields::list")]
    links: Vec<Value>,
}

#[derive(Deserialize)]
struct Link {
    download: FileUrl,
    filename: String,
    #[serde(default, deserialize_with = "fields::text")]
    remove: String,
    #[serde(deserialize_with = "fields::number")]
    size: u64,
    #[serde(default, deserialize_with = "fields::text")]
    whirlpool: String,
}

/// The stored files, and the codes to remove those that were stored for no account.
pub(crate) struct Stored {
    files: Vec<UploadedFile>,
    strays: Vec<(FileUrl, RemovalCode)>,
    is_anonymous: bool,
}

impl Client {
    /// Asks for the outcome of an upload. `xid` is that of [`crate::Sent`]; without, as after a
    /// lost reply, the slot's own id is asked for. Costs one call.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::Anonymous`]: the node did not accept the key. The files are not in the
    ///   account; removing them was tried, at the cost of one more call.
    /// * [`ErrorKind::UnexpectedReply`]: the node's words cannot be read. Ask again.
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
        let stored = retry::call(true, self.pacer(), RESULT, || async {
            let _turn = self.pacer().turn(Lane::Call).await?;
            read(&self.transport().ask_node(at.clone()).await?)
        })
        .await?;
        let strays = stored.as_ref().filter(|stored| stored.is_anonymous).map(|s| &s.strays);
        let left = match strays {
            Some(strays) => self.disown(strays).await,
            None => 0,
        };
        outcome(stored, left).map_err(|kind| Error { endpoint: RESULT, attempts: 1, kind })
    }

    /// Removes files that were stored for no account, as far as the service allows it. Returns how
    /// many are left.
    async fn disown(&self, strays: &[(FileUrl, RemovalCode)]) -> usize {
        let mut left = 0;
        for some in strays.chunks(MAX_LINKS_PER_CALL) {
            match self.remove_strays(some).await {
                Ok(outcome) if outcome.missing.is_empty() => {}
                Ok(outcome) => {
                    left += outcome.missing.len();
                    tracing::warn!(
                        left = outcome.missing.len(),
                        "the service left {} of an anonymous upload in place",
                        outcome.missing.len()
                    );
                }
                Err(error) => {
                    left += some.len();
                    tracing::warn!(
                        left = some.len(),
                        "the files of an anonymous upload could not be removed: {error}: {}",
                        error.kind
                    );
                }
            }
        }
        left
    }
}

/// The result for the caller. `left` files of an anonymous upload were not removed.
pub(crate) fn outcome(stored: Option<Stored>, left: usize) -> Result<UploadResult, ErrorKind> {
    match stored {
        None => Ok(UploadResult::BeingScanned),
        Some(stored) if stored.is_anonymous => Err(ErrorKind::Anonymous { left }),
        Some(stored) if stored.files.is_empty() => Ok(UploadResult::Nothing),
        Some(stored) => Ok(UploadResult::Ready(stored.files)),
    }
}

/// The files that a reply lists as stored; `None` while the antivirus is at work.
pub(crate) fn read(reply: &Reply) -> Result<Option<Stored>, ErrorKind> {
    // With status 200, a page that is no known refusal is that of the antivirus, in whatever
    // words.
    let page = String::from_utf8_lossy(&reply.body);
    if reply.status == 200 && page.trim_start().starts_with('<') {
        if refusal::says_being_scanned(&page) {
            return Ok(None);
        }
        let kind = refusal::classify_page(reply.status, &page);
        if matches!(kind, ErrorKind::UnexpectedReply { .. }) {
            return Ok(None);
        }
        return Err(reply.with_retry_after(kind));
    }
    stored(reply.decode::<Links>()?.links).map(Some)
}

/// # Errors
///
/// [`ErrorKind::UnexpectedReply`] if an entry cannot be read: it is a file, only not one that can
/// be named, and a caller that took it for none would send it again.
fn stored(links: Vec<Value>) -> Result<Stored, ErrorKind> {
    let mut stored = Stored { files: Vec::new(), strays: Vec::new(), is_anonymous: false };
    // Entries without a link are shown for files that were not stored (docs/api-notes.md, C.4).
    for link in links.into_iter().filter(|link| link["download"] != "") {
        let link = Link::deserialize(link)
            .map_err(|error| ErrorKind::unexpected(refusal::for_people(&error.to_string())))?;
        if !link.remove.is_empty() {
            stored.is_anonymous = true;
            let code = RemovalCode::from_removal_link(&link.remove);
            stored.strays.extend(code.map(|code| (link.download.clone(), code)));
        }
        stored.files.push(UploadedFile {
            url: link.download,
            name: RemoteName::from_service(link.filename),
            size_bytes: link.size,
            whirlpool: Whirlpool::parse_hex(&link.whirlpool).ok(),
        });
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str) -> Result<Option<Stored>, ErrorKind> {
        read(&Reply {
            status,
            content_type: None,
            location: None,
            retry_after: None,
            body: body.into(),
        })
    }

    #[test]
    fn the_documented_result_is_read() {
        // Documented (docs/api-notes.md, C.4).
        let body = include_str!("../../fixtures/end.json");
        let stored = check(200, body).unwrap().unwrap();
        assert_eq!(stored.files.len(), 1);
        assert_eq!(stored.files[0].size_bytes, 12);
        assert_eq!(stored.files[0].name.as_str(), "test.txt");
        assert!(stored.files[0].whirlpool.is_some());
        assert!(stored.is_anonymous);
        assert_eq!(stored.strays[0].1.as_str(), "AbCdE123");
    }

    #[test]
    fn a_page_means_that_the_files_are_being_scanned() {
        for page in ["<html>Veuillez patienter</html>", " <!DOCTYPE html>whatever"] {
            assert!(check(200, page).unwrap().is_none(), "{page}");
        }
    }

    #[test]
    fn a_page_with_a_known_refusal_or_of_a_failing_server_is_an_error() {
        let page = check(200, "<html>Your requests are too fast</html>");
        assert!(matches!(page, Err(ErrorKind::Throttled { .. })));
        assert!(matches!(check(502, "<html>"), Err(ErrorKind::Failing { status: 502 })));
    }

    #[test]
    fn half_a_result_and_nothing_at_all_are_errors() {
        for body in ["", r#"{"links":[{"downl"#, "{}"] {
            assert!(matches!(check(200, body), Err(ErrorKind::UnexpectedReply { .. })), "{body}");
        }
    }

    #[test]
    fn entries_without_a_link_are_no_files() {
        let body = r#"{"incoming":0,"links":[{"download":"","filename":"a","size":"1"}]}"#;
        assert!(check(200, body).unwrap().unwrap().files.is_empty());
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_not_taken_for_no_file() {
        for body in [
            r#"{"links":[{"download":"https://1fichier.com/?a/b","filename":"a","size":"1"}]}"#,
            r#"{"links":[{"download":"https://1fichier.com/?abcde","filename":"a","size":"1 B"}]}"#,
            r#"{"links":[{"url":"https://1fichier.com/?abcde","filename":"a","size":"1"}]}"#,
        ] {
            let refused = check(200, body).map(|stored| stored.is_some());
            assert!(matches!(refused, Err(ErrorKind::UnexpectedReply { .. })), "{body}");
        }
    }
}
