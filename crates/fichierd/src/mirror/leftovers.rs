//! What the cycles of a mirror have left open since the last look at everything.
//!
//! A cycle looks at everything, or at the paths that the watch has marked. After a look at
//! everything, looks at single paths keep the mirror complete as long as the watch misses nothing:
//! what one of them leaves is remembered until another one has looked there again.
//!
//! The file is pure. What was sent and is not confirmed, and what has a problem, is on record and
//! not counted here.

use std::collections::BTreeSet;

use fichier_state::RelPath;

use crate::disk::Due;
use crate::mirror::cycle::CycleOutcome;
use crate::remote::CycleReport;
use crate::remote::looked::Left;

/// What is open, by kind.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Whether everything was looked at, and nothing has been missed since.
    whole: bool,
    /// Files that are being written, or were changed while they were read.
    unsettled: BTreeSet<RelPath>,
    /// Paths that have to be looked at again for another reason.
    put_off: BTreeSet<RelPath>,
    /// Files that were only counted.
    left_out: u64,
}

/// A cycle that has ended.
pub(super) struct Ended<'a> {
    /// The paths that it was to look at.
    pub(super) due: &'a Due,
    /// Its counts.
    pub(super) report: &'a CycleReport,
    /// What it left out.
    pub(super) outcome: &'a CycleOutcome,
    /// Files that are on record as sent and not confirmed.
    pub(super) pending: BTreeSet<RelPath>,
    /// Whether it was stopped early, by an error or at the end of the process.
    pub(super) is_cut: bool,
    /// Whether the watch misses no change.
    pub(super) is_watched: bool,
}

impl Leftovers {
    /// Takes in the end of a cycle.
    pub(super) fn note(&mut self, ended: Ended<'_>) {
        let Ended { due, report, outcome, pending, is_cut, is_watched } = ended;
        if is_cut {
            self.whole &= !due.everything;
            self.put_off.extend(due.paths.iter().cloned());
            return;
        }
        if due.everything {
            *self = Leftovers { whole: true, ..Leftovers::default() };
        } else {
            self.whole &= is_watched;
            for looked_at in &due.paths {
                self.unsettled.retain(|path| !path.starts_with(looked_at));
                self.put_off.retain(|path| !path.starts_with(looked_at));
            }
        }
        self.unsettled.extend(outcome.unsettled.iter().chain(&report.restless).cloned());
        self.left_out = outcome.left_out + report.left_for_later;
        self.mark(outcome.put_off.iter().chain(&outcome.again).cloned());
        self.put_off.retain(|path| !pending.contains(path) && !self.unsettled.contains(path));
    }

    /// Adds paths that have to be looked at again. The root stands for everything.
    pub(super) fn mark(&mut self, paths: impl IntoIterator<Item = RelPath>) {
        for path in paths {
            self.whole &= !path.is_root();
            self.put_off.insert(path);
        }
    }

    /// The form that the state keeps.
    pub(super) fn to_left(&self, ended_s: Option<i64>) -> Left {
        Left {
            whole: self.whole,
            unsettled: self.unsettled.len() as u64,
            put_off: self.put_off.len() as u64 + self.left_out,
            ended_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    fn all() -> Due {
        Due { everything: true, paths: Vec::new() }
    }

    fn some(paths: &[&str]) -> Due {
        Due { everything: false, paths: paths.iter().map(|text| path(text)).collect() }
    }

    fn note(leftovers: &mut Leftovers, due: &Due, outcome: &CycleOutcome, is_watched: bool) {
        leftovers.note(Ended {
            due,
            report: &CycleReport::default(),
            outcome,
            pending: BTreeSet::new(),
            is_cut: false,
            is_watched,
        });
    }

    fn unsettled(paths: &[&str]) -> CycleOutcome {
        let unsettled = paths.iter().map(|text| path(text)).collect();
        CycleOutcome { unsettled, ..CycleOutcome::default() }
    }

    #[test]
    fn what_one_look_leaves_is_open_until_another_has_looked_there() {
        let mut left = Leftovers::default();
        note(&mut left, &all(), &unsettled(&["log/a", "log/b"]), true);
        assert_eq!((left.to_left(None).whole, left.to_left(None).unsettled), (true, 2));
        note(&mut left, &some(&["log/a"]), &CycleOutcome::default(), true);
        assert_eq!((left.to_left(None).whole, left.to_left(None).unsettled), (true, 1));
        note(&mut left, &some(&["log"]), &CycleOutcome::default(), true);
        assert_eq!((left.to_left(None).whole, left.to_left(None).unsettled), (true, 0));
    }

    #[test]
    fn looks_at_single_paths_are_no_look_at_everything_unless_all_is_watched() {
        let mut left = Leftovers::default();
        note(&mut left, &some(&["a"]), &CycleOutcome::default(), true);
        assert!(!left.to_left(None).whole, "nothing else was looked at yet");
        note(&mut left, &all(), &CycleOutcome::default(), false);
        assert!(left.to_left(None).whole, "one look is one, watched or not");
        note(&mut left, &some(&["a"]), &CycleOutcome::default(), false);
        assert!(!left.to_left(None).whole, "other changes may have been missed");
    }

    #[test]
    fn a_cycle_that_was_cut_leaves_open_what_it_was_to_look_at() {
        let mut left = Leftovers::default();
        note(&mut left, &all(), &CycleOutcome::default(), true);
        for (due, whole) in [(some(&["a"]), true), (all(), false)] {
            left.note(Ended {
                due: &due,
                report: &CycleReport::default(),
                outcome: &CycleOutcome::default(),
                pending: BTreeSet::new(),
                is_cut: true,
                is_watched: true,
            });
            assert_eq!((left.to_left(None).whole, left.to_left(None).put_off), (whole, 1));
        }
    }
}
