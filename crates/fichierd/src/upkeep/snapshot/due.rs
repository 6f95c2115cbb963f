//! Decides when the next snapshot is due. Pure: numbers in, a waiting time out.

/// The least time between two snapshots.
pub(super) const AT_MOST_EVERY_S: i64 = 15 * 60;

/// The longest time between two snapshots, if anything has changed.
pub(super) const AT_LEAST_EVERY_S: i64 = 24 * 3600;

/// Divides the bytes of files sent so far: while the bytes of snapshots stay within that part, a
/// snapshot may be sent as often as [`AT_MOST_EVERY_S`] allows; above it, once a day.
const SHARE: u64 = 20;

/// The facts from which the waiting time follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// The present time; Unix seconds.
    pub(super) now_s: i64,
    /// When the last snapshot at the service was made.
    pub(super) last_s: Option<i64>,
    /// Whether something has changed since then.
    pub(super) has_changed: bool,
    /// A snapshot was begun, and its outcome is not known.
    pub(super) is_under_way: bool,
    /// A snapshot was written when the service stopped, and nothing has changed since.
    pub(super) is_written: bool,
    /// The time before which no snapshot is tried, after a failure.
    pub(super) not_before_s: Option<i64>,
    /// Bytes of files sent so far.
    pub(super) sent_bytes: u64,
    /// Bytes of snapshots sent so far.
    pub(super) spent_bytes: u64,
    /// The size of the next snapshot, more or less.
    pub(super) expected_bytes: u64,
}

/// Seconds until a snapshot is due; 0 for now, `None` while there is no reason for one.
pub(super) fn due_in_s(need: &Need) -> Option<i64> {
    let wait_s = need.not_before_s.map_or(0, |at| at - need.now_s).clamp(0, AT_MOST_EVERY_S);
    if need.is_under_way {
        return Some(wait_s);
    }
    if !need.has_changed {
        return None;
    }
    // A snapshot from the future was made while the clock was wrong, so its time is not used.
    let Some(last_s) = need.last_s.filter(|last_s| *last_s <= need.now_s) else {
        return Some(wait_s);
    };
    let is_affordable =
        need.spent_bytes.saturating_add(need.expected_bytes) <= need.sent_bytes / SHARE;
    let every_s = if is_affordable || need.is_written { AT_MOST_EVERY_S } else { AT_LEAST_EVERY_S };
    Some((last_s + every_s - need.now_s).max(wait_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;
    const MIN: i64 = 60;
    const HOUR: i64 = 3600;

    fn changed(last_s: i64) -> Need {
        Need { now_s: NOW, last_s: Some(last_s), has_changed: true, ..Need::default() }
    }

    /// The bytes that were sent allow another snapshot.
    fn rich(last_s: i64) -> Need {
        Need { sent_bytes: 2000, spent_bytes: 50, expected_bytes: 50, ..changed(last_s) }
    }

    #[test]
    fn the_rules() {
        for (what, need, expected) in [
            ("the first, at once", Need { last_s: None, ..changed(0) }, Some(0)),
            ("nothing changed", Need { has_changed: false, ..rich(NOW - 99 * HOUR) }, None),
            ("nothing changed, ever", Need::default(), None),
            ("cheap, a quarter of an hour later", rich(NOW - 15 * MIN), Some(0)),
            ("cheap, too soon", rich(NOW - 10 * MIN), Some(5 * MIN)),
            ("one byte too dear", Need { spent_bytes: 51, ..rich(NOW - HOUR) }, Some(23 * HOUR)),
            ("dear, a day later", changed(NOW - 24 * HOUR), Some(0)),
            ("dear, long ago", changed(NOW - 99 * HOUR), Some(0)),
            ("made in the future", changed(NOW + HOUR), Some(0)),
            (
                "dear, but written at the stop",
                Need { is_written: true, ..changed(NOW - 15 * MIN) },
                Some(0),
            ),
            (
                "under way, whatever else",
                Need { is_under_way: true, has_changed: false, ..rich(NOW) },
                Some(0),
            ),
            (
                "under way, to be asked for later",
                Need { is_under_way: true, not_before_s: Some(NOW + 20), ..rich(NOW) },
                Some(20),
            ),
            (
                "failed a moment ago",
                Need { not_before_s: Some(NOW + 90), ..changed(NOW - 99 * HOUR) },
                Some(90),
            ),
            (
                "a failure in the future is waited for no longer than usual",
                Need { not_before_s: Some(NOW + 99 * HOUR), ..changed(NOW - 99 * HOUR) },
                Some(15 * MIN),
            ),
        ] {
            assert_eq!(due_in_s(&need), expected, "{what}");
        }
    }
}
