//! `fichierd notify`: try whether alerts reach those who are told.

use clap::{Args, Subcommand};

use super::failure::ended;
use super::{output, status};
use crate::base::{Exit, Random};
use crate::config::Config;
use crate::daemon::alerts;

#[derive(Args, Debug)]
pub(crate) struct NotifyArgs {
    #[command(subcommand)]
    command: NotifyCommand,
}

#[derive(Debug, Subcommand)]
enum NotifyCommand {
    /// Send a test to each receiver, or to one, and print what it answers
    Test {
        /// Name of the [[notify]] block
        name: Option<String>,
    },
}

pub(crate) async fn run(args: NotifyArgs, config: &Config) -> anyhow::Result<Exit> {
    let NotifyCommand::Test { name } = args.command;
    let is_meant =
        |it: &&crate::config::NotifyConfig| name.as_ref().is_none_or(|name| it.name == *name);
    let receivers: Vec<_> = config.notify.iter().filter(is_meant).collect();
    if receivers.is_empty() {
        return Err(ended(
            Exit::Usage,
            match &name {
                Some(name) => {
                    format!("there is no [[notify]] named `{name}` in {}", config.path.display())
                }
                None => {
                    format!("there is no [[notify]] in {}: nobody is told", config.path.display())
                }
            },
        ));
    }
    let (status, random) = (status::of(config).await?, Random::default());
    let mut exit = Exit::Done;
    for receiver in receivers {
        let name = &receiver.name;
        output::line(&match alerts::test(receiver, &status, &random).await {
            Ok(text) => format!("{name}: delivered; it answered {text}"),
            Err(why) => {
                exit = Exit::Failed;
                format!("{name}: NOT delivered: {why}")
            }
        })?;
    }
    Ok(exit)
}
