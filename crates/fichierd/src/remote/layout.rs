//! What things are called in the target.

use fichier_api::names::RemoteName;
use fichier_state::{Entry, RemoteCopy};

/// The name that the service has for a file of ours.
pub(crate) fn name_of(entry: &Entry, copy: &RemoteCopy) -> RemoteName {
    copy.remote_name.clone().unwrap_or_else(|| RemoteName::encode(&entry.name))
}
