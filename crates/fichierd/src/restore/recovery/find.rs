//! Finds the target folder and the folders in its `.fichierd`: one listing for each name.

use fichier_api::names::RemoteName;
use fichier_api::{Client, FolderId, FolderListing};

use super::RecoverError;
use crate::remote::layout::own_folder_in;
use crate::remote::ledger::STATE_FOLDER;

/// The folders of a target at the service.
#[derive(Debug)]
pub(super) struct FoundTarget {
    /// The target itself.
    pub(super) target: FolderListing,
    /// `.fichierd`, if it is there.
    pub(super) own: Option<FolderListing>,
    /// `.fichierd/state`, if it is there.
    pub(super) state: Option<FolderListing>,
}

impl FoundTarget {
    /// A folder in `.fichierd`.
    pub(super) fn own_folder(&self, name: &str) -> Option<FolderId> {
        folder_in(self.own.as_ref()?, name)
    }
}

/// Walks down from the account's root.
pub(super) async fn walk_down(client: &Client, target: &str) -> Result<FoundTarget, RecoverError> {
    let mut here = client.list_folder(FolderId::ROOT).await?;
    for name in target.split('/').filter(|name| !name.is_empty()) {
        here = match folder_in(&here, name) {
            Some(id) => client.list_folder_whole(id).await?,
            None if here.complete => return Err(RecoverError::NoTarget(target.to_owned())),
            None => return Err(RecoverError::Unclear(target.to_owned())),
        };
    }
    let mut place = FoundTarget { target: here, own: None, state: None };
    if let Some(own) = own_folder_in(&place.target) {
        place.own = Some(client.list_folder(own).await?);
    }
    if let Some(state) = place.own_folder(STATE_FOLDER) {
        place.state = Some(client.list_folder(state).await?);
    }
    Ok(place)
}

fn folder_in(listing: &FolderListing, name: &str) -> Option<FolderId> {
    listing.folder(&RemoteName::encode(name.as_bytes()))
}
