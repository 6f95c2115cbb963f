//! `fichierd approve`: let the held removals of a mirror happen.

use clap::Args;

use super::{beside, service};
use crate::config::Config;
use crate::control::Request;
use crate::exit::Exit;

#[derive(Args, Debug)]
pub(crate) struct ApproveArgs {
    /// Name of the mirror
    mirror: String,
}

pub(crate) async fn run(args: ApproveArgs, config: &Config) -> anyhow::Result<Exit> {
    service::known_mirror(config, &args.mirror)?;
    match service::forward(config, &Request::Approve { mirror: args.mirror.clone() }).await? {
        Some(exit) => Ok(exit),
        None => beside::approve_held(config, &args.mirror),
    }
}
