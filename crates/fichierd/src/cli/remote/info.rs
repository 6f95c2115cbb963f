//! `fichierd remote info`: all that is known about a file or folder.

use clap::Args;
use serde::Serialize;

use super::Remote;
use super::ls::FileLine;
use super::place::{FoundItem, RemotePlace, missing};
use crate::base::Exit;
use crate::cli::output;

#[derive(Args, Debug)]
pub(super) struct InfoArgs {
    /// A path in the account, or a link
    #[arg(value_name = "PATH|LINK")]
    place: RemotePlace,
}

#[derive(Serialize)]
struct EntryDocument {
    schema: &'static str,
    #[serde(flatten)]
    entry: Entry,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Entry {
    Folder { id: i64 },
    File(FileLine),
}

/// Shows a file or folder. Costs one listing for each folder above a path, or one call for a link.
pub(super) async fn run(args: InfoArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    let entry = match &args.place {
        RemotePlace::Link(_) => {
            Entry::File(FileLine::of(&remote.tree.file(&args.place).await?, false))
        }
        RemotePlace::Path(path) => match remote.tree.find(path).await? {
            Some(FoundItem::File { file, .. }) => Entry::File(FileLine::of(&file, false)),
            Some(FoundItem::Folder { id, .. }) => Entry::Folder { id: id.0 },
            None => return Err(missing(path)),
        },
    };
    if remote.json {
        output::json(&EntryDocument { schema: "fichierd.remote-entry/1", entry })?;
    } else {
        output::line(&text(&entry))?;
    }
    Ok(Exit::Done)
}

fn text(entry: &Entry) -> String {
    match entry {
        Entry::Folder { id } => format!("kind:      folder\nid:        {id}"),
        Entry::File(file) => file.details(),
    }
}
