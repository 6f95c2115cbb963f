//! A command that waits for a cycle, and the rule for when it is answered.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::config::MirrorConfig;
use crate::mirror::CycleEnd;
use crate::status::CycleSummary;

/// A command that waits for a cycle to end.
pub(super) struct Waiter {
    done: oneshot::Sender<CycleSummary>,
    /// Whether the next end of a cycle is ignored: that cycle was running when the command came,
    /// and may have looked too early.
    skip: bool,
    /// The time until which the command waits for a file that is being written.
    patient_until: Instant,
    /// The sum of what the cycles since the command have done.
    so_far: Option<CycleSummary>,
}

impl Waiter {
    pub(super) fn new(
        done: oneshot::Sender<CycleSummary>,
        skip: bool,
        config: &MirrorConfig,
    ) -> Waiter {
        let patient_until = Instant::now() + config.sync_patience();
        Waiter { done, skip, patient_until, so_far: None }
    }

    /// Answers the command, or returns the waiter so that it waits for the next cycle.
    pub(super) fn after(mut self, summary: CycleSummary, end: &CycleEnd) -> Option<Waiter> {
        if std::mem::take(&mut self.skip) {
            return Some(self);
        }
        let total = match self.so_far.take() {
            Some(earlier) => earlier.and(summary),
            None => summary,
        };
        let restless = end.has_restless() && Instant::now() < self.patient_until;
        // A look at single paths may have missed the change that the command is about.
        if end.trouble.is_none() && (!end.everything || end.more || restless) {
            self.so_far = Some(total);
            return Some(self);
        }
        // The asker may have gone away.
        self.done.send(total).ok();
        None
    }
}
