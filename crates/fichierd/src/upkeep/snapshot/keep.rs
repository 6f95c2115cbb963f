//! Decides which snapshots are kept. Pure: rows in, ids out.

use std::collections::HashSet;

use fichier_state::{SnapshotId, SnapshotRow};

use crate::remote::layout::utc_day;

/// Newest snapshots that are kept whatever their age.
const NEWEST: usize = 3;

/// Newest whole snapshots that are kept whatever their age: if only one were kept and it were
/// damaged, all that are laid over it would be lost.
const NEWEST_WHOLE: usize = 2;

/// The snapshots that can be removed without a loss, oldest first: those that are not among the
/// newest, are not the last of a day after `horizon_s` (`None`: of any day), and have no kept
/// snapshot laid over them. `rows` are newest first.
pub(super) fn removable(rows: &[SnapshotRow], horizon_s: Option<i64>) -> Vec<SnapshotId> {
    let (mut days, mut kept) = (HashSet::new(), HashSet::new());
    // A snapshot that is not known to be at the service keeps its row, and counts neither among the
    // newest nor as the last of its day.
    let there = || rows.iter().filter(|row| row.url.is_some());
    kept.extend(rows.iter().filter(|row| row.url.is_none()).map(|row| row.id));
    kept.extend(there().take(NEWEST).map(|row| row.id));
    kept.extend(there().filter(|row| row.base.is_none()).take(NEWEST_WHOLE).map(|row| row.id));
    for row in there() {
        let is_covered = horizon_s.is_none_or(|horizon_s| row.made_s >= horizon_s);
        if is_covered && days.insert(utc_day(row.made_s)) {
            kept.insert(row.id);
        }
    }
    let bases: Vec<_> = rows.iter().filter(|row| kept.contains(&row.id)).collect();
    kept.extend(bases.iter().filter_map(|row| row.base).collect::<Vec<_>>());
    rows.iter().rev().map(|row| row.id).filter(|id| !kept.contains(id)).collect()
}

#[cfg(test)]
mod tests {
    use fichier_api::{FileUrl, Whirlpool};
    use fichier_state::{MirrorId, Moment};

    use super::*;

    const DAY: i64 = 24 * 3600;

    /// Rows from words `day.part:id[<base]`, oldest first; a `?` behind a word: not at the service.
    fn rows(text: &str) -> Vec<SnapshotRow> {
        let row = |word: &str| {
            let (when, what) = word.split_once(':').unwrap();
            let (day, part) = when.split_once('.').unwrap_or((when, "0"));
            let is_there = !what.ends_with('?');
            let what = what.trim_end_matches('?');
            let (id, base) =
                what.split_once('<').map_or((what, None), |(id, base)| (id, Some(base)));
            let id: i64 = id.parse().unwrap();
            SnapshotRow {
                id: SnapshotId(id),
                mirror: MirrorId(1),
                base: base.map(|base| SnapshotId(base.parse().unwrap())),
                name: id.to_string(),
                made_s: day.parse::<i64>().unwrap() * DAY + part.parse::<i64>().unwrap() * 3600,
                moment: Moment(1),
                size_bytes: 1,
                whirlpool: Whirlpool::from_bytes([0; 64]),
                url: is_there
                    .then(|| FileUrl::parse(&format!("https://1fichier.com/?{id:020}")).unwrap()),
            }
        };
        let mut rows: Vec<SnapshotRow> = text.split_whitespace().map(row).collect();
        rows.reverse();
        rows
    }

    #[test]
    fn the_newest_three_one_a_day_and_what_they_need_are_kept() {
        for (what, text, horizon, expected) in [
            ("three", "1:1 1.1:2 1.2:3", Some(0), &[][..]),
            ("one a day", "1:1 1.1:2 1.2:3 2:4 2.1:5 3:6 3.1:7 3.2:8", Some(0), &[1, 2, 4]),
            ("past the retention", "1:1 2:2 3:3 9:4 10:5 11:6", Some(9 * DAY), &[1, 2, 3]),
            ("for ever", "1:1 1.1:2 2:3 9:4 10:5 11:6", None, &[1]),
            ("a base", "1:1 1.1:2<1 1.2:3<1 2:4<1 2.1:5<1 2.2:6<1", Some(0), &[2]),
            ("a base past the retention", "1:1 2:2 9:3<1 10:4<1 11:5<1", Some(9 * DAY), &[]),
            ("two whole ones", "1:1 2:2 3:3 9:4<3 10:5<3 11:6<3", Some(9 * DAY), &[1]),
            ("one that is not there", "1:1 1.1:2 1.2:3 1.3:4 1.4:5?", Some(0), &[1]),
        ] {
            let found: Vec<i64> =
                removable(&rows(text), horizon).into_iter().map(|id| id.0).collect();
            assert_eq!(found, expected, "{what}");
        }
    }
}
