//! `fichierd run`: the service.

use crate::base::Exit;
use crate::config::Config;
use crate::daemon::{Daemon, DaemonError};

/// Runs until it is told to stop; SIGTERM and SIGINT end it with [`Exit::Done`].
pub(crate) async fn run(config: Config) -> anyhow::Result<Exit> {
    let state_dir = config.state_dir.clone();
    served(config).await.map_err(|error| match error {
        DaemonError::State(_) => {
            anyhow::Error::new(error).context(format!("state folder {}", state_dir.display()))
        }
        other => other.into(),
    })?;
    Ok(Exit::Done)
}

async fn served(config: Config) -> Result<(), DaemonError> {
    Daemon::open(config).await?.run().await
}
