//! `fichierd sync`: compare and send now.

use std::io::Write as _;

use clap::Args;

use super::failure::ended;
use super::{beside, dry_run, service};
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
        return dry_run::run(config, &args.mirrors);
    }
    let request = Request::Sync { mirrors: args.mirrors.clone() };
    match service::forward(config, &request).await? {
        Some(exit) => Ok(exit),
        None => beside::sync(config, &args.mirrors).await,
    }
}

/// Tells what becomes of the work that Ctrl-C has interrupted.
pub(crate) fn tell_interrupted(exit: &Exit) {
    if *exit == Exit::Interrupted {
        // A closed stderr leaves no way to tell anything.
        let _told = writeln!(
            std::io::stderr(),
            "fichierd: interrupted; a running service goes on, else the next sync does"
        );
    }
}
