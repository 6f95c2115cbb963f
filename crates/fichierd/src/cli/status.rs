//! `fichierd status`: is everything safe, and what needs a decision?

use clap::Args;

use super::{beside, output, service};
use crate::base::Exit;
use crate::base::words::chain;
use crate::config::Config;
use crate::daemon::control::{Reply, Request};
use crate::status::{Answer, Status, Verdict, render};

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// As JSON, schema `fichierd.status/1`
    #[arg(long)]
    json: bool,
    /// Answer in the first line, and end with 0 if everything is safe, 1 if something is degraded, 2
    /// if something is stopped or held, 3 if that is not known
    #[arg(long, conflicts_with = "json")]
    exit_code: bool,
}

/// Prints the status. The exit code is 0 even if something is wrong, since the question was
/// answered.
pub(crate) async fn run(args: StatusArgs, config: &Config) -> anyhow::Result<Exit> {
    if args.exit_code {
        return answer(config).await;
    }
    show(&of(config).await?, args.json)
}

/// The answer for a monitor. What keeps it from being given makes it unknown, and no error.
async fn answer(config: &Config) -> anyhow::Result<Exit> {
    let status = of(config).await;
    let answer = match &status {
        Ok(status) => status.answer(),
        Err(error) => Answer::unknown(&chain(error.as_ref())),
    };
    output::line(&answer.text)?;
    if let Ok(status) = &status {
        output::line(&render(status, jiff::Timestamp::now()))?;
    }
    // The numbers that monitors expect, whatever they mean elsewhere.
    Ok(match answer.verdict {
        Verdict::Safe => Exit::Done,
        Verdict::Degraded => Exit::Failed,
        Verdict::Stopped => Exit::Usage,
        Verdict::Unknown => Exit::Problems,
    })
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
