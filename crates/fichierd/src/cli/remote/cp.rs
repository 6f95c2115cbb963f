//! `fichierd remote cp`: copies of files on the service, made without sending the files.

use clap::Args;
use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, MAX_LINKS_PER_CALL};

use super::Remote;
use super::place::{RemotePath, RemotePlace};
use super::report::{Deed, deeds};
use crate::base::Exit;
use crate::cli::output::harmless;

#[derive(Args, Debug)]
pub(super) struct CpArgs {
    /// Files: paths in the account, or links
    #[arg(value_name = "PATH|LINK", required = true)]
    from: Vec<RemotePlace>,
    /// An existing folder, or a new name for a single file
    #[arg(value_name = "FOLDER|PATH")]
    to: RemotePath,
}

/// Copies files. Costs one listing for each folder of the paths, and one call for up to 100 files.
pub(super) async fn run(args: CpArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    let to = remote.tree.destination(&args.to, args.from.len()).await?;
    let mut files = Vec::new();
    for place in &args.from {
        let file = remote.tree.file(place).await?;
        let name = to.rename.as_ref().unwrap_or(&file.name);
        remote.tree.refuse_taken(to.folder, name).await?;
        files.push((place.to_string(), file.url));
    }
    let mut results = Vec::new();
    for batch in files.chunks(MAX_LINKS_PER_CALL) {
        let links: Vec<FileUrl> = batch.iter().map(|(_, url)| url.clone()).collect();
        let rename: Option<&RemoteName> = to.rename.as_ref();
        let copied = remote.client.copy_files(&links, to.folder, rename).await?;
        results.extend(batch.iter().map(|(what, url)| {
            Deed::new(harmless(what), copied.iter().any(|copy| copy.from == *url))
        }));
    }
    deeds("copied", &results, remote.json)
}
