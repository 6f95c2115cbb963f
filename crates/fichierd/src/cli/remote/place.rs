//! Finds the file or folder that a person named by a path in the account, or by a link.
//!
//! The service has ids and no paths, so a path is walked by listings. Each folder is listed at most
//! once in a command, since a second listing within 30 seconds would have to wait
//! (docs/api-notes.md, A.5). A name is found as it is written locally (`a:b`, `it's`) and as the
//! service shows it.
//!
//! Invariant: a listing that is not complete never says that a name is free or missing (I11).

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use fichier_api::names::RemoteName;
use fichier_api::{Client, FileInfo, FileUrl, FolderId, FolderListing, RemoteFile};

use crate::base::{Exit, Form};
use crate::cli::failure::ended;
use crate::cli::output::harmless;

/// A path in the account; empty for its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemotePath(Vec<String>);

/// A path or a link, as typed.
#[derive(Clone, Debug)]
pub(super) enum RemotePlace {
    Path(RemotePath),
    Link(FileUrl),
}

/// The file or folder at a path.
#[derive(Clone, Debug)]
pub(super) enum FoundItem {
    /// A folder. The root is its own parent and has an empty name.
    Folder {
        id: FolderId,
        parent: FolderId,
        name: RemoteName,
    },
    File {
        file: RemoteFile,
        parent: FolderId,
    },
}

/// The folder into which something is moved or copied, and its name there.
pub(super) struct Destination {
    pub(super) folder: FolderId,
    /// The new name; `None` if the name stays.
    pub(super) rename: Option<RemoteName>,
}

/// The part of a path that exists.
pub(super) struct Nearest {
    pub(super) found: FoundItem,
    /// The names below it, which do not exist.
    pub(super) missing: Vec<String>,
}

impl RemotePath {
    /// The folder above and the last name; `None` for the root.
    pub(super) fn split(&self) -> Option<(RemotePath, &str)> {
        let (name, above) = self.0.split_last()?;
        Some((RemotePath(above.to_vec()), name))
    }

    /// Whether the path is `folder`, written as in the configuration, or lies below it.
    pub(super) fn is_within(&self, folder: &str) -> bool {
        let other: Vec<_> = folder.split('/').filter(|name| !name.is_empty()).collect();
        self.0.len() >= other.len() && self.0.iter().zip(other).all(|(own, other)| own == other)
    }

    /// Whether `folder` lies below the path.
    pub(super) fn contains(&self, folder: &str) -> bool {
        let other: Vec<_> = folder.split('/').filter(|name| !name.is_empty()).collect();
        other.len() > self.0.len() && self.0.iter().zip(other).all(|(own, other)| own == other)
    }
}

impl FromStr for RemotePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(names) = text.strip_prefix('/') else {
            return Err("a path in the account begins with `/`".to_owned());
        };
        let names: Vec<_> = names.split('/').filter(|name| !name.is_empty()).collect();
        if names.iter().any(|name| matches!(*name, "." | "..")) {
            return Err("`.` and `..` have no meaning in the account".to_owned());
        }
        Ok(RemotePath(names.into_iter().map(str::to_owned).collect()))
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", harmless(&self.0.join("/")))
    }
}

impl fmt::Display for RemotePlace {
    /// Hides a link, since anybody who has it can download the file (I10).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemotePlace::Path(path) => path.fmt(f),
            RemotePlace::Link(_) => f.write_str("the file behind the link"),
        }
    }
}

impl FromStr for RemotePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return text.parse().map(RemotePlace::Path);
        }
        let link = FileUrl::parse(text).map_err(|_| {
            "neither a path in the account, which begins with `/`, nor a link to a file".to_owned()
        })?;
        Ok(RemotePlace::Link(link))
    }
}

/// The folders that were listed so far.
pub(super) struct Tree {
    client: Client,
    listings: HashMap<FolderId, FolderListing>,
    form: Form,
}

impl Tree {
    pub(super) fn new(client: Client) -> Self {
        Tree { client, listings: HashMap::new(), form: Form::Plain }
    }

    /// From now on a name is found as well by the one that it deciphers to.
    pub(super) fn read_names_by(&mut self, form: Form) {
        self.form = form;
    }

    /// The contents of the folder. Costs one call, unless it was listed before.
    pub(super) async fn list(&mut self, id: FolderId) -> anyhow::Result<&FolderListing> {
        if !self.listings.contains_key(&id) {
            let listing = self.client.list_folder(id).await?;
            self.listings.insert(id, listing);
        }
        Ok(&self.listings[&id])
    }

