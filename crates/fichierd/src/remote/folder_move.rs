//! Renames or moves a folder on the service as it was on disk: one call for either, however much is
//! in it.

use fichier_state::{FolderKey, Intent, IntentId, RelPath, RemoteSpot, failpoint};

use crate::remote::Remote;
use crate::remote::error::{RemoteError, is_gone, is_local};

/// A folder found under another path than recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderMove {
    /// The folder's row.
    pub key: FolderKey,
    /// The path on record.
    pub from: RelPath,
    /// The path where it is now.
    pub to: RelPath,
}

impl Remote {
    /// Lets the service and the state follow a folder to its new path. Returns whether the folder
    /// was moved.
    ///
    /// # Errors
    ///
    /// An error that stops the cycle. After a refusal the folder stays where it is, and its files
    /// are mirrored one by one.
    pub async fn move_folder(&self, moved: &FolderMove) -> Result<bool, RemoteError> {
        let Some(folder) = self.state.read(|s| s.folder(moved.key))? else { return Ok(false) };
        let parent_path = moved.to.parent().unwrap_or_else(RelPath::root);
        let Some(spot) = folder.remote else {
            // The folder is not on the service: only the record follows.
            let Some(parent) = self.state.read(|s| s.folder_at(self.mirror, &parent_path))? else {
                return Ok(false);
            };
            self.state.write(|w| w.move_folder(moved.key, parent.key, moved.to.name()))?;
            return Ok(true);
        };
        let (_, into) = self.ensure_folder(&parent_path).await?;
        let old_parent = match folder.parent {
            Some(parent) => self.state.read(|s| s.folder(parent))?.and_then(|row| row.remote),
            None => None,
        };
        let Some(RemoteSpot { id: from, .. }) = old_parent else { return Ok(false) };
        let name_before = folder.remote_name();
        let name = self.form.folder_name(moved.to.name());
        let rename = (name != name_before).then_some(name);
        let intent = Intent::MoveFolder {
            folder: moved.key,
            id: spot.id,
            from,
            into,
            name_before,
            rename: rename.clone(),
            to: moved.to.clone(),
        };
        failpoint::reached("folder-move:planned");
        let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
        failpoint::reached("folder-move:begun");
        // These are two calls: the service ignores the destination when a name is given too (B.16).
        let calls = async {
            if from != into {
                self.client.move_folder(spot.id, into).await?;
                failpoint::reached("folder:moved");
            }
            if let Some(name) = &rename {
                self.client.rename_folder(spot.id, name).await?;
                failpoint::reached("folder:renamed");
            }
            Ok::<(), fichier_api::Error>(())
        };
        match calls.await {
            Ok(()) => self.confirm_folder_move(intent, moved.key, &moved.to).map(|()| true),
            Err(error) if is_local(&error) => {
                tracing::info!("the service did not move a folder: {error}");
                // The folder may have moved without its new name: look before going on.
                self.finish_folder_move(intent, moved.key, &moved.to).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn confirm_folder_move(
        &self,
        intent: IntentId,
        key: FolderKey,
        to: &RelPath,
    ) -> Result<(), RemoteError> {
        let parent_path = to.parent().unwrap_or_else(RelPath::root);
        let parent = self.state.read(|s| s.folder_at(self.mirror, &parent_path))?;
        let folder = self.state.read(|s| s.folder(key))?;
        self.state.write(|w| {
            if let (Some(parent), Some(folder)) = (parent, folder) {
                w.move_folder(key, parent.key, to.name())?;
                w.set_folder_remote(key, folder.remote, None)?;
            }
            w.resolve(intent)
        })?;
        self.report(|report| report.moved_folders += 1);
        Ok(())
    }

    /// Finds out by a listing how far a folder move came, and completes it.
    pub(crate) async fn finish_folder_move(
        &self,
        intent: IntentId,
        key: FolderKey,
        to: &RelPath,
    ) -> Result<(), RemoteError> {
        let parent_path = to.parent().unwrap_or_else(RelPath::root);
        let folder = self.state.read(|s| s.folder(key))?;
        let parent = self.folder_spot(&parent_path)?;
        self.dirty.mark(to.clone());
        if let (Some(folder), Some((parent_row, parent))) = (&folder, parent)
            && let Some(spot) = folder.remote
        {
            let listing = match self.look_into(parent).await {
                Err(error) if is_gone(&error) && !parent_path.is_root() => {
                    self.forget_gone(parent_row, &parent_path)?;
                    return Ok(self.state.write(|w| w.resolve(intent))?);
                }
                other => other?,
            };
            let name = self.form.folder_name(to.name());
            if let Some(there) = listing.folders.iter().find(|there| there.id == spot.id) {
                if there.name != name {
                    match self.client.rename_folder(spot.id, &name).await {
                        Ok(()) => {}
                        Err(error) if is_local(&error) => {
                            return Ok(self.state.write(|w| w.resolve(intent))?);
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                return self.confirm_folder_move(intent, key, to);
            }
        }
        Ok(self.state.write(|w| w.resolve(intent))?)
    }
}
