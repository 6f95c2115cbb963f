//! Listings of files: one, those of a folder, or all (docs/api-notes.md, B.5 to B.7).
//!
//! Prefer [`Client::list_folder`], which shows folders and files in one call: asking file by file
//! has led to locked addresses and accounts (docs/api-notes.md, A.5).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::calls::batch::not_sent;
use crate::client::Client;
use crate::error::Error;
use crate::hash::Whirlpool;
use crate::link::FileUrl;
use crate::names::RemoteName;
use crate::pace::Lane;
use crate::types::{FolderId, RemoteFile};
use crate::wire::{dates, fields, rows};

const INFO: &str = "file/info.cgi";
const LIST: &str = "file/ls.cgi";
const SCAN: &str = "file/scan.cgi";
/// Stands for all files of the account (docs/api-notes.md, B.5).
const ALL_FILES: FolderId = FolderId(-1);

/// One file in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its link, by which the service knows it.
    pub url: FileUrl,
    /// Its name as the service stores it.
    pub name: RemoteName,
    /// Length of the content, if the service says it.
    pub size_bytes: Option<u64>,
    /// Hash of the content, if the service says one.
    pub whirlpool: Option<Whirlpool>,
    /// The folder it is in; only for one's own files.
    pub folder: Option<FolderId>,
    /// When it was sent to the service.
    pub sent_at: Option<Timestamp>,
    /// The type that the service recognised, such as `text/plain`.
    pub content_type: String,
    /// The owner's remark.
    pub description: String,
    /// Whether a download needs a password.
    pub has_password: bool,
}

/// Files without their folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileListing {
    /// In no particular order.
    pub files: Vec<RemoteFile>,
    /// Whether these are all that match; as [`crate::FolderListing::complete`].
    pub complete: bool,
}

/// Which files to list, by the time they were sent. The edges are not documented, and an hour
/// is ambiguous twice a year: let windows overlap by two hours (docs/api-notes.md, A.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentBetween {
    /// Only files sent since.
    pub after: Option<Timestamp>,
    /// Only files sent before.
    pub before: Option<Timestamp>,
}

/// The reply about one file. Needs its name: a reply without it describes no file.
#[derive(Deserialize)]
pub(crate) struct InfoReply {
    #[serde(default)]
    url: Value,
    #[serde(deserialize_with = "fields::needed_text")]
    filename: String,
    #[serde(default, deserialize_with = "fields::optional_number")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "fields::text")]
    checksum: String,
    #[serde(default, deserialize_with = "fields::optional_id")]
    folder_id: Option<i64>,
    #[serde(default, deserialize_with = "fields::text")]
    date: String,
    #[serde(default, alias = "content-type", deserialize_with = "fields::text")]
    content_type: String,
    #[serde(default, deserialize_with = "fields::text")]
    description: String,
    #[serde(default, deserialize_with = "fields::flag")]
    pass: bool,
}

/// The reply to a listing. Needs the list of files, or a count of 0 in its place.
#[derive(Deserialize)]
#[serde(try_from = "Fields")]
pub(crate) struct ListReply(Fields);

#[derive(Deserialize)]
struct Fields {
    #[serde(default, deserialize_with = "fields::optional_number")]
    count: Option<u64>,
    #[serde(default, deserialize_with = "fields::optional_list")]
    items: Option<Vec<Value>>,
}

impl TryFrom<Fields> for ListReply {
    type Error = &'static str;

    fn try_from(read: Fields) -> Result<ListReply, &'static str> {
        let is_there = read.items.is_some() || read.count == Some(0);
        is_there.then_some(ListReply(read)).ok_or("it lists no files")
    }
}

#[derive(Serialize)]
struct ListRequest {
    folder_id: FolderId,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_before: Option<String>,
}

/// The reply to a scan. Needs `status: OK`.
#[derive(Deserialize)]
struct ScanReply {
    #[serde(rename = "status")]
    _status: String,
    #[serde(default, deserialize_with = "fields::text")]
    date: String,
}

