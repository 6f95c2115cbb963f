//! `fichierd prune`: remove the files that a new exclude has left on the service.

use clap::Args;

use super::{beside, service};
use crate::base::Exit;
use crate::config::Config;
use crate::daemon::Work;
use crate::daemon::control::Request;

#[derive(Args, Debug)]
pub(crate) struct PruneArgs {
    /// Name of the mirror
    mirror: String,
    /// Say what would be removed; change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: PruneArgs, config: &Config) -> anyhow::Result<Exit> {
    service::known_mirror(config, &args.mirror)?;
    if args.dry_run {
        return beside::prune_dry_run(config, &args.mirror);
    }
    match service::forward(config, &Request::Prune { mirror: args.mirror.clone() }).await? {
        Some(exit) => Ok(exit),
        None => beside::work(config, &args.mirror, Work::Prune).await,
    }
}
