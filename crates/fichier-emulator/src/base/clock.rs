//! The service's clock, which shows its dates, and the time by which lifetimes and limits are
//! measured. The second does not follow the first: a wrong clock changes no limit.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// This moment on the clock that lifetimes and limits are measured by. It is that of the runtime,
/// which a simulation moves as it likes.
pub(crate) fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The clock of this machine, or one that is wrong by some seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// Seconds that are added to the time; negative if the clock is behind.
    pub(crate) ahead_s: i64,
    /// The Unix seconds that the clock showed at a moment, from which it went on; `None` for the
    /// clock of this machine.
    pub(crate) started: Option<(i64, Instant)>,
}

impl Clock {
    /// Unix seconds of this moment.
    pub(crate) fn now(self) -> i64 {
        let shown = match self.started {
            Some((start_s, since)) => {
                let passed: Duration = instant().saturating_duration_since(since);
                start_s.saturating_add(i64::try_from(passed.as_secs()).unwrap_or(i64::MAX))
            }
            None => Timestamp::now().as_second(),
        };
        shown.saturating_add(self.ahead_s)
    }

    /// This moment as a `Date` header has it: `Tue, 22 Jun 2021 12:57:25 GMT`.
    pub(crate) fn header(self) -> String {
        let moment = Timestamp::from_second(self.now()).unwrap_or(Timestamp::UNIX_EPOCH);
        // The only time that cannot be written is in a year of five digits.
        DateTimePrinter::new().timestamp_to_rfc9110_string(&moment).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_in_the_form_of_http() {
        let epoch = Clock { ahead_s: -Clock::default().now(), started: None };
        let header = epoch.header();
        // A second may have passed.
        assert!(
            header.starts_with("Thu, 01 Jan 1970 00:00:0") && header.ends_with(" GMT"),
            "{header}"
        );
    }
}
