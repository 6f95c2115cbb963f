//! `fichierd sync`: compare and send now.

use clap::Args;

use super::service;
use crate::config::Config;
use crate::control::Request;
use crate::exit::Exit;

#[derive(Args, Debug)]
pub(crate) struct SyncArgs {
    /// Only these mirrors [default: all]
    #[arg(value_name = "MIRROR")]
    mirrors: Vec<String>,
}

pub(crate) async fn run(args: SyncArgs, config: &Config) -> anyhow::Result<Exit> {
    for name in &args.mirrors {
        service::known_mirror(config, name)?;
    }
    match service::forward(config, &Request::Sync { mirrors: args.mirrors }).await? {
        Some(exit) => Ok(exit),
        None => service::not_running(config),
    }
}
