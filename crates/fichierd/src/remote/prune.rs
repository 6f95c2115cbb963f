//! Removes the files that a newer exclude, or a rejected removal, left unmanaged on the service.

use std::ops::ControlFlow;

use fichier_state::{Folder, FolderKey, RelPath, Retired};

use crate::remote::Remote;
use crate::remote::error::RemoteError;
use crate::remote::execute::Leaving;

impl Remote {
    /// Retires, or removes with `keep = "0"`, every unmanaged file of the mirror, and then removes
    /// the unmanaged folders that a listing shows empty. Returns how many files left their place.
    ///
    /// # Errors
    ///
    /// An error that stops the work; the removals until then are on record.
    pub(crate) async fn prune(&self, root: FolderKey) -> Result<u64, RemoteError> {
        let mut leaving = Vec::new();
        let mut unsendable = Vec::new();
        self.state.read(|s| {
            s.entries_below(root, |path, entry| {
                if entry.unmanaged {
                    match Leaving::of_entry(&path, Box::new(entry.clone()), Retired::Deleted) {
                        Some(left) => leaving.push(left),
                        None => unsendable.push(entry),
                    }
                }
                ControlFlow::Continue(())
            })
        })?;
        let files = leaving.len() as u64;
        self.retire_all(leaving).await?;
        self.state.write(|w| {
            unsendable.iter().try_for_each(|e| w.remove_entry(e.folder, &e.name).map(|_| ()))
        })?;
        let mut folders = Vec::new();
        self.unmanaged_folders(root, &RelPath::root(), &mut folders)?;
        for (path, folder) in folders {
            self.remove_if_empty(&path, &folder).await?;
        }
        Ok(files)
    }

    /// Collects the unmanaged folders below `folder`, children before parents.
    fn unmanaged_folders(
        &self,
        folder: FolderKey,
        path: &RelPath,
        found: &mut Vec<(RelPath, Folder)>,
    ) -> Result<(), RemoteError> {
        for child in self.state.read(|s| s.subfolders(folder))? {
            let path = path.join(&child.name);
            self.unmanaged_folders(child.key, &path, found)?;
            if child.unmanaged {
                found.push((path, child));
            }
        }
        Ok(())
    }
}
