//! Handles folders that are gone from the disk: they are moved to the versions with everything in
//! them, or removed when a listing shows them empty.

use fichier_api::ErrorKind;
use fichier_state::{Folder, Intent, RelPath, failpoint};

use crate::remote::error::{RemoteError, is_local};
use crate::remote::execute::Executor;

impl Executor {
    /// Moves a folder that is gone from the disk to the versions, with everything in it: one call.
    pub(super) async fn retire_folder(
        &self,
        path: &RelPath,
        folder: &Folder,
    ) -> Result<(), RemoteError> {
        self.check_root()?;
        let Some(spot) = folder.remote else { return Ok(()) };
        if self.is_folder_back(path)? {
            return Ok(());
        }
        let name = folder.remote_name();
        let into = self.remote.versions_folder(1, Some(&name)).await?;
        let until_s = self.remote.state.now_s();
        let intent = Intent::RetireFolder { folder: folder.key, id: spot.id, into, until_s };
        failpoint::reached("retire-folder:planned");
        let intent = self.remote.state.write(|w| w.begin(self.remote.mirror, &intent))?;
        failpoint::reached("retire-folder:begun");
        let files = self.remote.state.read(|s| s.count_below(folder.key))?.files;
        match self.remote.client.move_folder(spot.id, into).await {
            Ok(()) => failpoint::reached("folder:moved"),
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => {
                // Somebody removed the folder on the service, so there is nothing to move.
                self.remote.state.write(|w| {
                    w.remove_folder(folder.key)?;
                    w.resolve(intent)
                })?;
                return Ok(());
            }
            Err(error) if is_local(&error) => {
                self.remote.state.write(|w| w.resolve(intent))?;
                let what = format!("the folder is gone here, but stays on 1fichier: {error}");
                return self.remote.problem(path, &what, "it is tried again by itself");
            }
            Err(error) => return Err(error.into()),
        }
        self.remote.confirm_retired_folder(folder, &name, into, until_s, files)?;
        self.remote.state.write(|w| w.resolve(intent))?;
        Ok(())
    }

    /// Removes a folder that is gone from the disk, if a listing shows it empty (I2). Costs two
    /// calls.
    pub(super) async fn remove_folder(
        &self,
        path: &RelPath,
        folder: &Folder,
    ) -> Result<(), RemoteError> {
        self.check_root()?;
        if self.is_folder_back(path)? {
            return Ok(());
        }
        self.remote.remove_if_empty(path, folder).await
    }

    fn is_folder_back(&self, path: &RelPath) -> Result<bool, RemoteError> {
        let now = self.source.look(path)?;
        let back = now.is_some_and(|seen| matches!(seen.kind, crate::disk::SeenKind::Folder));
        if back {
            self.remote.dirty.mark(path.clone());
        }
        Ok(back)
    }
}