impl Client {
    /// Describes one file. Costs one call, of a kind that the service frowns on when frequent.
    ///
    /// It is not repeated when its reply is lost: the reply may have been that there is no such file,
    /// and such answers count towards a ban whether they arrive or not (docs/api-notes.md, A.5).
    ///
    /// # Errors
    ///
    /// * [`crate::ErrorKind::NotFound`]: there is no such file (any more).
    /// * [`crate::ErrorKind::NotAllowed`]: it is somebody else's and private.
    ///
    /// Source: docs/api-notes.md, B.6.
    pub async fn file_info(&self, url: &FileUrl) -> Result<FileInfo, Error> {
        let reply: InfoReply = self.call(INFO, Lane::Call, false, &json!({"url": url})).await?;
        Ok(reply.into_info(url))
    }

    /// Lists the files of one folder that were sent within a time. Costs one call, which waits
    /// until a listing is due, as [`Client::list_folder`] does.
    ///
    /// An unknown folder may read as an empty one here: this listing alone proves no absence.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if the service says that there is no such folder.
    ///
    /// Source: docs/api-notes.md, B.5.
    pub async fn list_files(
        &self,
        folder: FolderId,
        sent: SentBetween,
    ) -> Result<FileListing, Error> {
        self.list_some(folder, sent, Lane::Listing(folder)).await
    }

    /// Lists the files of the whole account, without their folders. Costs one call, of which one
    /// an hour is allowed: it may wait that long.
    ///
    /// # Errors
    ///
    /// Those of every call.
    ///
    /// Source: docs/api-notes.md, B.5, G.1 row 7.
    pub async fn list_account(&self, sent: SentBetween) -> Result<FileListing, Error> {
        self.list_some(ALL_FILES, sent, Lane::WholeAccount).await
    }

    /// Has a file of less than 5 GB looked at by the service's antivirus. Costs one call. Returns
    /// when an earlier answer was found, which is repeated for 6 hours.
    ///
    /// **A file in which a virus is found is removed by the service.**
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Refused`], in the service's words, if there is a virus.
    ///
    /// Source: docs/api-notes.md, B.7.
    pub async fn scan_file(&self, url: &FileUrl) -> Result<Option<Timestamp>, Error> {
        let reply: ScanReply = self.call(SCAN, Lane::Call, true, &json!({"url": url})).await?;
        Ok(dates::parse(&reply.date))
    }

    async fn list_some(
        &self,
        folder_id: FolderId,
        sent: SentBetween,
        lane: Lane,
    ) -> Result<FileListing, Error> {
        let request = ListRequest {
            folder_id,
            sent_after: written(sent.after)?,
            sent_before: written(sent.before)?,
        };
        let reply: ListReply = self.call(LIST, lane, true, &request).await?;
        Ok(reply.into_listing())
    }
}

impl InfoReply {
    pub(crate) fn into_info(self, asked: &FileUrl) -> FileInfo {
        let url = fields::words(&self.url).and_then(|url| FileUrl::parse(&url).ok());
        FileInfo {
            url: url.unwrap_or_else(|| asked.clone()),
            name: RemoteName::from_service(self.filename),
            size_bytes: self.size,
            whirlpool: Whirlpool::parse_hex(&self.checksum).ok(),
            folder: self.folder_id.map(FolderId),
            sent_at: dates::parse(&self.date),
            content_type: self.content_type,
            description: self.description,
            has_password: self.pass,
        }
    }
}

impl ListReply {
    pub(crate) fn into_listing(self) -> FileListing {
        let items = self.0.items.unwrap_or_default();
        let listed = items.len() as u64;
        let files = rows::files(items);
        let is_counted = self.0.count.is_none_or(|count| count == listed);
        FileListing { files: files.rows, complete: files.complete && is_counted }
    }
}

/// A date as the service reads it. One that cannot be written must not widen the window.
fn written(at: Option<Timestamp>) -> Result<Option<String>, Error> {
    match at.map(dates::format) {
        Some(None) => Err(not_sent(LIST, "the date cannot be written in French time")),
        Some(text) => Ok(text),
        None => Ok(None),
    }
}
