//! Finds a sub-folder by name, or makes it if it is missing: the way to each folder that the
//! program keeps on the service.
//!
//! The service has no call for that, and what its `mkdir` does about a name in use differs: it may
//! refuse, answer with the folder that is there, or make a second one (G.1 row 9). There are two
//! ways, depending on what is known of the parent:
//!
//! * [`FoundFolder::step_into`], where nothing is on record yet: it always looks first, and once
//!   more after a refusal.
//! * [`Remote::sub_folder`], where the records say that the folder is missing: it makes first,
//!   which saves the listing, and looks after a refusal or a lost reply (K13, U15). Where a probe
//!   has shown that `mkdir` hides a folder that is there, it looks first: one listing of each
//!   parent in a cycle, two if the parent seems to be empty (X08), and none where the parent was
//!   made in that cycle.
//!
//! A folder counts as made by us only if this call made it; whether a folder that turned up after a
//! lost reply is ours cannot be told. Nothing is written to the state: intents and records are the
//! caller's task.
//!
//! The numbered folders of `claims` stay apart (a refused name is the answer there), as do `probe`
//! (which asks how `mkdir` behaves) and `fichierd remote mkdir` (where the person decides about a
//! name in use).

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use fichier_api::names::RemoteName;
use fichier_api::{Client, Error, ErrorKind, FolderId, FolderListing, RemoteFolder};
use fichier_state::failpoint;

use crate::base::words::counted;
use crate::remote::Remote;
use crate::remote::error::{RemoteError, is_gone};
use crate::remote::habits::Habits;
use crate::remote::layout::{OTHER_OWN_FOLDER, OWN_FOLDER, own_folder_in};
use crate::remote::stored_names::is_other_form;

/// The least number of rows at which a service may cut a listing, and the step between such numbers.
const LEAST_CUT: usize = 100;
const CUT_STEP: usize = 50;

/// A folder on the way down from the account's root, and what is known of its contents.
#[derive(Clone)]
pub(crate) enum FoundFolder {
    /// The folder was made just now: nothing can be in it.
    Empty(FolderId),
    /// The folder was there already, and its contents were not read.
    Unread(FolderId),
    /// The folder was there already, and its contents were read.
    Listed(FolderListing),
}

impl FoundFolder {
    pub(crate) fn id(&self) -> FolderId {
        match self {
            FoundFolder::Empty(id) | FoundFolder::Unread(id) => *id,
            FoundFolder::Listed(listing) => listing.id,
        }
    }

