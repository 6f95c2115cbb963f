//! `fichierd prune`: remove what a new exclude has left on the service.

use clap::Args;

use super::service;
use crate::config::Config;
use crate::control::Request;
use crate::exit::Exit;

#[derive(Args, Debug)]
pub(crate) struct PruneArgs {
    /// Name of the mirror
    mirror: String,
}

pub(crate) async fn run(args: PruneArgs, config: &Config) -> anyhow::Result<Exit> {
    service::known_mirror(config, &args.mirror)?;
    match service::forward(config, &Request::Prune { mirror: args.mirror }).await? {
        Some(exit) => Ok(exit),
        None => service::not_running(config),
    }
}
