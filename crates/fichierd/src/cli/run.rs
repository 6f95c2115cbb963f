//! `fichierd run`: the service.

use crate::base::Exit;
use crate::config::Config;
use crate::daemon::{Daemon, DaemonError};

/// Runs until it is told to stop; SIGTERM and SIGINT end it with [`Exit::Done`].
pub(crate) async fn run(config: Config) -> anyhow::Result<Exit> {
    let state_dir = config.state_dir.clone();
    served(config).await.map_err(|error| {
        let is_of_state = matches!(error, DaemonError::State(_));
        let error = anyhow::Error::new(error);
        if is_of_state {
            error.context(format!("state folder {}", state_dir.display()))
        } else {
            error
        }
    })?;
    Ok(Exit::Done)
}

async fn served(config: Config) -> Result<(), DaemonError> {
    Daemon::open(config).await?.run().await
}
