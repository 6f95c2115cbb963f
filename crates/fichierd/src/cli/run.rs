//! `fichierd run`: the service.

use crate::base::Exit;
use crate::config::Config;
use crate::daemon::Daemon;

/// Runs until it is told to stop; SIGTERM and SIGINT end it with [`Exit::Done`].
pub(crate) async fn run(config: Config) -> anyhow::Result<Exit> {
    Daemon::open(config).await?.run().await?;
    Ok(Exit::Done)
}
