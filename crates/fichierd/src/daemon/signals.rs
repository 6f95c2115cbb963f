//! Signals: TERM and INT stop the service, HUP makes it reload the configuration, USR1 makes it
//! look at everything now. USR2 is ignored, so that it does not end the service.

use tokio::signal::unix::{SignalKind, signal};

use super::{Daemon, DaemonError, Event};

impl Daemon {
    pub(super) fn feed_signals(&mut self) -> Result<(), DaemonError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Setup)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Setup)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(DaemonError::Setup)?;
        let mut user = signal(SignalKind::user_defined1()).map_err(DaemonError::Setup)?;
        let mut meaningless = signal(SignalKind::user_defined2()).map_err(DaemonError::Setup)?;
        let events = self.sender.clone();
        self.feeders.spawn(async move {
            loop {
                let event = tokio::select! {
                    _ = terminate.recv() => Event::Stop,
                    _ = interrupt.recv() => Event::Stop,
                    _ = hangup.recv() => Event::Reload,
                    _ = user.recv() => Event::LookNow,
                    _ = meaningless.recv() => continue,
                };
                if events.send(event).await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }
}
