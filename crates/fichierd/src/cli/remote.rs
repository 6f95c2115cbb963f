//! `fichierd remote`: looking at the account, and working in it by hand.
//!
//! These commands call 1fichier themselves, even while the service runs, and wait for the same
//! pacer. To walk a path costs one listing for each folder, and listings are three seconds apart
//! (docs/api-notes.md, A.5): `remote` is made for a look and not for a loop.
//!
//! The files of a mirror in the account are protected from a slip: to move or remove them takes
//! `--force`, since the backup would lack them until the service notices.

mod account;
mod cp;
mod download;
mod info;
mod link;
mod ls;
mod mkdir;
mod mv;
mod place;
mod report;
mod rm;
mod upload;

#[cfg(test)]
mod tests;

use clap::{Args, Subcommand};
use fichier_api::Client;

use self::place::{RemotePlace, Tree};
use super::failure::ended;
use super::progress::Shown;
use crate::base::Exit;
use crate::config::Config;
use crate::config::connect::connect;

#[derive(Args, Debug)]
pub(crate) struct RemoteArgs {
    #[command(subcommand)]
    command: RemoteCommand,
    /// As JSON; docs/json.md describes the forms
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RemoteCommand {
    /// Show the account: offer, quota, end of the subscription
    Account,
    /// List a folder
    Ls(ls::LsArgs),
    /// Show all that is known about a file or folder
    Info(info::InfoArgs),
    /// Make a folder
    Mkdir(mkdir::MkdirArgs),
    /// Copy files on the service, without sending them
    Cp(cp::CpArgs),
    /// Move or rename files and folders
    Mv(mv::MvArgs),
    /// Remove files, and folders that are empty
    Rm(rm::RmArgs),
    /// Send files, and compare what arrived
    Upload(upload::UploadArgs),
    /// Fetch a file, and compare what arrived
    Download(download::DownloadArgs),
    /// Print the link of a file, with which anybody can download it
    Link(link::LinkArgs),
}

/// The things that all of these commands work with.
struct Remote<'a> {
    client: Client,
    tree: Tree,
    config: &'a Config,
    json: bool,
}

pub(crate) async fn run(args: RemoteArgs, config: &Config) -> anyhow::Result<Exit> {
    let (client, pacer) = connect(config)?;
    let _shown = Shown::waits(&pacer, || "waiting for 1fichier".to_owned());
    let tree = Tree::new(client.clone());
    let mut remote = Remote { client, tree, config, json: args.json };
    match args.command {
        RemoteCommand::Account => account::run(&remote).await,
        RemoteCommand::Ls(args) => ls::run(args, &mut remote).await,
        RemoteCommand::Info(args) => info::run(args, &mut remote).await,
        RemoteCommand::Mkdir(args) => mkdir::run(args, &mut remote).await,
        RemoteCommand::Cp(args) => cp::run(args, &mut remote).await,
        RemoteCommand::Mv(args) => mv::run(args, &mut remote).await,
        RemoteCommand::Rm(args) => rm::run(args, &mut remote).await,
        RemoteCommand::Upload(args) => upload::run(args, &mut remote).await,
        RemoteCommand::Download(args) => download::run(args, &mut remote).await,
        RemoteCommand::Link(args) => link::run(args, &mut remote).await,
    }
}

impl Remote<'_> {
    /// Refuses a path in the target of a mirror, or above it, unless `force` is set. A link is not
    /// refused, since it does not tell the folder of its file.
    ///
    /// # Errors
    ///
    /// [`Exit::Failed`], with the name of the mirror.
    fn protect_mirrors(&self, place: &RemotePlace, force: bool) -> anyhow::Result<()> {
        let RemotePlace::Path(path) = place else { return Ok(()) };
        let kept = self
            .config
            .mirrors
            .iter()
            .find(|mirror| path.is_within(&mirror.target) || path.contains(&mirror.target));
        match kept {
            Some(mirror) if !force => Err(ended(
                Exit::Failed,
                format!(
                    "{path} belongs to mirror `{}`, whose backup would lack it; to do it all the \
                     same, add --force",
                    mirror.name
                ),
            )),
            _ => Ok(()),
        }
    }
}
