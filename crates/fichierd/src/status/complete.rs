//! Whether a mirror is complete: the one definition, which exit codes, `last_success`, headlines
//! and JSON use.
//!
//! A mirror is complete when a look at everything that is in it found each entry confirmed by the
//! service, or deliberately left out, or empty by nature. What was sent and is not confirmed, what
//! is in doubt, has a problem, is being written or was put off is not. Removals that are held do
//! not count: what they would remove is no longer in the mirror.
//!
//! The value is filled by `remote::looked`, from the records and from what the last cycle left.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::words::counted;
use crate::base::{Exit, when};

/// How much of a mirror is not known to be safe, by kind; complete if that is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Completeness {
    /// Whether everything was looked at, and nothing has been missed since.
    pub looked: bool,
    /// Files that were sent, moved or copied, and are not confirmed by the service.
    pub pending: u64,
    /// Those of them that are in their places, and wait for a download that proves them: nothing but
    /// that ends the wait.
    #[serde(skip)]
    pub unproved: u64,
    /// When the first of them are given up and sent again; `None` if that has no time.
    pub pending_until: Option<Timestamp>,
    /// Files and folders of which it is doubted that the service still has them.
    pub doubted: u64,
    /// Files that are being written, or were sent while they were.
    pub unsettled: u64,
    /// Files and folders that were left for the next cycle.
    pub put_off: u64,
    /// Paths that could not be mirrored: not readable, or refused.
    pub problems: u64,
    /// Files that are confirmed by name and size only: the service tells no hash of them, and they
    /// are too large to be proved by a download. They are not called safe, and are always named.
    pub by_size: u64,
}

impl Completeness {
    /// Whether the mirror is complete.
    pub fn is_complete(&self) -> bool {
        self.looked
            && self.pending + self.doubted + self.unsettled + self.put_off + self.problems == 0
    }

    /// What a command ends with that was to make the mirror complete.
    pub fn exit(&self) -> Exit {
        if self.is_complete() {
            Exit::Done
        } else if !self.looked || self.pending + self.doubted + self.put_off > 0 {
            Exit::TryLater
        } else {
            Exit::Problems
        }
    }

    /// The files that are confirmed by their size only, for people; `None` if there are none.
    pub fn by_size(&self) -> Option<String> {
        let files = counted(self.by_size, "file");
        (self.by_size > 0).then(|| format!("{files} confirmed by size only"))
    }

    /// What is not known to be safe, for people; `None` if the mirror is complete.
    pub fn open(&self) -> Option<String> {
        let files = |number, what: &str| {
            (number > 0).then(|| format!("{} {what}", counted(number, "file")))
        };
        let until = self.pending_until.map(|at| format!(", sent again after {}", when::clock(at)));
        let parts = [
            files(self.pending, "sent and not confirmed yet")
                .map(|text| format!("{text}{}", until.unwrap_or_default())),
            files(self.doubted, "in doubt, looked for again"),
            files(self.put_off, "left for the next look"),
            files(self.unsettled, "being written, or sent while being written"),
            files(self.problems, "with a problem"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match (parts.is_empty(), self.looked) {
            (true, true) => None,
            (true, false) => Some("not everything was looked at".to_owned()),
            (false, _) => Some(parts.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Completeness {
        Completeness { looked: true, ..Completeness::default() }
    }

    #[test]
    fn a_mirror_is_complete_only_if_everything_was_looked_at_and_nothing_is_open() {
        assert!(complete().is_complete());
        assert_eq!((complete().exit(), complete().open()), (Exit::Done, None));
        let not = [
            (Completeness::default(), Exit::TryLater),
            (Completeness { pending: 1, ..complete() }, Exit::TryLater),
            (Completeness { doubted: 1, ..complete() }, Exit::TryLater),
            (Completeness { put_off: 1, ..complete() }, Exit::TryLater),
            (Completeness { unsettled: 1, ..complete() }, Exit::Problems),
            (Completeness { problems: 1, ..complete() }, Exit::Problems),
            (Completeness { problems: 1, pending: 1, ..complete() }, Exit::TryLater),
        ];
        for (one, exit) in not {
            assert!(!one.is_complete(), "{one:?}");
            assert_eq!(one.exit(), exit, "{one:?}");
            assert!(one.open().is_some(), "{one:?}");
        }
    }

    #[test]
    fn what_is_open_is_said_with_its_number_and_its_time() {
        let at: Timestamp = "2026-05-04T12:03:20Z".parse().unwrap();
        let one =
            Completeness { pending: 1, pending_until: Some(at), problems: 1_200, ..complete() };
        assert_eq!(
            one.open().unwrap(),
            format!(
                "1 file sent and not confirmed yet, sent again after {}; 1,200 files with a problem",
                when::clock(at)
            )
        );
        assert_eq!(Completeness::default().open().unwrap(), "not everything was looked at");
    }
}
