//! Decides whether removals may go on.
//!
//! An unmounted disk, an emptied folder and ransomware all look like a user who deleted
//! everything. So removals are counted over a rolling 24 hours (invariant I6), and past a
//! limit they wait for a person; additions never do.
//!
//! Pure: counts in, a verdict out. The caller decides what counts as a removal: any record that
//! loses its live copy without a successor.

use crate::config::MaxRemovals;

/// The limit of one mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The configured maximum.
    pub share: MaxRemovals,
    /// The number of removals that a *percentage* always allows, so that a mirror of three files is
    /// not held for each of them. It does not apply to a maximum given as a number of files.
    pub floor: u64,
}

/// Whether these removals may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may go on.
    Allowed,
    /// They wait until a person has looked.
    Held {
        /// The removals that are wanted now.
        asked: u64,
        /// The unapproved removals of the last 24 hours.
        in_24_h: u64,
        /// The limit for both together.
        limit: u64,
    },
}

/// Judges `asked` more removals in a mirror that has `recorded_files` on record now.
///
/// `removed_in_24_h` counts the removals without approval in that time; `allowance` is the part of
/// a person's approval that is not used up. Removals covered by the allowance are not counted
/// against the limit, neither now nor later: one approval must not hold the mirror for the next 24
/// hours.
pub fn judge(
    limit: &Limit,
    recorded_files: u64,
    removed_in_24_h: u64,
    allowance: u64,
    asked: u64,
) -> Verdict {
    let most = limit.in_files(recorded_files.saturating_add(removed_in_24_h));
    let unapproved = asked.saturating_sub(allowance);
    if unapproved == 0 || removed_in_24_h.saturating_add(unapproved) <= most {
        Verdict::Allowed
    } else {
        Verdict::Held { asked, in_24_h: removed_in_24_h, limit: most }
    }
}

impl Limit {
    /// The limit as a number of files, a share of the `files_before` that were there 24 hours ago.
    /// A share of the files that are left would tighten the limit with each removal.
    fn in_files(&self, files_before: u64) -> u64 {
        match self.share {
            MaxRemovals::Files(files) => files,
            MaxRemovals::Percent(percent) => {
                let share = u128::from(files_before) * u128::from(percent.min(100)) / 100;
                u64::try_from(share).unwrap_or(u64::MAX).max(self.floor)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Judges one case a line: share, floor, recorded, removed in 24 h, allowance, asked.
    fn check(cases: &str, expected: Expect) {
        let mut lines = String::new();
        for case in cases.lines() {
            let words: Vec<&str> = case.split_whitespace().collect();
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            let share = match words[0].strip_suffix('%') {
                Some(percent) => MaxRemovals::Percent(percent.parse().unwrap()),
                None => MaxRemovals::Files(number(0)),
            };
            let limit = Limit { share, floor: number(1) };
            let verdict = judge(&limit, number(2), number(3), number(4), number(5));
            lines += &match verdict {
                Verdict::Allowed => format!("{case}: allowed\n"),
                Verdict::Held { asked, in_24_h, limit } => {
                    format!("{case}: held, {asked} after {in_24_h}, limit {limit}\n")
                }
            };
        }
        expected.assert_eq(&lines);
    }

    #[test]
    fn a_share_is_of_the_files_that_were_there_24_hours_ago() {
        check(
            "25% 100 1000 0 0 250\n25% 100 1000 0 0 251\n25% 100 800 200 0 50\n25% 100 800 200 0 51",
            expect![[r#"
                25% 100 1000 0 0 250: allowed
                25% 100 1000 0 0 251: held, 251 after 0, limit 250
                25% 100 800 200 0 50: allowed
                25% 100 800 200 0 51: held, 51 after 200, limit 250
            "#]],
        );
    }

    #[test]
    fn a_small_mirror_has_the_floor_and_a_number_of_files_has_none() {
        check(
            "25% 100 40 0 0 40\n25% 100 150 0 0 101\n10 100 1000 0 0 10\n10 100 1000 0 0 11",
            expect![[r#"
                25% 100 40 0 0 40: allowed
                25% 100 150 0 0 101: held, 101 after 0, limit 100
                10 100 1000 0 0 10: allowed
                10 100 1000 0 0 11: held, 11 after 0, limit 10
            "#]],
        );
    }

    #[test]
    fn an_approval_covers_what_it_says_and_nothing_more() {
        check(
            "25% 0 1000 0 600 600\n25% 0 1000 0 600 850\n25% 0 1000 0 600 851\n25% 0 400 250 1 1",
            expect![[r#"
                25% 0 1000 0 600 600: allowed
                25% 0 1000 0 600 850: allowed
                25% 0 1000 0 600 851: held, 851 after 0, limit 250
                25% 0 400 250 1 1: allowed
            "#]],
        );
    }

    #[test]
    fn nothing_asked_is_allowed_and_no_number_overflows() {
        check(
            "0% 0 0 0 0 0\n0 0 9 9 0 0\n100% 0 18446744073709551615 18446744073709551615 0 1\n0% 0 5 0 0 1",
            expect![[r#"
                0% 0 0 0 0 0: allowed
                0 0 9 9 0 0: allowed
                100% 0 18446744073709551615 18446744073709551615 0 1: allowed
                0% 0 5 0 0 1: held, 1 after 0, limit 0
            "#]],
        );
    }
}
