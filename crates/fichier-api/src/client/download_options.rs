//! How files are downloaded: kept by the client, used by `download`.

use std::fmt;

/// How a download address may be used.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DownloadOptions {
    /// The file's password.
    pub password: Option<String>,
    /// Uses the account's CDN credits, which the service wants of addresses in data centres.
    pub use_cdn: bool,
    /// Lets browsers show the file instead of saving it.
    pub inline: bool,
    /// Allows the address for one request only.
    pub single: bool,
}

impl fmt::Debug for DownloadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadOptions")
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("use_cdn", &self.use_cdn)
            .field("inline", &self.inline)
            .field("single", &self.single)
            .finish()
    }
}
