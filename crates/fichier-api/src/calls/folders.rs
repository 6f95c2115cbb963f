//! Folders: list, make, move, rename, remove, share (docs/api-notes.md, B.13 to B.17).
//!
//! A listing says whether it is complete, and everything that could make it look emptier than the
//! folder is counts against that: a file that an incomplete listing lacks may well exist. None of
//! the calls that change folders is repeated after a lost reply: list the parent to see what was
//! done.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::calls::file_list::{FileListing, SentBetween};
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

/// What the service calls the account's root (docs/api-notes.md, B.13).
const ROOT_NAME: &str = "Root";

/// The most characters of a folder's name in an error.
const MAX_NAME_SHOWN: usize = 80;

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

/// The reply to a listing. Needs any one of its lists, numbers or counts: a reply without all of
/// them describes no folder. What is missing makes the listing incomplete, not wrong.
#[derive(Deserialize)]
#[serde(try_from = "Fields")]
pub(crate) struct ListReply(Fields);

#[derive(Deserialize)]
struct Fields {
    #[serde(default, deserialize_with = "fields::optional_id")]
    folder_id: Option<i64>,
    #[serde(default, deserialize_with = "fields::text")]
    name: String,
    /// How many files there are; a list in its place is that of the files.
    #[serde(default)]
    files: Value,
    /// Missing, or null, where there are none (A.8).
    #[serde(default, deserialize_with = "fields::optional_list")]
    sub_folders: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "fields::optional_list")]
    items: Option<Vec<Value>>,
}

impl TryFrom<Fields> for ListReply {
    type Error = &'static str;

    fn try_from(mut read: Fields) -> Result<ListReply, &'static str> {
        if read.items.is_none() && (read.files.is_array() || read.files.is_object()) {
            read.items = fields::items(read.files.take());
        }
        let is_any = read.folder_id.is_some()
            || read.counted().is_some()
            || read.items.is_some()
            || read.sub_folders.is_some();
        is_any.then_some(ListReply(read)).ok_or("it describes no folder")
    }
}

impl Fields {
    fn counted(&self) -> Option<u64> {
        fields::id(&self.files).and_then(|count| u64::try_from(count).ok())
    }
}

/// The reply to a new folder. Needs its number, which is above 0: with that of the root,
/// everything for this folder would go there.
#[derive(Deserialize)]
#[serde(try_from = "Made")]
pub(crate) struct MakeReply(Made);

#[derive(Deserialize)]
struct Made {
    #[serde(default, deserialize_with = "fields::optional_id")]
    folder_id: Option<i64>,
    #[serde(default, deserialize_with = "fields::optional_id")]
    id: Option<i64>,
    #[serde(default, deserialize_with = "fields::optional_text")]
    name: Option<String>,
}

impl TryFrom<Made> for MakeReply {
    type Error = &'static str;

    fn try_from(made: Made) -> Result<MakeReply, &'static str> {
        let id = made.folder_id.or(made.id).filter(|id| *id > 0);
        let made = Made { folder_id: id, ..made };
        id.map(|_| MakeReply(made)).ok_or("a new folder without a number of its own")
    }
}

/// The reply to the sharing of a folder. Needs `status: OK`.
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
    /// folder); one more if the reply does not list the files at all.
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

    /// Lists the sub-folders of a folder alone: a second witness, should [`Client::list_folder`] show
    /// too few. Without files, its `complete` is about the sub-folders. Costs one call, which waits
    /// as that one does.
    ///
    /// # Errors
    ///
    /// As [`Client::list_folder`].
    pub async fn list_sub_folders(&self, id: FolderId) -> Result<FolderListing, Error> {
        let request = json!({"folder_id": id});
        let reply: ListReply = self.call(LIST, Lane::Listing(id), true, &request).await?;
        let Counted { listing, shows_all_folders, .. } = reply.counted(id);
        Ok(FolderListing { complete: shows_all_folders, files: Vec::new(), ..listing })
    }

    pub(crate) async fn list_counted(&self, id: FolderId) -> Result<Counted, Error> {
        let request = json!({"folder_id": id, "files": 1});
        let reply: ListReply = self.call(LIST, Lane::Listing(id), true, &request).await?;
        let counted = reply.counted(id);
        if !counted.hides_files {
            return Ok(counted);
        }
        // The other listing call may show what this one does not (H.2).
        match self.list_files(id, SentBetween::default()).await {
            Ok(files) => Ok(counted.with(files)),
            Err(error) if error.outcome_unknown() => Ok(counted),
            Err(error) => Err(error),
        }
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
        let reply = reply.map_err(|error| named(error, name))?;
        Ok(reply.folder(name))
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
    /// Whether the files are not listed at all, though there may be some.
    pub(crate) hides_files: bool,
    /// Whether the sub-folders are all shown, as far as the reply tells.
    pub(crate) shows_all_folders: bool,
}

