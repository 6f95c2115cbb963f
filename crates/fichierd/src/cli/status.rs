//! `fichierd status`: is everything safe, and what needs a decision?

use clap::Args;

use super::{beside, output, service};
use crate::base::Exit;
use crate::config::Config;
use crate::daemon::control::{Reply, Request};
use crate::status::{Status, render};

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// As JSON, schema `fichierd.status/1`
    #[arg(long)]
    json: bool,
}

/// Prints the status. The exit code is 0 even if something is wrong, since the question was
/// answered.
pub(crate) async fn run(args: StatusArgs, config: &Config) -> anyhow::Result<Exit> {
    show(&of(config).await?, args.json)
}

/// The status: that of the service if it runs, or else that on record.
pub(super) async fn of(config: &Config) -> anyhow::Result<Status> {
    match service::reply(config, &Request::Status).await? {
        Some(Reply::Status(status)) => Ok(status),
        Some(other) => Err(service::unexpected(&other)),
        None => beside::status(config),
    }
}

fn show(status: &Status, json: bool) -> anyhow::Result<Exit> {
    if json {
        output::json(status)?;
    } else {
        output::line(&render(status, jiff::Timestamp::now()))?;
    }
    Ok(Exit::Done)
}
