//! Folders: list, make, move, rename, remove, share (docs/api-notes.md, B.13 to B.17).
//!
//! A listing says whether it is complete, and everything that could make it look emptier than the
//! folder is counts against that: a file that an incomplete listing lacks may well exist. None of
//! the calls that change folders is repeated after a lost reply: list the parent to see what was
//! done.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::names::RemoteName;
use crate::pace::Lane;
use crate::types::{FolderId, FolderListing, RemoteFolder};
use crate::wire::{Done, MAX_ROWS_PER_LISTING, fields, rows};

const LIST: &str = "folder/ls.cgi";
const MAKE: &str = "folder/mkdir.cgi";
const MOVE: &str = "folder/mv.cgi";
const REMOVE: &str = "folder/rm.cgi";
const SHARE: &str = "folder/share.cgi";

/// Who may see a folder besides its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    /// Whether anybody with its public address may.
    pub is_public: bool,
    /// A password for the public address: at least 6 characters.
    pub password: Option<String>,
    /// Other users of the service. An empty list ends all shares with users.
    pub users: Vec<SharedWith>,
}

/// A user of the service with whom a folder is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedWith {
    /// The address of the user's account.
    pub email: String,
    /// Whether the user may change the content of the folder.
    pub may_write: bool,
    /// Whether the user may not see the links of the files; such a user may not write.
    pub links_are_hidden: bool,
}

#[derive(Deserialize)]
pub(crate) struct ListReply {
    #[serde(deserialize_with = "fields::number")]
    folder_id: i64,
    #[serde(default, deserialize_with = "fields::text")]
    name: String,
    #[serde(deserialize_with = "fields::number")]
    files: u64,
    #[serde(default, deserialize_with = "fields::list")]
    sub_folders: Vec<Value>,
    #[serde(default, deserialize_with = "fields::list")]
    items: Vec<Value>,
}

#[derive(Deserialize)]
pub(crate) struct MakeReply {
    #[serde(deserialize_with = "fields::number")]
    folder_id: i64,
    name: Option<String>,
}

#[derive(Deserialize)]
struct ShareReply {
    #[serde(rename = "status")]
    _status: String,
    #[serde(default, deserialize_with = "fields::text")]
    url: String,
}

impl Client {
    /// Lists a folder: its sub-folders and its files, not recursively. Costs one call, which
    /// waits until a listing is due (3 s after the last one, 30 s after the last one of this
    /// folder).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such folder; some replies to that are only
    /// recognised as an incomplete listing ([`FolderListing::complete`]).
    ///
    /// Source: docs/api-notes.md, B.13, A.5. For larger folders see [`Client::list_folder_whole`].
    pub async fn list_folder(&self, id: FolderId) -> Result<FolderListing, Error> {
        Ok(self.list_counted(id).await?.listing)
    }

    pub(crate) async fn list_counted(&self, id: FolderId) -> Result<Counted, Error> {
        let request = json!({"folder_id": id, "files": 1});
        let reply: ListReply = self.call(LIST, Lane::Listing(id), true, &request).await?;
        Ok(reply.counted(id))
    }

    /// Makes a folder. Costs one call.
    ///
    /// The service may clean the name: compare that of the result with the one asked for.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::NameTaken`]: there is one of that name, or the name is not allowed; which of
    ///   the two, only a listing of the parent can tell.
    /// * [`ErrorKind::UnexpectedReply`]: the folder may exist, but the service did not say its id.
    ///
    /// Source: docs/api-notes.md, B.14.
    pub async fn make_folder(
        &self,
        parent: FolderId,
        name: &RemoteName,
    ) -> Result<RemoteFolder, Error> {
        let request = json!({"folder_id": parent, "name": name.as_str()});
        let reply: Result<MakeReply, Error> = self.call(MAKE, Lane::Call, false, &request).await;
        let reply = reply.map_err(|error| Error { kind: name_taken(error.kind), ..error })?;
        reply.folder(name).map_err(|kind| Error { endpoint: MAKE, attempts: 1, kind })
    }

    /// Moves a folder with all that is in it. Costs one call.
    ///
    /// It is not known what happens if `into` has a folder of that name: look first
    /// (docs/api-notes.md, B.16, G.1 row 13).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if one of the two does not exist; [`ErrorKind::NameTaken`] for a
    /// refusal in other words.
    pub async fn move_folder(&self, id: FolderId, into: FolderId) -> Result<(), Error> {
        let request = json!({"folder_id": id, "destination_folder_id": into});
        self.change_folder(&request).await
    }

