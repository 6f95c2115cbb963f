//! Folders of the mirror on the service: they are made when something first goes into them, and
//! adopted when they are there already. `by_name` finds or makes a folder by its name, for all of
//! `remote` and `upkeep`.

mod by_name;

use std::collections::BTreeSet;

use fichier_api::names::RemoteName;
use fichier_api::{ErrorKind, FolderId, FolderListing};
use fichier_state::{
    Folder, FolderFacts, FolderKey, ForeignFile, Intent, Metadata, RelPath, RemoteSpot, failpoint,
};

use self::by_name::may_exist;
pub(crate) use self::by_name::{FoundFolder, SubFolder, lacks_folders, with_all_folders};
use crate::remote::error::{RemoteError, is_gone, is_local};
use crate::remote::{Habits, Remote};

impl Remote {
    /// Makes the folder `path`, whose parent is there.
    pub(super) async fn make_folder(&self, path: &RelPath) -> Result<(), RemoteError> {
        match self.ensure_folder(path).await {
            Ok(_) => Ok(()),
            Err(RemoteError::Api(error)) if is_local(&error) => {
                self.problem(path, &error.to_string(), "the folder cannot be made; see the message")
            }
            Err(error) => Err(error),
        }
    }

    /// The row and the remote id of a folder, which is made if it is missing, parents first.
    pub(super) async fn ensure_folder(
        &self,
        path: &RelPath,
    ) -> Result<(FolderKey, FolderId), RemoteError> {
        if let Some(found) = self.folder_spot(path)? {
            return Ok(found);
        }
        let parent_path = path.parent().unwrap_or_else(RelPath::root);
        let (parent_key, parent) = Box::pin(self.ensure_folder(&parent_path)).await?;
        let folder = self.folder_row(path, parent_key)?;
        let name = self.form.folder_name(path.name());
        failpoint::reached("folder:planned");
        let intent = Intent::MakeFolder { parent, name: name.clone(), path: path.clone() };
        let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
        failpoint::reached("folder:begun");
        let (spot, name) = match self.sub_folder(parent, &name).await? {
            SubFolder::Made(made) => {
                failpoint::reached("folder:made");
                (RemoteSpot { id: made.id, made_by_us: true, listed: true }, made.name)
            }
            // The folder may be older than the mirror, or somebody else's: its contents are looked
            // at first.
            SubFolder::There(there) => {
                (RemoteSpot { id: there.id, made_by_us: false, listed: false }, there.name)
            }
            SubFolder::Absent(error) if is_gone(&error) && !parent_path.is_root() => {
                if !self.is_folder_gone(parent).await? {
                    return Err(error.into());
                }
                self.state.write(|w| w.resolve(intent))?;
                self.forget_gone(parent_key, &parent_path)?;
                return Box::pin(self.ensure_folder(path)).await;
            }
            SubFolder::Absent(error) => {
                if may_exist(&error) {
                    self.state.write(|w| w.resolve(intent))?;
                }
                return Err(error.into());
            }
        };
        if self.state.read(|s| s.has_remote_folder(self.mirror, spot.id))? {
            self.state.write(|w| w.resolve(intent))?;
            return Err(one_for_two().into());
        }
        let other_name = other_folder_name(name, path.name());
        self.state.write(|w| {
            w.set_folder_remote(folder.key, Some(spot), other_name.as_ref())?;
            if spot.listed {
                w.set_audited(folder.key, w.now_s())?;
            }
            w.resolve(intent)
        })?;
        Ok((folder.key, spot.id))
    }

    /// The contents of a folder. A folder that seems to be empty is listed twice: a listing may
    /// wrongly show nothing (X08), and files and folders that it does not show are sent or made
    /// again. Costs one listing, or two that are half a minute apart: not for folders that are
    /// often empty.
    pub(crate) async fn look_into(
        &self,
        folder: FolderId,
    ) -> Result<FolderListing, fichier_api::Error> {
        let listing = self.client.list_folder(folder).await?;
        if listing.files.is_empty() && listing.folders.is_empty() {
            return self.client.list_folder(folder).await;
        }
        Ok(listing)
    }

