//! Who asked for a cycle, and when that is answered.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::config::MirrorConfig;
use crate::mirror::CycleEnd;
use crate::status::CycleSummary;

/// Somebody who waits for a cycle to end.
pub(super) struct Waiter {
    done: oneshot::Sender<CycleSummary>,
    /// A cycle that was under way when the question came may have looked too early.
    skip: bool,
    /// Until when a file that is being written is waited for.
    patient_until: Instant,
    /// What the cycles since have done.
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

    /// Answers, or gives itself back to wait for the next cycle.
    pub(super) fn after(mut self, summary: CycleSummary, end: &CycleEnd) -> Option<Waiter> {
        if std::mem::take(&mut self.skip) {
            return Some(self);
        }
        let total = match self.so_far.take() {
            Some(earlier) => earlier.and(summary),
            None => summary,
        };
        let restless = end.has_restless() && Instant::now() < self.patient_until;
        // A look at single paths may have missed what was asked for.
        if end.trouble.is_none() && (!end.everything || end.more || restless) {
            self.so_far = Some(total);
            return Some(self);
        }
        // Whoever asked may have gone.
        self.done.send(total).ok();
        None
    }
}
