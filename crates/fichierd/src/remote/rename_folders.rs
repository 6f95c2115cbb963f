//! Gives the folders of a mirror the names of another form, once it was approved that all files are
//! sent again in it: one call for each folder.
//!
//! The names are no part of the contents, so no intent is kept: a call that was cut off is made
//! again, and a name that the service does not give is found by the audit.

use fichier_state::{FolderKey, MirrorId, Records, Writing};

use crate::base::Flag;
use crate::remote::Remote;
use crate::remote::error::{RemoteError, is_local};
use crate::remote::folders::other_folder_name;

/// Notes that folders may have the names of another form.
///
/// # Errors
///
/// The state file's.
pub(crate) fn have_other_names(w: &mut Writing<'_>, mirror: MirrorId) -> fichier_state::Result<()> {
    other_names(mirror).set(w, true)
}

/// Whether folders may have the names of another form.
///
/// # Errors
///
/// The state file's.
pub(crate) fn is_needed(records: &Records, mirror: MirrorId) -> fichier_state::Result<bool> {
    other_names(mirror).is_set(records)
}

fn other_names(mirror: MirrorId) -> Flag {
    Flag::named(format!("folders of mirror {} have the names of another form", mirror.0))
}

impl Remote {
    /// Renames the folders below `root` whose names are of another form.
    pub(crate) async fn name_folders(&self, root: FolderKey) -> Result<(), RemoteError> {
        let mut open = vec![root];
        while let Some(parent) = open.pop() {
            for folder in self.state.read(|s| s.subfolders(parent))? {
                open.push(folder.key);
                let name = self.form.folder_name(&folder.name);
                let Some(spot) = folder.remote.filter(|_| folder.remote_name() != name) else {
                    continue;
                };
                match self.client.rename_folder(spot.id, &name).await {
                    Ok(()) => {}
                    Err(error) if is_local(&error) => {
                        tracing::warn!("1fichier did not rename a folder: {error}");
                    }
                    Err(error) => return Err(error.into()),
                }
                let other = other_folder_name(name, &folder.name);
                self.state
                    .write(|w| w.set_folder_remote(folder.key, Some(spot), other.as_ref()))?;
            }
        }
        Ok(self.state.write(|w| other_names(self.mirror).set(w, false))?)
    }
}
