//! `fichierd approve`: let the held removals of a mirror happen.

use clap::Args;

use super::{beside, service};
use crate::base::Exit;
use crate::config::Config;
use crate::daemon::How;
use crate::daemon::control::Request;

#[derive(Args, Debug)]
pub(crate) struct ApproveArgs {
    /// Name of the mirror
    mirror: String,
    /// Go on with a target on which another machine, or a copy of this one, has worked
    #[arg(long)]
    take_over: bool,
    /// Send all files again, encrypted (or not) as the configuration says now
    #[arg(long, conflicts_with = "take_over")]
    encrypt_again: bool,
    /// Remove at once, and not when they expire, the versions that are stored plain or with a
    /// former password
    #[arg(long, conflicts_with_all = ["take_over", "encrypt_again"])]
    remove_plain: bool,
}

pub(crate) async fn run(args: ApproveArgs, config: &Config) -> anyhow::Result<Exit> {
    service::known_mirror(config, &args.mirror)?;
    let ApproveArgs { mirror, take_over, encrypt_again, remove_plain } = args;
    let name = mirror.clone();
    let request = Request::Approve { mirror, take_over, encrypt_again, remove_plain };
    match service::forward(config, &request).await? {
        Some(exit) => Ok(exit),
        None => beside::approve_held(config, &name, How { take_over, encrypt_again, remove_plain }),
    }
}