    /// Renames a folder where it is. Costs one call: moving and renaming are two, because the
    /// service ignores the destination when there is a new name (docs/api-notes.md, B.16).
    ///
    /// # Errors
    ///
    /// As [`Client::move_folder`].
    pub async fn rename_folder(&self, id: FolderId, name: &RemoteName) -> Result<(), Error> {
        let request = json!({"folder_id": id, "rename": name.as_str()});
        self.change_folder(&request).await
    }

    /// Removes an empty folder. Costs one call.
    ///
    /// The service is assumed to refuse a folder that is not empty, but never count on that: list
    /// it first (docs/api-notes.md, B.17, G.1 row 10). A folder whose files were just removed may
    /// be refused for some more seconds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it does not exist; [`ErrorKind::Refused`] for example while it
    /// is not empty.
    pub async fn remove_folder(&self, id: FolderId) -> Result<(), Error> {
        let _: Done = self.call(REMOVE, Lane::Call, false, &json!({"folder_id": id})).await?;
        Ok(())
    }

    /// Sets who may see a folder; shares that are not named here end. Costs one call. Returns the
    /// public address, if there is one: anybody who has it can see the folder.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it does not exist.
    ///
    /// Source: docs/api-notes.md, B.15.
    pub async fn share_folder(
        &self,
        id: FolderId,
        sharing: &Sharing,
    ) -> Result<Option<String>, Error> {
        let users: Vec<_> = sharing.users.iter().map(share_row).collect();
        let mut request =
            json!({"folder_id": id, "share": u8::from(sharing.is_public), "shares": users});
        if let Some(password) = &sharing.password {
            request["pass"] = password.as_str().into();
        }
        let reply: ShareReply = self.call(SHARE, Lane::Call, true, &request).await?;
        Ok(Some(reply.url).filter(|url| !url.is_empty()))
    }

    async fn change_folder(&self, request: &impl Serialize) -> Result<(), Error> {
        let done: Result<Done, Error> = self.call(MOVE, Lane::Call, false, request).await;
        done.map(|_| ()).map_err(|error| Error { kind: name_taken(error.kind), ..error })
    }
}

/// A listing, and the number of files that it may lack.
pub(crate) struct Counted {
    pub(crate) listing: FolderListing,
    /// How many files there are, as the service counts them.
    pub(crate) files: u64,
    /// How many it showed, if it may have more and nothing else is wrong with the listing. The
    /// service may show fewer than usual (docs/api-notes.md, A.5).
    pub(crate) cut_at: Option<u64>,
}

impl ListReply {
    pub(crate) fn counted(self, asked: FolderId) -> Counted {
        let listed = self.items.len() as u64;
        let (files, folders) = (rows::files(self.items), rows::folders(self.sub_folders));
        let is_asked = self.folder_id == asked.0;
        let are_read = files.rows.len() as u64 == listed && folders.complete && is_asked;
        let may_be_cut = listed < self.files || listed >= MAX_ROWS_PER_LISTING as u64;
        let listing = FolderListing {
            id: FolderId(self.folder_id),
            name: self.name,
            complete: files.complete && folders.complete && listed == self.files && is_asked,
            folders: folders.rows,
            files: files.rows,
        };
        let cut_at = Some(listed).filter(|listed| are_read && may_be_cut && *listed > 0);
        Counted { listing, files: self.files, cut_at }
    }
}

impl MakeReply {
    pub(crate) fn folder(self, asked: &RemoteName) -> Result<RemoteFolder, ErrorKind> {
        // With a number of 0 everything for this folder would go to the root.
        if self.folder_id <= 0 {
            return Err(ErrorKind::unexpected("a new folder without a number of its own"));
        }
        let name = self.name.map_or_else(|| asked.clone(), RemoteName::from_service);
        Ok(RemoteFolder { id: FolderId(self.folder_id), name })
    }
}

/// A refusal of a folder in unknown words is most likely that of its name
/// (docs/api-notes.md, B.14).
fn name_taken(kind: ErrorKind) -> ErrorKind {
    if let ErrorKind::Refused { message, .. } = kind {
        ErrorKind::NameTaken { message }
    } else {
        kind
    }
}

fn share_row(user: &SharedWith) -> serde_json::Value {
    json!({
        "email": user.email,
        "rw": u8::from(user.may_write && !user.links_are_hidden),
        "hide_links": u8::from(user.links_are_hidden),
    })
}
