//! Where the API key comes from, and how it is read without being shown.
//!
//! In this order: the file that the configuration names; the credential that systemd hands over;
//! the variable `FICHIER_API_KEY`. The source is remembered and not the key, so that a reload
//! finds a key that was changed in the meantime. Nothing here prints or logs the key
//! (invariant I10).

use std::path::PathBuf;

use crate::config::Surroundings;

/// Where the API key is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file of the administrator's, readable by its owner alone.
    File(PathBuf),
    /// A file that systemd made for this unit; its permissions are systemd's concern.
    Credential(PathBuf),
    /// The environment variable `FICHIER_API_KEY`.
    Environment,
    /// Nothing was configured: the program works as far as it can without the service.
    Nowhere,
}

impl KeySource {
    /// Where the key is when the configuration names no file.
    pub(crate) fn default_in(around: &Surroundings) -> Self {
        match around.path("CREDENTIALS_DIRECTORY") {
            Some(folder) => KeySource::Credential(folder.join("api_key")),
            None if around.has("FICHIER_API_KEY") => KeySource::Environment,
            None => KeySource::Nowhere,
        }
    }
}
