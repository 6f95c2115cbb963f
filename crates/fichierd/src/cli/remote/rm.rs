//! `fichierd remote rm`: files, and folders that are empty.

use clap::Args;
use fichier_api::{FileUrl, FolderId, MAX_LINKS_PER_CALL};

use super::Remote;
use super::place::{FoundItem, RemotePath, RemotePlace, missing};
use super::report::{Deed, deeds, done};
use crate::base::Exit;
use crate::cli::failure::ended;

#[derive(Args, Debug)]
pub(super) struct RmArgs {
    /// Files and empty folders: paths in the account, or links
    #[arg(value_name = "PATH|LINK", required = true)]
    places: Vec<RemotePlace>,
    /// Also remove files of a mirror
    #[arg(long)]
    force: bool,
}

/// Removes files and empty folders, after looking all of them up. Costs one listing for each folder
/// of the paths, one call for up to 100 files, and one for each folder.
pub(super) async fn run(args: RmArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    let mut files: Vec<(String, FileUrl)> = Vec::new();
    let mut folders = Vec::new();
    for place in &args.places {
        remote.protect_mirrors(place, args.force)?;
        match place {
            RemotePlace::Link(url) => files.push((place.to_string(), url.clone())),
            RemotePlace::Path(path) => match remote.tree.find(path).await? {
                Some(FoundItem::File { file, .. }) => files.push((place.to_string(), file.url)),
                Some(FoundItem::Folder { id, .. }) => {
                    refuse_unless_empty(remote, id, path).await?;
                    folders.push((place.to_string(), id));
                }
                None => return Err(missing(path)),
            },
        }
    }
    let mut results = Vec::new();
    for batch in files.chunks(MAX_LINKS_PER_CALL) {
        let links: Vec<FileUrl> = batch.iter().map(|(_, url)| url.clone()).collect();
        let outcome = remote.client.remove_files(&links).await?;
        results.extend(
            batch.iter().map(|(what, url)| Deed::new(what.clone(), !outcome.missing.contains(url))),
        );
    }
    for (what, id) in folders {
        remote.client.remove_folder(id).await?;
        results.push(done(what));
    }
    deeds("removed", &results, remote.json)
}

async fn refuse_unless_empty(
    remote: &mut Remote<'_>,
    id: FolderId,
    path: &RemotePath,
) -> anyhow::Result<()> {
    if id == FolderId::ROOT {
        return Err(ended(Exit::Failed, "the root of the account cannot be removed"));
    }
    let listing = remote.tree.list(id).await?;
    if listing.complete && listing.folders.is_empty() && listing.files.is_empty() {
        return Ok(());
    }
    Err(ended(Exit::Failed, format!("{path} is not empty; only empty folders are removed")))
}
