//! `fichierd reject`: refuse the held removals of a mirror.

use clap::Args;

use super::service;
use crate::config::Config;
use crate::control::Request;
use crate::exit::Exit;

#[derive(Args, Debug)]
pub(crate) struct RejectArgs {
    /// Name of the mirror
    mirror: String,
}

pub(crate) async fn run(args: RejectArgs, config: &Config) -> anyhow::Result<Exit> {
    service::known_mirror(config, &args.mirror)?;
    match service::forward(config, &Request::Reject { mirror: args.mirror }).await? {
        Some(exit) => Ok(exit),
        None => service::not_running(config),
    }
}
