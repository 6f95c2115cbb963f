//! Counts what a process asked of the service and how that ended, for its metrics.
//!
//! The counts only grow, begin at zero for every endpoint that there is, and decide nothing. Each is
//! an atomic number of its own: to count a request takes no lock. A request is counted when its
//! answer has come, so that one that is broken off is not; [`Pacer::calls_made`](super::Pacer)
//! counts them when they are sent.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{ENDPOINTS, ErrorKind, endpoint_at, endpoint_number};

/// How a request ended: a few classes, since the texts of the service have no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The service did as it was asked.
    Ok,
    /// The service refused this one request.
    Refused,
    /// The service asked for silence: a flood, a lock, or words that are not known.
    Flood,
    /// The service refused the key, the account or the address.
    Account,
    /// The service failed, is maintained, or gave an answer that makes no sense.
    Failed,
    /// No answer came.
    Unreachable,
}

impl Answer {
    /// All of them.
    pub const ALL: [Answer; 6] = [
        Answer::Ok,
        Answer::Refused,
        Answer::Flood,
        Answer::Account,
        Answer::Failed,
        Answer::Unreachable,
    ];

    /// The word for it, in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Ok => "ok",
            Answer::Refused => "refused",
            Answer::Flood => "flood",
            Answer::Account => "account",
            Answer::Failed => "failed",
            Answer::Unreachable => "unreachable",
        }
    }

    /// The class of an error; `None` if nothing was sent, or if the mistake was on this side.
    fn of(kind: &ErrorKind) -> Option<Answer> {
        Some(match kind {
            ErrorKind::Throttled { .. } | ErrorKind::Locked | ErrorKind::UnknownRefusal { .. } => {
                Answer::Flood
            }
            ErrorKind::KeyRefused
            | ErrorKind::CustomersOnly
            | ErrorKind::OwnerLocked { .. }
            | ErrorKind::AddressRefused
            | ErrorKind::OneLocation
            | ErrorKind::Anonymous => Answer::Account,
            ErrorKind::NotFound
            | ErrorKind::NotAllowed
            | ErrorKind::NameTaken { .. }
            | ErrorKind::NothingRenamed
            | ErrorKind::NoFileInUpload
            | ErrorKind::Refused { .. } => Answer::Refused,
            ErrorKind::NodeStorage
            | ErrorKind::NodeRefused { .. }
            | ErrorKind::Maintenance
            | ErrorKind::Failing { .. }
            | ErrorKind::UnexpectedReply { .. }
            | ErrorKind::Corrupt { .. } => Answer::Failed,
            ErrorKind::Unreachable(_) => Answer::Unreachable,
            ErrorKind::HeldOff { .. }
            | ErrorKind::InvalidRequest { .. }
            | ErrorKind::Sink(_)
            | ErrorKind::PaceMemory(_) => return None,
        })
    }
}

/// The counts of one process, as they are at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests by endpoint and answer; every endpoint with every answer, zeros included.
    pub requests: Vec<(&'static str, Answer, u64)>,
    /// How long requests waited for their turns, together.
    pub waited: Duration,
    /// Hold-offs that an answer to this process began.
    pub hold_offs: u64,
}

/// The counts while they grow.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) calls: AtomicU64,
    requests: [[AtomicU64; Answer::ALL.len()]; ENDPOINTS],
    waited_us: AtomicU64,
    hold_offs: AtomicU64,
}

impl Default for Tally {
    fn default() -> Tally {
        let none = || AtomicU64::new(0);
        Tally {
            calls: none(),
            requests: array::from_fn(|_| array::from_fn(|_| none())),
            waited_us: none(),
            hold_offs: none(),
        }
    }
}

impl Tally {
    pub(super) fn answered(&self, endpoint: &str, error: Option<&ErrorKind>) {
        let answer = error.map_or(Some(Answer::Ok), Answer::of);
        let row = endpoint_number(endpoint).and_then(|number| self.requests.get(number));
        let (Some(answer), Some(row)) = (answer, row) else { return };
        if let Some(count) = row.get(answer as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn waited(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.waited_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(super) fn held_off(&self) {
        self.hold_offs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let of_row = |(number, row): (usize, &[AtomicU64; Answer::ALL.len()])| {
            let counts: Vec<_> = Answer::ALL
                .into_iter()
                .zip(row)
                .map(|(answer, count)| (endpoint_at(number), answer, count.load(Ordering::Relaxed)))
                .collect();
            counts
        };
        Counts {
            requests: self.requests.iter().enumerate().flat_map(of_row).collect(),
            waited: Duration::from_micros(self.waited_us.load(Ordering::Relaxed)),
            hold_offs: self.hold_offs.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tally: &Tally) -> Vec<(&'static str, &'static str, u64)> {
        let counts = tally.counts().requests.into_iter();
        counts.filter(|it| it.2 > 0).map(|(at, answer, count)| (at, answer.word(), count)).collect()
    }

    #[test]
    fn a_request_is_counted_by_endpoint_and_answer() {
        let tally = Tally::default();
        assert_eq!(tally.counts().requests.len(), ENDPOINTS * Answer::ALL.len());
        assert_eq!(found(&tally), []);
        tally.answered("folder/ls.cgi", None);
        tally.answered("folder/ls.cgi", None);
        tally.answered("folder/ls.cgi", Some(&ErrorKind::Locked));
        tally.answered("user/info.cgi", Some(&ErrorKind::KeyRefused));
        let expected = [
            ("folder/ls.cgi", "ok", 2),
            ("folder/ls.cgi", "flood", 1),
            ("user/info.cgi", "account", 1),
        ];
        assert_eq!(found(&tally), expected);
    }

    #[test]
    fn what_was_not_sent_and_what_is_not_known_is_not_counted() {
        let tally = Tally::default();
        let problem = "too long".to_owned();
        tally.answered("file/rm.cgi", Some(&ErrorKind::InvalidRequest { problem }));
        tally.answered("no/such.cgi", None);
        assert_eq!(found(&tally), []);
    }
}
