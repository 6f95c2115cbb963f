//! `fichierd reject`: refuse the held removals of a mirror.

use clap::Args;

use super::{beside, service};
use crate::base::Exit;
use crate::config::Config;
use crate::daemon::Work;
use crate::daemon::control::Request;

#[derive(Args, Debug)]
pub(crate) struct RejectArgs {
    /// Name of the mirror
    mirror: String,
}

pub(crate) async fn run(args: RejectArgs, config: &Config) -> anyhow::Result<Exit> {
    service::known_mirror(config, &args.mirror)?;
    match service::forward(config, &Request::Reject { mirror: args.mirror.clone() }).await? {
        Some(exit) => Ok(exit),
        None => beside::work(config, &args.mirror, Work::Reject).await,
    }
}
