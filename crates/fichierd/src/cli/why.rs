//! `fichierd why`: is this path on the service, and if not, why not? The answer is one line.

use std::path::PathBuf;

use clap::Args;

use super::{beside, output, service};
use crate::base::Exit;
use crate::config::Config;
use crate::daemon::control::{Reply, Request};

#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    /// A file or folder on this machine; need not exist
    path: PathBuf,
}

pub(crate) async fn run(args: WhyArgs, config: &Config) -> anyhow::Result<Exit> {
    // The service has another current folder, so the path is made absolute here.
    let path = std::path::absolute(&args.path)?;
    let reply = match service::reply(config, &Request::Why { path: path.clone() }).await? {
        Some(reply) => reply,
        None => beside::explain(config, &path)?,
    };
    let Reply::Why(answer) = reply else { return service::show(reply) };
    let path = output::harmless(&answer.path);
    output::line(&format!("{path}: {}", output::harmless(&answer.verdict)))?;
    Ok(Exit::Done)
}
