//! `fichierd remote mkdir`: a new folder.

use clap::Args;
use fichier_api::FolderId;
use fichier_api::names::RemoteName;

use super::Remote;
use super::place::{FoundItem, RemotePath};
use super::report::{deeds, done};
use crate::base::Exit;
use crate::cli::failure::ended;

#[derive(Args, Debug)]
pub(super) struct MkdirArgs {
    /// The new folder
    path: RemotePath,
    /// Make the folders above as well, and accept a folder that exists
    #[arg(short, long)]
    parents: bool,
}

/// Makes a folder. Costs one listing for each folder above, and one call for each folder made.
pub(super) async fn run(args: MkdirArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    let path = &args.path;
    let existing = remote.tree.find_nearest(path).await?;
    match &existing.missing[..] {
        [] => match existing.found {
            FoundItem::Folder { .. } if args.parents => {}
            FoundItem::Folder { .. } | FoundItem::File { .. } => {
                return Err(ended(Exit::Failed, format!("{path} exists already")));
            }
        },
        [_, _, ..] if !args.parents => {
            let message = format!("a folder above {path} does not exist (--parents makes it)");
            return Err(ended(Exit::Failed, message));
        }
        names => {
            let FoundItem::Folder { id, .. } = existing.found else {
                return Err(ended(Exit::Failed, format!("something above {path} is a file")));
            };
            make(remote, id, names).await?;
        }
    }
    deeds("made", &[done(path.to_string())], remote.json)
}

async fn make(remote: &Remote<'_>, above: FolderId, names: &[String]) -> anyhow::Result<()> {
    let mut parent = above;
    for name in names {
        parent = remote.client.make_folder(parent, &RemoteName::encode(name.as_bytes())).await?.id;
    }
    Ok(())
}
