//! Finds the target folder and the folders in its `.fichierd`: one listing for each name.

use fichier_api::names::RemoteName;
use fichier_api::{Client, FolderId, FolderListing};

use super::{Order, RecoverError};
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
///
/// # Errors
///
/// [`RecoverError::Unclear`] also if the folders of snapshots are not listed whole, unless the
/// order is to walk: an older snapshot would be taken for the newest, or none for all.
pub(super) async fn walk_down(client: &Client, order: &Order) -> Result<FoundTarget, RecoverError> {
    let target = &order.target;
    let mut here = client.list_folder(FolderId::ROOT).await?;
    for name in target.split('/').filter(|name| !name.is_empty()) {
        here = match find_in(client, &here, name).await? {
            Some(id) => client.list_folder_whole(id).await?,
            None if here.complete => return Err(RecoverError::NoTarget(target.to_owned())),
            None => return Err(RecoverError::Unclear(target.to_owned())),
        };
    }
    let mut place = FoundTarget { target: here, own: None, state: None };
    if let Some(own) = own_folder_in(&place.target) {
        place.own = Some(client.list_folder(own).await?);
    }
    let Some(own) = &place.own else { return Ok(place) };
    let state = find_in(client, own, STATE_FOLDER).await?;
    if let Some(state) = state {
        place.state = Some(client.list_folder_whole(state).await?);
    }
    let is_whole = place.state.as_ref().map_or(own.complete, |state| state.complete);
    if !is_whole && !order.walk {
        return Err(RecoverError::Unclear(format!("the newest copy of the records of {target}")));
    }
    Ok(place)
}

/// A sub-folder by name. Costs a call if the listing does not show it: that of the sub-folders alone
/// may show more.
async fn find_in(
    client: &Client,
    listing: &FolderListing,
    name: &str,
) -> Result<Option<FolderId>, fichier_api::Error> {
    if let Some(found) = folder_in(listing, name) {
        return Ok(Some(found));
    }
    let name = RemoteName::encode(name.as_bytes());
    Ok(client.list_sub_folders(listing.id).await?.folder(&name))
}

fn folder_in(listing: &FolderListing, name: &str) -> Option<FolderId> {
    listing.folder(&RemoteName::encode(name.as_bytes()))
}
