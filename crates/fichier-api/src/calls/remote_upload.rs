//! Remote uploads: the service fetches addresses by itself (docs/api-notes.md, B.19).
//!
//! **Unverified**: written from transcriptions of the documentation, which differ in details.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::link::FileUrl;
use crate::pace::Lane;
use crate::types::FolderId;
use crate::wire::{dates, fields};

const LIST: &str = "remote/ls.cgi";
const INFO: &str = "remote/info.cgi";
const REQUEST: &str = "remote/request.cgi";

/// A request to fetch addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUpload {
    /// Its number, which the service gave it.
    pub id: i64,
    /// When it was made.
    pub requested_at: Option<Timestamp>,
    /// When it was carried out; `None` or 1970 while it was not.
    pub executed_at: Option<Timestamp>,
}

/// The outcome of a [`RemoteUpload`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUploadResult {
    /// One for each address that was tried.
    pub results: Vec<Fetched>,
}

/// One address that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The address that the service was to fetch.
    pub source: String,
    /// The file that was made of it.
    pub file: Option<FileUrl>,
    /// The service's words about it, such as why there is no file.
    pub message: String,
}

#[derive(Deserialize)]
struct ListReply {
    #[serde(default, deserialize_with = "fields::list")]
    data: Vec<Job>,
    #[serde(rename = "status")]
    _status: String,
}

#[derive(Deserialize)]
struct Job {
    #[serde(deserialize_with = "fields::number")]
    id: i64,
    #[serde(default, deserialize_with = "fields::text")]
    request_date: String,
    #[serde(default, deserialize_with = "fields::text")]
    execution_date: String,
}

#[derive(Deserialize)]
struct InfoReply {
    #[serde(rename = "id", deserialize_with = "fields::number")]
    _id: i64,
    #[serde(default, deserialize_with = "fields::list")]
    result: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default, deserialize_with = "fields::text")]
    url: String,
    #[serde(default, deserialize_with = "fields::text")]
    download_link: String,
    #[serde(default, deserialize_with = "fields::text")]
    message: String,
}

#[derive(Serialize)]
struct Request<'a> {
    urls: &'a [String],
    folder_id: FolderId,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: &'a BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RequestReply {
    #[serde(deserialize_with = "fields::number")]
    id: i64,
}

impl Client {
    /// Lists the remote uploads. Costs one call.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn remote_uploads(&self) -> Result<Vec<RemoteUpload>, Error> {
        let reply: ListReply = self.call(LIST, Lane::Call, true, &json!({})).await?;
        let jobs = reply.data.into_iter().map(|job| RemoteUpload {
            id: job.id,
            requested_at: dates::parse(&job.request_date),
            executed_at: dates::parse(&job.execution_date),
        });
        Ok(jobs.collect())
    }

    /// Tells the outcome of a remote upload. Costs one call.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if there is none of that number.
    pub async fn remote_upload_result(&self, id: i64) -> Result<RemoteUploadResult, Error> {
        let reply: InfoReply = self.call(INFO, Lane::Call, true, &json!({"id": id})).await?;
        let results = reply.result.into_iter().map(|outcome| Fetched {
            source: outcome.url,
            file: FileUrl::parse(&outcome.download_link).ok(),
            message: outcome.message,
        });
        Ok(RemoteUploadResult { results: results.collect() })
    }

    /// Asks the service to fetch addresses into a folder, with these HTTP headers, and returns
    /// the number of the request. Costs one call, which is never repeated: list the remote uploads
    /// after a lost reply.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn request_remote_upload(
        &self,
        sources: &[String],
        folder: FolderId,
        headers: &BTreeMap<String, String>,
    ) -> Result<i64, Error> {
        let request = Request { urls: sources, folder_id: folder, headers };
        let reply: RequestReply = self.call(REQUEST, Lane::Call, false, &request).await?;
        Ok(reply.id)
    }
}