    /// The folder at `path`. Costs one listing for each folder above it.
    ///
    /// # Errors
    ///
    /// [`Exit::Failed`] if it does not exist, is a file, or this cannot be known.
    pub(super) async fn folder(&mut self, path: &RemotePath) -> anyhow::Result<FolderId> {
        match self.find(path).await? {
            Some(FoundItem::Folder { id, .. }) => Ok(id),
            Some(FoundItem::File { .. }) => Err(ended(Exit::Failed, format!("{path} is a file"))),
            None => Err(missing(path)),
        }
    }

    /// The file or folder at `path`; `None` if it is certain that none is there.
    ///
    /// # Errors
    ///
    /// [`Exit::Failed`] if a folder above is missing, a listing was not complete, or several files
    /// have that name.
    pub(super) async fn find(&mut self, path: &RemotePath) -> anyhow::Result<Option<FoundItem>> {
        let nearest = self.find_nearest(path).await?;
        match (&nearest.missing[..], &nearest.found) {
            ([], _) => Ok(Some(nearest.found)),
            ([_], FoundItem::Folder { .. }) => Ok(None),
            _ => Err(missing(path)),
        }
    }

    /// Walks along `path` as far as it exists.
    ///
    /// # Errors
    ///
    /// [`Exit::Failed`] if a listing was not complete, or several files have one of the names.
    pub(super) async fn find_nearest(&mut self, path: &RemotePath) -> anyhow::Result<Nearest> {
        let root = FolderId::ROOT;
        let mut found = FoundItem::Folder { id: root, parent: root, name: RemoteName::encode(b"") };
        for (depth, name) in path.0.iter().enumerate() {
            let rest = || path.0[depth..].to_vec();
            let FoundItem::Folder { id, .. } = found else {
                return Ok(Nearest { found, missing: rest() });
            };
            let walked = RemotePath(path.0[..=depth].to_vec());
            let form = self.form.clone();
            match in_listing(self.list(id).await?, (name, &form), &walked)? {
                Some(next) => found = next,
                None => return Ok(Nearest { found, missing: rest() }),
            }
        }
        Ok(Nearest { found, missing: Vec::new() })
    }

    /// The file at `place`. A link costs one call, `file/info`.
    ///
    /// # Errors
    ///
    /// [`Exit::Failed`] if there is none.
    pub(super) async fn file(&mut self, place: &RemotePlace) -> anyhow::Result<RemoteFile> {
        match place {
            RemotePlace::Link(url) => listed(self.client.file_info(url).await?),
            RemotePlace::Path(path) => match self.find(path).await? {
                Some(FoundItem::File { file, .. }) => Ok(file),
                Some(FoundItem::Folder { .. }) => {
                    Err(ended(Exit::Failed, format!("{path} is a folder")))
                }
                None => Err(missing(path)),
            },
        }
    }

    /// The destination of `count` files that are moved or copied to `path`: the folder at `path`,
    /// or, for one file, a new name.
    ///
    /// # Errors
    ///
    /// [`Exit::Failed`] if `path` is a file, or if several files would get one name.
    pub(super) async fn destination(
        &mut self,
        path: &RemotePath,
        count: usize,
    ) -> anyhow::Result<Destination> {
        match (self.find(path).await?, path.split()) {
            (Some(FoundItem::Folder { id, .. }), _) => Ok(Destination { folder: id, rename: None }),
            (Some(FoundItem::File { .. }), _) => {
                Err(ended(Exit::Failed, format!("{path} exists already")))
            }
            (None, Some((above, name))) if count == 1 => Ok(Destination {
                folder: self.folder(&above).await?,
                rename: Some(RemoteName::encode(name.as_bytes())),
            }),
            (None, _) => Err(ended(Exit::Failed, format!("{path} is not an existing folder"))),
        }
    }

    /// Refuses a name that is in use in the folder.
    ///
    /// # Errors
    ///
    /// [`Exit::Failed`] if it is in use, or if this cannot be known.
    pub(super) async fn refuse_taken(
        &mut self,
        folder: FolderId,
        name: &RemoteName,
    ) -> anyhow::Result<()> {
        let shown = RemotePath(vec![local(name)]);
        let as_typed = (name.as_str(), &Form::Plain);
        match in_listing(self.list(folder).await?, as_typed, &shown)? {
            None => Ok(()),
            Some(_) => Err(ended(
                Exit::Failed,
                format!("`{}` is in use in that folder", harmless(&local(name))),
            )),
        }
    }
}

/// The name as it would be written locally, for people.
pub(super) fn local(name: &RemoteName) -> String {
    String::from_utf8_lossy(&name.decode()).into_owned()
}

