//! How long a command waits until a mirror is complete: the rule for `sync`, with the service and
//! without it.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::MirrorConfig;
use crate::mirror::ends::CycleEnd;

/// How long a mirror waits to ask again for the outcome of an upload.
pub const PENDING_RETRY: Duration = Duration::from_secs(30);
/// How long a command waits until what was sent is confirmed, in the service's time. What cannot be
/// found is given up and sent again after three minutes (docs/api-notes.md, C.5); this is enough
/// for that, and for the second try.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(600);
/// The shortest such time, even if an emulator's clock runs much faster: state and disk do not.
const LEAST_CONFIRMED_WITHIN: Duration = Duration::from_secs(10);
/// The shortest pause between two looks at files that are being written, even if `settle` is zero.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// The patience of one command with one mirror.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    settled_by: Instant,
    confirmed_by: Instant,
    time_scale: u32,
    /// Whether a problem has had its second look.
    has_looked_twice: bool,
}

impl Patience {
    /// The patience of a command that begins now.
    pub fn new(config: &MirrorConfig, time_scale: u32) -> Patience {
        let (now, time_scale) = (Instant::now(), time_scale.max(1));
        let confirmed_within = (CONFIRMED_WITHIN / time_scale).max(LEAST_CONFIRMED_WITHIN);
        Patience {
            settled_by: now + config.sync_patience(),
            confirmed_by: now + confirmed_within,
            time_scale,
            has_looked_twice: false,
        }
    }

    /// The pause before the next look at everything; `None` if the command ends, because all is
    /// done or waiting longer does not help.
    pub fn goes_on(&mut self, end: &CycleEnd, config: &MirrorConfig) -> Option<Duration> {
        if end.trouble.is_some() {
            return None;
        }
        // A look at single paths may have missed the change that the command is about.
        if end.more || !end.everything {
            return Some(Duration::ZERO);
        }
        let (now, open) = (Instant::now(), &end.completeness);
        if open.unsettled + open.put_off > 0 && now < self.settled_by {
            // The files are due when they have been unchanged for `settle`.
            return Some(config.settle.max(LEAST_PAUSE));
        }
        // A problem may be solved by what was done: a folder that could not be read has no problem
        // any more once a look finds everything in it as recorded.
        if open.problems > 0
            && end.report.changed_something()
            && !std::mem::replace(&mut self.has_looked_twice, true)
        {
            return Some(Duration::ZERO);
        }
        let waits = open.pending > open.unproved && now < self.confirmed_by;
        waits.then(|| PENDING_RETRY / self.time_scale)
    }
}
