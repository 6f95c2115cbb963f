//! The clock of the service, as far as its replies show it.
//!
//! Every reply has a `Date` header (docs/api-notes.md, A.1), to the second. A local clock that is
//! wrong by days would make copies look older than they are, so a program that lets copies expire
//! must know first that the two clocks agree.
//!
//! A header that is missing or cannot be read changes nothing: the last reading stays, and its
//! age shows. Reading a clock costs no call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::time::Instant;

use crate::clock::Clock;

/// A reading of the service's clock, from the newest reply that showed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceClock {
    showed: SystemTime,
    heard: Instant,
    /// The clock of the caller, to compare with.
    local: Clock,
}

impl ServiceClock {
    /// The time of the service's clock when the reply was made; whole seconds.
    pub fn showed(&self) -> SystemTime {
        self.showed
    }

    /// How long ago that was. Time in which this machine was suspended does not count.
    pub fn age(&self) -> Duration {
        self.heard.elapsed()
    }

    /// By how much the local wall clock, as it is now, differs from the service's: right to about
    /// a second and the time that the reply took. A local clock that was set after the reading,
    /// or a suspended machine, shows as a difference too, until the next reply.
    pub fn difference(&self) -> Duration {
        let (local, service) = (self.local.wall(), self.now());
        local.duration_since(service).unwrap_or_else(|behind| behind.duration())
    }

    /// Whether the local wall clock is ahead of the service's, not behind it.
    pub fn local_is_ahead(&self) -> bool {
        self.local.wall() > self.now()
    }

    /// The time that the service's clock should show by now.
    fn now(&self) -> SystemTime {
        self.showed + self.heard.elapsed()
    }
}

/// The newest reading; shared by all clones of a client.
#[derive(Debug, Default)]
pub(crate) struct NewestReading {
    newest: Mutex<Option<ServiceClock>>,
    local: Clock,
}

impl NewestReading {
    /// None yet; `local` is the clock to compare with.
    pub(crate) fn new(local: Clock) -> NewestReading {
        NewestReading { newest: Mutex::default(), local }
    }

    pub(crate) fn get(&self) -> Option<ServiceClock> {
        *self.lock()
    }

    /// Notes the `Date` header of a reply that has just begun to come in.
    pub(crate) fn note(&self, header: Option<&str>) {
        let Some(at) = header.and_then(read) else { return };
        let (Ok(showed), heard) = (SystemTime::try_from(at), Instant::now()) else { return };
        *self.lock() = Some(ServiceClock { showed, heard, local: self.local });
    }

    // Held for a few instructions, never across an `.await`.
    fn lock(&self) -> MutexGuard<'_, Option<ServiceClock>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The form that HTTP prescribes, `Sun, 06 Nov 1994 08:49:37 GMT`. One before 1970 is no date.
pub(crate) fn read(header: &str) -> Option<Timestamp> {
    let at = rfc2822::DateTimeParser::new().parse_timestamp(header.trim()).ok()?;
    Some(at).filter(|at| *at > Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn reading(showed: SystemTime) -> ServiceClock {
        ServiceClock { showed, heard: Instant::now(), local: Clock::system() }
    }

    #[test]
    fn the_date_of_a_reply_is_read() {
        let newest = NewestReading::default();
        newest.note(Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        let expected: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
        assert_eq!(newest.get().unwrap().showed(), SystemTime::try_from(expected).unwrap());
    }

    #[test]
    fn what_is_no_date_leaves_the_reading_that_is_there() {
        let newest = NewestReading::default();
        let bad = ["", "yesterday", "1994-11-06", "Thu, 01 Jan 1970 00:00:00 GMT", "Sun, 99 Nov"];
        let all_bad = || bad.into_iter().map(Some).chain([None]);
        all_bad().for_each(|header| newest.note(header));
        assert_eq!(newest.get(), None);
        newest.note(Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        let before = newest.get();
        all_bad().for_each(|header| newest.note(header));
        assert_eq!(newest.get(), before);
    }

    #[test]
    fn the_difference_has_a_direction() {
        let now = SystemTime::now();
        for (showed, local_is_ahead) in [(now + HOUR, false), (now - HOUR, true)] {
            let clock = reading(showed);
            assert!(clock.difference().abs_diff(HOUR) < HOUR / 60, "{:?}", clock.difference());
            assert_eq!(clock.local_is_ahead(), local_is_ahead);
        }
    }

    #[test]
    fn an_old_reading_goes_on_by_itself() {
        let Some(heard) = Instant::now().checked_sub(HOUR) else { return };
        let showed = SystemTime::now() - HOUR;
        let clock = ServiceClock { showed, heard, local: Clock::system() };
        assert!(clock.age() >= HOUR);
        assert!(clock.difference() < HOUR / 60, "{:?}", clock.difference());
    }
}
