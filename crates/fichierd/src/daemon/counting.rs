//! What the mirrors have done since the start of the service, for its metrics.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::{Daemon, Seat};
use crate::remote::CycleReport;
use crate::status::{Counters, MirrorCounters};

/// The sums over the cycles that have ended, by the name of the mirror. They outlive the seat of a
/// mirror whose configuration changed, since a counter must not go back.
#[derive(Debug, Default)]
pub(super) struct Done(BTreeMap<String, MirrorCounters>);

impl Done {
    /// Adds a cycle that has ended.
    pub(super) fn add(&mut self, seat: &Seat, report: &CycleReport) {
        let sum = self.0.entry(seat.config.name.clone()).or_default();
        // From now on these bytes are in the sum.
        sum.sent_bytes += seat.sent_bytes.swap(0, Ordering::Relaxed);
        sum.sent += report.uploaded_files;
        sum.adopted += report.adopted;
        sum.moved += report.relocated;
        sum.copied += report.copied;
        sum.retired += report.retired;
    }
}

impl Daemon {
    /// The counts of this moment: those of a cycle under way are in them as far as its bytes.
    pub(super) fn counters(&self) -> Counters {
        let mut mirrors = self.done.0.clone();
        for seat in self.seats_in_order() {
            let sum = mirrors.entry(seat.config.name.clone()).or_default();
            sum.sent_bytes += seat.sent_bytes.load(Ordering::Relaxed);
        }
        Counters { requests: self.shared.client.pacer().counts(), mirrors }
    }
}
