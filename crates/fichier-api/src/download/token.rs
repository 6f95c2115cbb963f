//! The address of one download, which the service makes on request.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::client::{Client, DownloadOptions};
use crate::error::Error;
use crate::link::FileUrl;
use crate::pace::Lane;

const TOKEN: &str = "download/get_token.cgi";

/// An address that gives the content of a file to anybody who asks: to be used within 5 minutes,
/// resumed within 30 (docs/api-notes.md, D).
#[derive(Clone, PartialEq, Eq)]
pub struct DownloadUrl(pub(super) String);

#[derive(Serialize)]
struct TokenRequest<'a> {
    url: &'a FileUrl,
    single: u8,
    inline: u8,
    cdn: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
}

#[derive(Deserialize)]
pub(crate) struct TokenReply {
    pub(crate) url: String,
}

impl Client {
    /// Makes a download address. Costs one call.
    ///
    /// # Errors
    ///
    /// [`CustomersOnly`](crate::ErrorKind::CustomersOnly),
    /// [`AddressRefused`](crate::ErrorKind::AddressRefused),
    /// [`OneLocation`](crate::ErrorKind::OneLocation) and
    /// [`NotAllowed`](crate::ErrorKind::NotAllowed) besides the usual ones.
    ///
    /// Source: docs/api-notes.md, B.1.
    pub async fn download_url(
        &self,
        url: &FileUrl,
        options: &DownloadOptions,
    ) -> Result<DownloadUrl, Error> {
        let request = TokenRequest {
            url,
            single: u8::from(options.single),
            inline: u8::from(options.inline),
            cdn: u8::from(options.use_cdn),
            pass: options.password.as_deref(),
        };
        let reply: TokenReply = self.call(TOKEN, Lane::Call, true, &request).await?;
        match self.transport().address().download(&reply.url) {
            Ok(checked) => Ok(DownloadUrl(checked.into())),
            Err(kind) => Err(Error { endpoint: TOKEN, attempts: 1, kind }),
        }
    }
}

impl DownloadUrl {
    /// The address. Anybody who has it can download the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DownloadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DownloadUrl(…)")
    }
}