impl Counted {
    /// The listing with the files that the other call shows. That call does not say of which folder
    /// they are, so that one without files proves nothing.
    fn with(self, files: FileListing) -> Counted {
        let listed = files.files.len() as u64;
        let complete = files.complete && listed > 0 && listed >= self.files;
        let is_cut = listed < self.files || listed >= MAX_ROWS_PER_LISTING as u64;
        let cut_at = Some(listed).filter(|listed| is_cut && *listed > 0);
        let listing = FolderListing { files: files.files, complete, ..self.listing };
        let (files, shows_all_folders) = (self.files.max(listed), self.shows_all_folders);
        Counted { listing, files, cut_at, hides_files: false, shows_all_folders }
    }
}

impl ListReply {
    pub(crate) fn counted(self, asked: FolderId) -> Counted {
        let read = self.0;
        // A listing of another folder says nothing about this one.
        let is_other = read.folder_id.is_some_and(|id| id != asked.0);
        let counted = read.counted();
        let is_uncounted = read.files.is_null();
        let (mut items, sub_folders) = (read.items, read.sub_folders);
        if is_other {
            items = items.map(|_| Vec::new());
        }
        let lists_files = items.is_some();
        let items = items.unwrap_or_default();
        let listed = items.len() as u64;
        let sub_folders = sub_folders.filter(|_| !is_other).unwrap_or_default();
        let (files, folders) = (rows::files(items), rows::folders(sub_folders));
        // Without its number a folder is known by having a name, which an unknown one has not.
        let is_root = read.name == ROOT_NAME;
        let is_named = !read.name.is_empty() && is_root == (asked == FolderId::ROOT);
        let is_asked = read.folder_id.map_or(is_named, |id| id == asked.0);
        let count = counted.unwrap_or(listed);
        let is_counted = match counted {
            Some(count) => listed == count && (lists_files || count == 0),
            // A count that is there and cannot be read is none that agrees.
            None => lists_files && is_uncounted,
        };
        let are_read = files.rows.len() as u64 == listed && folders.complete && is_asked;
        let may_be_cut = listed < count || listed >= MAX_ROWS_PER_LISTING as u64;
        let shows_all_folders = folders.complete && is_asked;
        let listing = FolderListing {
            id: asked,
            name: read.name,
            complete: files.complete && folders.complete && is_counted && is_asked,
            folders: folders.rows,
            files: files.rows,
        };
        let cut_at = Some(listed).filter(|listed| are_read && may_be_cut && *listed > 0);
        let hides_files = !is_other && !lists_files && counted != Some(0);
        Counted { listing, files: count, cut_at, hides_files, shows_all_folders }
    }
}

impl MakeReply {
    pub(crate) fn folder(self, asked: &RemoteName) -> RemoteFolder {
        let name = self.0.name.map_or_else(|| asked.clone(), RemoteName::from_service);
        RemoteFolder { id: FolderId(self.0.folder_id.unwrap_or_default()), name }
    }
}

/// The error of a folder that was not made, with its name.
fn named(error: Error, name: &RemoteName) -> Error {
    let name: String = name.as_str().chars().take(MAX_NAME_SHOWN).collect();
    let kind = name_taken(error.kind);
    let kind = if let ErrorKind::NameTaken { message } = kind {
        ErrorKind::NameTaken { message: format!("`{name}`: {message}") }
    } else if let ErrorKind::UnexpectedReply { detail } = kind {
        ErrorKind::unexpected(format!("for the new folder `{name}`, {detail}"))
    } else {
        kind
    };
    Error { kind, ..error }
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
