//! `fichierd sync`: compare and send now.

use clap::Args;

use super::failure::ended;
use super::{beside, service};
use crate::base::Exit;
use crate::config::Config;
use crate::daemon::control::Request;

#[derive(Args, Debug)]
pub(crate) struct SyncArgs {
    /// Only these mirrors [default: all]
    #[arg(value_name = "MIRROR")]
    mirrors: Vec<String>,
    /// Say what would be done, with calls, bytes and time; change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: SyncArgs, config: &Config) -> anyhow::Result<Exit> {
    if let Some(why) = config.without_mirrors() {
        return Err(ended(Exit::Config, why));
    }
    for name in &args.mirrors {
        service::known_mirror(config, name)?;
    }
    if args.dry_run {
        return beside::dry_run(config, &args.mirrors);
    }
    let request = Request::Sync { mirrors: args.mirrors.clone() };
    match service::forward(config, &request).await? {
        Some(exit) => Ok(exit),
        None => beside::sync(config, &args.mirrors).await,
    }
}
