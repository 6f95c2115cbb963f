//! The things that the service keeps: folders and files, as it describes them.
//!
//! Plain values. How they come out of a reply is decided in `wire`; how a
//! call reports them is said at the call.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash::Whirlpool;
use crate::link::FileUrl;
use crate::names::RemoteName;

/// The number of a folder: stable over renames and moves, never used again.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct FolderId(pub i64);

impl FolderId {
    /// The account's root folder (docs/api-notes.md, A.7).
    pub const ROOT: FolderId = FolderId(0);
}

impl fmt::Display for FolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A file in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// The file's identity; see [`FileUrl`].
    pub url: FileUrl,
    /// Its name as the service stores it. Two files of one folder may share a name.
    pub name: RemoteName,
    /// Length of the content.
    pub size_bytes: u64,
    /// Hash of the content; absent only if the service sent none or an unreadable one.
    pub whirlpool: Option<Whirlpool>,
    /// When it was sent to the service, which keeps no other time. Twice a year an hour is
    /// ambiguous: the service writes French local time (docs/api-notes.md, A.6).
    pub sent_at: Option<jiff::Timestamp>,
}

/// A sub-folder in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFolder {
    /// Its number, which stays when it is renamed or moved.
    pub id: FolderId,
    /// Its name as the service stores it; unique among its siblings.
    pub name: RemoteName,
}

/// The content of one folder, not recursively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderListing {
    /// The folder that was listed.
    pub id: FolderId,
    /// Its own name; `Root` for the root.
    pub name: String,
    /// Its sub-folders, in no particular order.
    pub folders: Vec<RemoteFolder>,
    /// Its files, in no particular order.
    pub files: Vec<RemoteFile>,
    /// Whether this is all there is. `false` when the service may have cut the list (5,000 rows),
    /// counts something else than it lists, or answered for another folder: a file that such a
    /// listing lacks may well exist (docs/api-notes.md, G.1 rows 3 and 28).
    pub complete: bool,
}

impl FolderListing {
    /// The sub-folder of that name, if the listing shows one.
    pub fn folder(&self, name: &RemoteName) -> Option<FolderId> {
        self.folders.iter().find(|folder| folder.name == *name).map(|folder| folder.id)
    }
}

/// The outcome for each file of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchOutcome {
    /// Links, as they were asked for, that the service reports as done.
    pub done: Vec<FileUrl>,
    /// Links that it does not report. They may be done all the same: look again.
    pub missing: Vec<FileUrl>,
    /// Where the service gave a file another link: old to new.
    pub new_urls: HashMap<FileUrl, FileUrl>,
    /// Links that the reply names, that nobody asked for, and of which it cannot be told what they
    /// stand for: new links of some of the missing ones, most likely.
    pub unasked: Vec<FileUrl>,
    /// The names that the reply tells, after a rename: they may be others than those asked for.
    pub names: HashMap<FileUrl, RemoteName>,
}

/// A file that was copied on the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The file that was copied.
    pub from: FileUrl,
    /// The new file.
    pub to: FileUrl,
}