    /// Whether the folder was made just now.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self, FoundFolder::Empty(_))
    }

    /// The folder's contents. Costs a listing if they are not known, and another if the folder seems
    /// to be empty: a listing may wrongly show nothing (X08), and `mkdir` may answer with a folder
    /// that is there.
    pub(crate) async fn listed(self, client: &Client) -> Result<FolderListing, Error> {
        Ok(match self {
            FoundFolder::Listed(listing) => listing,
            FoundFolder::Unread(id) => {
                let listing = client.list_folder(id).await?;
                if !listing.files.is_empty() || !listing.folders.is_empty() {
                    return Ok(listing);
                }
                client.list_folder(id).await?
            }
            FoundFolder::Empty(id) => FolderListing {
                id,
                name: String::new(),
                folders: Vec::new(),
                files: Vec::new(),
                complete: true,
            },
        })
    }

    /// Finds a sub-folder by name, or makes it if it is missing. Costs a listing if the contents
    /// are not known, and a call if it is made.
    pub(crate) async fn step_into(self, client: &Client, name: &str) -> Result<FoundFolder, Error> {
        let name = RemoteName::encode(name.as_bytes());
        let listing = self.listed(client).await?;
        if let Some(found) = listing.folder(&name) {
            return Ok(FoundFolder::Unread(found));
        }
        let listing = with_all_folders(client, listing).await?;
        if let Some(found) = listing.folder(&name) {
            return Ok(FoundFolder::Unread(found));
        }
        match client.make_folder(listing.id, &name).await {
            Ok(made) => {
                failpoint::reached("target:made");
                Ok(FoundFolder::Empty(made.id))
            }
            // It may be there, made before or just now, in whatever words: two more looks tell.
            Err(error) if says_there(&error) => {
                let listing = client.list_folder(listing.id).await?;
                match shown_by_either(client, &listing, &name).await? {
                    Some(found) => Ok(FoundFolder::Unread(found.id)),
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}

impl FoundFolder {
    /// Finds the folder of this program in a target, or makes it. Costs as [`Self::step_into`].
    ///
    /// Where the service does not take its name, or does not show it, another one is used. Of a
    /// target that was there before, that needs a listing which shows other folders: a listing
    /// that shows none may just not show any, and a folder of ours may be there.
    pub(crate) async fn step_into_own(self, client: &Client) -> Result<FoundFolder, Error> {
        let is_new = self.is_new();
        let listing = self.listed(client).await?;
        if let Some(found) = own_folder_in(&listing) {
            return Ok(FoundFolder::Unread(found));
        }
        let may_be_hidden = listing.complete && !listing.folders.is_empty();
        let target = FoundFolder::Listed(listing);
        match target.clone().step_into(client, OWN_FOLDER).await {
            Err(error) if says_there(&error) && (is_new || may_be_hidden) => {
                // The error about the name that it should have says more.
                target.step_into(client, OTHER_OWN_FOLDER).await.map_err(|_| error)
            }
            found => found,
        }
    }
}

/// The answer to a request for a sub-folder.
pub(crate) enum SubFolder {
    /// The folder is there; somebody else, or an earlier call, may have made it.
    /// Its name may be another form of the one asked for.
    There(RemoteFolder),
    /// This call made it, under a name that the service may have changed.
    Made(RemoteFolder),
    /// The folder is not there: its parent is gone, or the service refused to make it.
    Absent(Error),
}

impl SubFolder {
    /// The folder's number, if the folder is there.
    pub(crate) fn id(self) -> Result<FolderId, RemoteError> {
        match self {
            SubFolder::There(folder) | SubFolder::Made(folder) => Ok(folder.id),
            SubFolder::Absent(error) => Err(error.into()),
        }
    }
}

impl Remote {
    /// Finds a sub-folder by name, or makes it if it is missing. Costs one call, and a listing or
    /// two in the cases that the module names.
    ///
    /// # Errors
    ///
    /// The error of a listing: whether the folder is there is not known then. An error that shows
    /// that the folder is not there is [`SubFolder::Absent`].
    pub(crate) async fn sub_folder(
        &self,
        parent: FolderId,
        name: &RemoteName,
    ) -> Result<SubFolder, RemoteError> {
        let of_that_name = |id| RemoteFolder { id, name: name.clone() };
        match self.found_before(parent, name).await {
            Ok(Some(id)) => return Ok(SubFolder::There(of_that_name(id))),
            Ok(None) => {}
            Err(RemoteError::Api(error)) if is_gone(&error) => {
                return Ok(SubFolder::Absent(error));
            }
            Err(error) => return Err(error),
        }
        Ok(match self.client.make_folder(parent, name).await {
            Ok(made) => {
                self.remember_made(parent, &made);
                SubFolder::Made(made)
            }
            Err(error) if says_there(&error) => {
                let listing = self.look_into(parent).await?;
                match shown_by_either(&self.client, &listing, name).await? {
                    Some(found) => SubFolder::There(found),
                    None => SubFolder::Absent(error),
                }
            }
            Err(error) if may_exist(&error) => match self.find_folder(parent, name).await? {
                Some(id) => SubFolder::There(of_that_name(id)),
                None => SubFolder::Absent(error),
            },
            Err(error) => SubFolder::Absent(error),
        })
    }

    /// The folder of this program in the target, made if it is missing. Costs a listing, and calls
    /// where it is made.
    pub(crate) async fn find_own_folder(&self) -> Result<FolderId, RemoteError> {
        let target = FoundFolder::Unread(self.places.root);
        Ok(target.step_into_own(&self.client).await?.id())
    }

    /// The folder of that name that is there already, where a probe has shown that `mkdir` would
    /// not say so; otherwise no call is made.
    pub(super) async fn found_before(
        &self,
        parent: FolderId,
        name: &RemoteName,
    ) -> Result<Option<FolderId>, RemoteError> {
        if !self.state.read(|s| Habits::read(s))?.mkdir_hides_what_is_there() {
            return Ok(None);
        }
        if let Some(names) = self.names_there().get(&parent) {
            return Ok(names.get(name).copied());
        }
        let listing = self.look_into(parent).await?;
        let names: HashMap<RemoteName, FolderId> =
            listing.folders.into_iter().map(|folder| (folder.name, folder.id)).collect();
        let found = names.get(name).copied();
        self.names_there().insert(parent, names);
        Ok(found)
    }

    /// Looks for a sub-folder by name. Costs one listing, or two.
    pub(crate) async fn find_folder(
        &self,
        parent: FolderId,
        name: &RemoteName,
    ) -> Result<Option<FolderId>, RemoteError> {
        Ok(self.look_into(parent).await?.folder(name))
    }

    fn remember_made(&self, parent: FolderId, made: &RemoteFolder) {
        let mut there = self.names_there();
        if let Some(names) = there.get_mut(&parent) {
            names.insert(made.name.clone(), made.id);
        }
        there.insert(made.id, HashMap::new());
    }

    fn names_there(&self) -> MutexGuard<'_, HashMap<FolderId, HashMap<RemoteName, FolderId>>> {
        self.names_there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sub-folder whose name was said to be taken, in a listing, or in that of the sub-folders alone:
/// the one may show more than the other (H.2). Costs a call if the first one does not show it.
async fn shown_by_either(
    client: &Client,
    listing: &FolderListing,
    name: &RemoteName,
) -> Result<Option<RemoteFolder>, Error> {
    if let Some(found) = taken_by(listing, name) {
        return Ok(Some(found));
    }
    Ok(taken_by(&client.list_sub_folders(listing.id).await?, name))
}

/// The folder that has this name, or one that is another form of it. Not one with the beginning of
/// the name, as if the rest was cut: it can be a folder of its own.
fn taken_by(listing: &FolderListing, name: &RemoteName) -> Option<RemoteFolder> {
    let folders = || listing.folders.iter();
    let alike = || folders().find(|folder| is_other_form(name, &folder.name));
    folders().find(|folder| folder.name == *name).or_else(alike).cloned()
}

/// The listing with all sub-folders: what it does not show is not there. Costs a call if the listing
/// may lack some: that of the sub-folders alone may show more (H.2).
///
/// # Errors
///
/// [`ErrorKind::UnexpectedReply`] if that one may lack some too: nothing is to be concluded then.
pub(crate) async fn with_all_folders(
    client: &Client,
    listing: FolderListing,
) -> Result<FolderListing, Error> {
    if !may_lack_folders(&listing) {
        return Ok(listing);
    }
    let more = client.list_sub_folders(listing.id).await?;
    let (is_whole, mut all) = (!may_lack_folders(&more), listing);
    for folder in more.folders {
        if all.folders.iter().all(|known| known.id != folder.id) {
            all.folders.push(folder);
        }
    }
    if is_whole { Ok(all) } else { Err(lacks_folders(&all)) }
}

/// The error of a listing from which nothing is concluded.
pub(crate) fn lacks_folders(listing: &FolderListing) -> Error {
    let (shown, name) = (counted(listing.folders.len() as u64, "sub-folder"), &listing.name);
    let detail = format!("the listing of the folder `{name}` shows {shown}, and may lack others");
    Error { endpoint: "folder/ls.cgi", attempts: 1, kind: ErrorKind::UnexpectedReply { detail } }
}

/// Whether there may be sub-folders that the listing does not show: it is incomplete by its own
/// account, or it shows a round number, at which the service may cut without a word (H.2).
fn may_lack_folders(listing: &FolderListing) -> bool {
    let shown = listing.folders.len();
    !listing.complete || shown >= LEAST_CUT && shown.is_multiple_of(CUT_STEP)
}

/// Whether the service has answered, and in a way that leaves open that the folder is there: it
/// refuses the name, or says OK without a number.
fn says_there(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::NameTaken { .. } | ErrorKind::UnexpectedReply { .. })
}

/// Whether a refusal or a lost reply leaves open that the folder is there now (K13, U15).
pub(super) fn may_exist(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::NameTaken { .. }) || error.outcome_unknown()
}
