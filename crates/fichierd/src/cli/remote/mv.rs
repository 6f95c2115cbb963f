//! `fichierd remote mv`: files and folders to another place or name.

use clap::Args;
use fichier_api::names::RemoteName;
use fichier_api::{BatchOutcome, FolderId, RemoteFile};

use super::Remote;
use super::place::{Destination, FoundItem, RemotePath, RemotePlace, missing};
use super::report::{Deed, deeds};
use crate::base::Exit;
use crate::cli::failure::ended;

#[derive(Args, Debug)]
pub(super) struct MvArgs {
    /// Files and folders: paths in the account, or links
    #[arg(value_name = "PATH|LINK", required = true)]
    from: Vec<RemotePlace>,
    /// An existing folder, or a new path for a single one
    #[arg(value_name = "FOLDER|PATH")]
    to: RemotePath,
    /// Also move files and folders of a mirror
    #[arg(long)]
    force: bool,
}

/// A file or folder to move.
enum Thing {
    /// A file, and the folder that it lies in, if that is known.
    File(RemoteFile, Option<FolderId>),
    Folder(FolderToMove),
}

struct FolderToMove {
    id: FolderId,
    parent: FolderId,
    name: RemoteName,
}

/// Moves files and folders. Costs one listing for each folder of the paths, and one or two calls
/// for each thing moved.
pub(super) async fn run(args: MvArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    for place in &args.from {
        remote.protect_mirrors(place, args.force)?;
    }
    let to = remote.tree.destination(&args.to, args.from.len()).await?;
    let mut results = Vec::new();
    for place in &args.from {
        let thing = thing(remote, place).await?;
        let deed = |done, note| Deed { note, ..Deed::new(place.to_string(), done) };
        results.push(match &thing {
            Thing::File(file, parent) => {
                let (done, stored) = move_file(remote, file, *parent, &to).await?;
                deed(done, stored.map(|name| format!("1fichier keeps it as {name}")))
            }
            Thing::Folder(folder) => {
                if let RemotePlace::Path(from) = place
                    && args.to.is_within(&from.to_string())
                {
                    let message = format!("{from} cannot be moved into itself");
                    return Err(ended(Exit::Failed, message));
                }
                move_folder(remote, folder, &to).await?;
                deed(true, None)
            }
        });
    }
    deeds("moved", &results, remote.json)
}

async fn thing(remote: &mut Remote<'_>, place: &RemotePlace) -> anyhow::Result<Thing> {
    let RemotePlace::Path(path) = place else {
        return Ok(Thing::File(remote.tree.file(place).await?, None));
    };
    match remote.tree.find(path).await? {
        Some(FoundItem::File { file, parent }) => Ok(Thing::File(file, Some(parent))),
        Some(FoundItem::Folder { id, .. }) if id == FolderId::ROOT => {
            Err(ended(Exit::Failed, "the root of the account cannot be moved"))
        }
        Some(FoundItem::Folder { id, parent, name }) => {
            Ok(Thing::Folder(FolderToMove { id, parent, name }))
        }
        None => Err(missing(path)),
    }
}

/// Moves a file. Returns whether that is confirmed, and the name that it got if that is another one
/// than was asked for.
async fn move_file(
    remote: &mut Remote<'_>,
    file: &RemoteFile,
    parent: Option<FolderId>,
    to: &Destination,
) -> anyhow::Result<(bool, Option<String>)> {
    let name = to.rename.as_ref().unwrap_or(&file.name);
    remote.tree.refuse_taken(to.folder, name).await?;
    let url = file.url.clone();
    let outcome: BatchOutcome = if parent == Some(to.folder) {
        remote.client.rename_files(&[(url.clone(), name.clone())]).await?
    } else if *name == file.name {
        remote.client.move_files(std::slice::from_ref(&url), to.folder).await?
    } else {
        remote.client.move_and_rename_file(&url, to.folder, name).await?
    };
    let stored = outcome.names.get(&url).filter(|stored| *stored != name);
    let stored = stored.map(|stored| stored.as_str().to_owned());
    Ok((outcome.missing.is_empty() || stored.is_some(), stored))
}

/// Moves and renames a folder, in two calls: the service does not do both at once (B.16).
async fn move_folder(
    remote: &mut Remote<'_>,
    folder: &FolderToMove,
    to: &Destination,
) -> anyhow::Result<()> {
    let new = to.rename.as_ref().unwrap_or(&folder.name);
    remote.tree.refuse_taken(to.folder, new).await?;
    if *new != folder.name {
        remote.client.rename_folder(folder.id, new).await?;
    }
    if folder.parent != to.folder {
        remote.client.move_folder(folder.id, to.folder).await?;
    }
    Ok(())
}