    /// Whether the service no longer knows a folder. Costs one listing.
    pub(super) async fn is_folder_gone(&self, id: FolderId) -> Result<bool, RemoteError> {
        match self.client.list_folder(id).await {
            Ok(_) => Ok(false),
            Err(error) if is_gone(&error) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets a folder that is gone from the service (X04): it is made again, and its files are
    /// sent again.
    pub(super) fn forget_gone(&self, row: FolderKey, folder: &RelPath) -> Result<(), RemoteError> {
        tracing::warn!(path = %folder,
            "folder `{folder}` was removed on 1fichier by somebody else; sending it again");
        self.state.write(|w| w.forget_remote_below(row))?;
        self.dirty.mark(folder.clone());
        Ok(())
    }

    /// The row of a folder that may lack a remote counterpart; made when it is missing, which
    /// happens when an upload outlives its local folder.
    fn folder_row(&self, path: &RelPath, parent: FolderKey) -> Result<Folder, RemoteError> {
        if let Some(folder) = self.state.read(|s| s.folder_at(self.mirror, path))? {
            return Ok(folder);
        }
        let key = self.state.write(|w| {
            w.add_folder(
                self.mirror,
                parent,
                path.name(),
                // The folder is no longer on disk, so there are no facts about it.
                &FolderFacts { device: 0, inode: 0, ctime_ns: 0, metadata: Metadata::default() },
            )
        })?;
        let folder = self.state.read(|s| s.folder(key))?;
        folder.ok_or(RemoteError::State(fichier_state::Error::Missing("folder")))
    }

    /// The row and remote id of a folder that is on the service already.
    pub(super) fn folder_spot(
        &self,
        path: &RelPath,
    ) -> Result<Option<(FolderKey, FolderId)>, RemoteError> {
        let folder = self.state.read(|s| s.folder_at(self.mirror, path))?;
        Ok(folder.and_then(|folder| folder.remote.map(|spot| (folder.key, spot.id))))
    }

    /// Whether the contents of some of these folders have to be looked at before something goes
    /// there. Makes no call.
    pub(crate) fn has_unknown(&self, folders: &BTreeSet<RelPath>) -> Result<bool, RemoteError> {
        let may_be_hidden = self.state.read(|s| Habits::read(s))?.mkdir_hides_what_is_there();
        for path in folders {
            let row = self.state.read(|s| s.folder_at(self.mirror, path))?;
            let is_unknown = row.is_some_and(|row| match row.remote {
                Some(spot) => !spot.listed,
                None => may_be_hidden,
            });
            if is_unknown {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds a folder that is there already and not on record, where `mkdir` would not say so: its
    /// contents have to be known before something goes there.
    pub(crate) async fn find_hidden(&self, path: &RelPath) -> Result<(), RemoteError> {
        let Some(above) = path.parent() else { return Ok(()) };
        let row = self.state.read(|s| s.folder_at(self.mirror, path))?;
        let Some(row) = row.filter(|row| row.remote.is_none()) else { return Ok(()) };
        let Some((parent_row, parent)) = self.folder_spot(&above)? else { return Ok(()) };
        let found = match self.found_before(parent, &self.form.folder_name(path.name())).await {
            // Its parent is gone by now, and is made again when something goes there.
            Err(RemoteError::Api(error)) if is_gone(&error) && !above.is_root() => {
                return self.forget_gone(parent_row, &above);
            }
            other => other?,
        };
        if let Some(id) = found {
            let spot = RemoteSpot { id, made_by_us: false, listed: false };
            let other_name = other_folder_name(self.form.folder_name(path.name()), path.name());
            self.state.write(|w| w.set_folder_remote(row.key, Some(spot), other_name.as_ref()))?;
        }
        Ok(())
    }

    /// Reads the contents of a folder that was there before us, so that identical files can be
    /// adopted and sub-folders used. Costs one listing, or more of a large folder. Nothing is ever removed because of it
    /// (I11). Returns whether the listing was believed: one that shows nothing is believed only if
    /// `even_empty` (X08).
    ///
    /// # Errors
    ///
    /// The error of the listing.
    pub async fn explore(
        &self,
        folder: &Folder,
        path: &RelPath,
        even_empty: bool,
    ) -> Result<bool, RemoteError> {
        let Some(spot) = folder.remote else { return Ok(true) };
        let listing = match self.client.list_folder_whole(spot.id).await {
            Ok(listing) => listing,
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => {
                // The folder is gone by now: it is made again when something goes there.
                self.state.write(|w| w.forget_remote_below(folder.key))?;
                return Ok(true);
            }
            Err(error) => return Err(error.into()),
        };
        if listing.files.is_empty() && listing.folders.is_empty() && !even_empty {
            return Ok(false);
        }
        self.learn(folder, path, spot, &listing).map(|()| true)
    }

    /// Records what a listing showed of a folder, besides the records of our own files.
    pub(crate) fn learn(
        &self,
        folder: &Folder,
        path: &RelPath,
        spot: RemoteSpot,
        listing: &FolderListing,
    ) -> Result<(), RemoteError> {
        // A link that is on record elsewhere is ours too: somebody may have moved the file here.
        let ours = self.state.read(|s| s.known_urls(listing.files.iter().map(|file| &file.url)))?;
        let foreign: Vec<ForeignFile> = listing
            .files
            .iter()
            .filter(|file| !ours.contains(&file.url))
            .map(ForeignFile::from)
            .collect();
        let children = self.state.read(|s| s.subfolders(folder.key))?;
        self.state.write(|w| {
            w.set_foreign(folder.key, &foreign)?;
            for child in children.iter().filter(|child| child.remote.is_none()) {
                let name = self.form.folder_name(&child.name);
                if let Some(id) = listing.folder(&name) {
                    let spot = RemoteSpot { id, made_by_us: false, listed: false };
                    let other_name = other_folder_name(name, &child.name);
                    w.set_folder_remote(child.key, Some(spot), other_name.as_ref())?;
                }
            }
            // An incomplete listing proves nothing about what it does not show.
            let known = RemoteSpot { listed: listing.complete, ..spot };
            if listing.complete {
                w.set_audited(folder.key, w.now_s())?;
            }
            w.set_folder_remote(folder.key, Some(known), folder.remote_name.as_ref())
        })?;
        tracing::debug!(path = %path, files = foreign.len(), "listed a folder that was there before");
        Ok(())
    }
}

/// The error where the service has one folder for two names, in two forms of Unicode perhaps (N06),
/// and another folder of the mirror has it.
fn one_for_two() -> fichier_api::Error {
    let message = "another folder of this mirror has this name on 1fichier".to_owned();
    let kind = ErrorKind::NameTaken { message };
    fichier_api::Error { endpoint: "folder/mkdir.cgi", attempts: 1, kind }
}

/// The name to remember of a folder, if it is not the one that [`Folder::remote_name`] would tell.
pub(crate) fn other_folder_name(name: RemoteName, local: &[u8]) -> Option<RemoteName> {
    (name != RemoteName::encode(local)).then_some(name)
}
