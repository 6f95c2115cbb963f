//! `fichierd remote link`: the link of a file, which is also its download address.

use clap::Args;
use serde::Serialize;

use super::Remote;
use super::place::{RemotePath, RemotePlace};
use crate::base::Exit;
use crate::cli::output;

#[derive(Args, Debug)]
pub(super) struct LinkArgs {
    /// The file
    path: RemotePath,
}

#[derive(Serialize)]
struct LinkDocument {
    schema: &'static str,
    path: String,
    url: String,
}

/// Prints the link of a file. Costs one listing for each folder above it.
pub(super) async fn run(args: LinkArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    let path = args.path.to_string();
    let file = remote.tree.file(&RemotePlace::Path(args.path)).await?;
    let url = file.url.as_str().to_owned();
    if remote.json {
        output::json(&LinkDocument { schema: "fichierd.remote-link/1", path, url })?;
    } else {
        output::line(&url)?;
    }
    Ok(Exit::Done)
}
