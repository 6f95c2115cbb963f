//! A command that waits for a cycle, and the rule for when it is answered.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::config::MirrorConfig;
use crate::mirror::{CycleEnd, Patience};
use crate::status::CycleSummary;

/// A command that waits for a cycle to end.
pub(super) struct Waiter {
    done: oneshot::Sender<CycleSummary>,
    /// Whether the next end of a cycle is ignored: that cycle was running when the command came,
    /// and may have looked too early.
    skip: bool,
    /// How long the command waits until the mirror is complete.
    patience: Patience,
    /// The sum of what the cycles since the command have done.
    so_far: Option<CycleSummary>,
}

impl Waiter {
    pub(super) fn new(
        done: oneshot::Sender<CycleSummary>,
        skip: bool,
        patience: Patience,
    ) -> Waiter {
        Waiter { done, skip, patience, so_far: None }
    }

    /// Answers the command, or returns the waiter so that it waits for the next cycle, with the
    /// pause before that.
    pub(super) fn after(
        mut self,
        summary: CycleSummary,
        end: &CycleEnd,
        config: &MirrorConfig,
    ) -> Option<(Duration, Waiter)> {
        if std::mem::take(&mut self.skip) {
            return Some((Duration::ZERO, self));
        }
        let total = match self.so_far.take() {
            Some(earlier) => earlier.and(summary),
            None => summary,
        };
        if let Some(pause) = self.patience.goes_on(end, config) {
            self.so_far = Some(total);
            return Some((pause, self));
        }
        // The asker may have gone away.
        self.done.send(total).ok();
        None
    }
}