fn listed(info: FileInfo) -> anyhow::Result<RemoteFile> {
    let Some(size_bytes) = info.size_bytes else {
        return Err(ended(Exit::Failed, "1fichier does not say how large the file is".to_owned()));
    };
    Ok(RemoteFile {
        url: info.url,
        name: info.name,
        size_bytes,
        whirlpool: info.whirlpool,
        sent_at: info.sent_at,
    })
}

/// The error for a path at which there is nothing.
pub(super) fn missing(path: &RemotePath) -> anyhow::Error {
    ended(Exit::Failed, format!("there is no {path} in the account"))
}

/// Finds a name as it was typed: a local one, as it is stored in plain or in this form, or one as the
/// service shows it.
fn in_listing(
    listing: &FolderListing,
    (name, form): (&str, &Form),
    path: &RemotePath,
) -> anyhow::Result<Option<FoundItem>> {
    let parent = listing.id;
    let typed = [RemoteName::encode(name.as_bytes()), RemoteName::from_service(name.to_owned())];
    let (as_file, as_folder) = (form.file_name(name.as_bytes()), form.folder_name(name.as_bytes()));
    let is_folder = |other: &RemoteName| typed.contains(other) || *other == as_folder;
    let is_meant = |other: &RemoteName| typed.contains(other) || *other == as_file;
    if let Some(folder) = listing.folders.iter().find(|folder| is_folder(&folder.name)) {
        let (id, name) = (folder.id, folder.name.clone());
        return Ok(Some(FoundItem::Folder { id, parent, name }));
    }
    let mut files = listing.files.iter().filter(|file| is_meant(&file.name));
    match (files.next(), files.count()) {
        (Some(file), 0) => Ok(Some(FoundItem::File { file: file.clone(), parent })),
        (Some(_), others) => {
            let count = others + 1;
            let message =
                format!("{count} files are called {path}; name one by its link (ls --links)");
            Err(ended(Exit::Failed, message))
        }
        (None, _) if listing.complete => Ok(None),
        (None, _) => {
            let message = format!("{path} was not found, but the service did not list everything");
            Err(ended(Exit::Failed, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_is_whole_and_plain() {
        assert_eq!(path("//a//b/").to_string(), "/a/b");
        assert_eq!(path("/").to_string(), "/");
        assert_eq!(
            "a/b".parse::<RemotePath>().unwrap_err(),
            "a path in the account begins with `/`"
        );
        assert!("/a/../b".parse::<RemotePath>().unwrap_err().contains("no meaning"));
    }

    #[test]
    fn what_a_mirror_keeps_is_recognised() {
        assert!(path("/backups/photos/a.jpg").is_within("/backups/photos"));
        assert!(path("/backups/photos").is_within("/backups/photos"));
        assert!(!path("/backups/photos-b").is_within("/backups/photos"));
        assert!(path("/backups").contains("/backups/photos"));
        assert!(!path("/backups/photos").contains("/backups/photos"));
    }

    fn listing(names: &[&str], complete: bool) -> FolderListing {
        let url = FileUrl::parse("https://1fichier.com/?2zk52quqlm0cbjr93ri5").unwrap();
        let files = names.iter().map(|name| RemoteFile {
            url: url.clone(),
            name: RemoteName::encode(name.as_bytes()),
            size_bytes: 1,
            whirlpool: None,
            sent_at: None,
        });
        FolderListing {
            id: FolderId(7),
            name: "a".to_owned(),
            folders: Vec::new(),
            files: files.collect(),
            complete,
        }
    }

    fn look(names: &[&str], complete: bool, name: &str) -> Result<bool, String> {
        let typed = (name, &Form::Plain);
        let found = in_listing(&listing(names, complete), typed, &path("/a/x"));
        found.map(|found| found.is_some()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_is_found_as_it_is_written_here_and_as_the_service_shows_it() {
        assert_eq!(look(&["it's"], true, "it's"), Ok(true));
        assert_eq!(look(&["it's"], true, RemoteName::encode(b"it's").as_str()), Ok(true));
        assert_eq!(look(&["it's"], true, "its"), Ok(false));
    }

    #[test]
    fn what_cannot_be_known_is_never_taken_for_missing() {
        let doubt = "/a/x was not found, but the service did not list everything";
        assert_eq!(look(&["b"], false, "x"), Err(doubt.to_owned()));
        assert_eq!(look(&["x"], false, "x"), Ok(true));
        let two = "2 files are called /a/x; name one by its link (ls --links)";
        assert_eq!(look(&["x", "b", "x"], true, "x"), Err(two.to_owned()));
    }
}
