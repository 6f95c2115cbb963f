//! Attributes of files: description, password, who may download (docs/api-notes.md, B.12).

use serde::Serialize;

use crate::calls::batch::{self, Reported};
use crate::client::Client;
use crate::error::Error;
use crate::link::FileUrl;
use crate::names::RemoteName;
use crate::pace::Lane;
use crate::types::BatchOutcome;

const CHANGE: &str = "file/chattr.cgi";

/// Changes of the attributes of files. `None` leaves an attribute as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Another name; only for a single file.
    pub name: Option<RemoteName>,
    /// A remark, which only [`Client::file_info`] shows.
    pub description: Option<String>,
    /// A password for downloads, of at least 6 characters; an empty one removes it.
    pub password: Option<String>,
    /// Whether downloads are without TLS.
    pub without_tls: Option<bool>,
    /// Whether browsers show the file instead of saving it.
    pub inline: Option<bool>,
    /// Whether downloads use the owner's CDN credits.
    pub uses_cdn: Option<bool>,
    /// Who may download.
    pub access: Option<Access>,
}

/// Who may download a file. With everything empty, everybody may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Address ranges, such as `192.0.2.0/24`.
    #[serde(rename = "ip")]
    pub addresses: Vec<String>,
    /// Countries by two letters, such as `FR`.
    #[serde(rename = "country")]
    pub countries: Vec<String>,
    /// Users of the service by the address of their account.
    #[serde(rename = "email")]
    pub users: Vec<String>,
    /// Whether only users with a subscription may.
    #[serde(rename = "premium", serialize_with = "as_number")]
    pub subscribers_only: bool,
}

#[derive(Serialize)]
struct Request<'a> {
    urls: &'a [FileUrl],
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_ssl: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cdn: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acl: Option<&'a Access>,
}

impl Client {
    /// Changes attributes of files, the same of all. Costs one call.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if none of the files exists.
    ///
    /// Source: docs/api-notes.md, B.12.
    pub async fn change_attributes(
        &self,
        urls: &[FileUrl],
        change: &Attributes,
    ) -> Result<BatchOutcome, Error> {
        if !batch::is_any(CHANGE, urls.len())? {
            return Ok(BatchOutcome::default());
        }
        if change.name.is_some() && urls.len() > 1 {
            return Err(batch::not_sent(CHANGE, "only a single file can get another name"));
        }
        let request = Request {
            urls,
            filename: change.name.as_ref().map(RemoteName::as_str),
            description: change.description.as_deref(),
            pass: change.password.as_deref(),
            no_ssl: change.without_tls.map(u8::from),
            inline: change.inline.map(u8::from),
            cdn: change.uses_cdn.map(u8::from),
            acl: change.access.as_ref(),
        };
        let reported: Reported = self.call(CHANGE, Lane::Call, true, &request).await?;
        Ok(reported.outcome(urls))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn as_number<S: serde::Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(u8::from(*flag))
}
