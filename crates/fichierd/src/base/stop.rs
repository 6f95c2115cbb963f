//! A request to stop that is asked for between steps.
//!
//! Work is never cut in the middle of a call for it: a step that has begun is finished, unless
//! the whole process has to go, and then `recover` finishes it at the next start.

use tokio::sync::watch;

/// Set once, seen by all clones.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Stop(watch::Sender::new(false))
    }
}

impl Stop {
    /// Asks everyone to stop.
    pub fn set(&self) {
        self.0.send_replace(true);
    }

    /// Whether to stop.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is time to stop.
    pub async fn wait(&self) {
        let mut changes = self.0.subscribe();
        // The sender lives as long as `self`, so this ends only when it is set.
        if changes.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
