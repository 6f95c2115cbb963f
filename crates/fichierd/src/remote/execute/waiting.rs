//! Notes about uploads whose outcome is not known yet: when each is looked at again, and what the
//! looks before have shown.
//!
//! The looks become rare: what waits for hours costs a few calls an hour.

use std::collections::{BTreeMap, BTreeSet};

use fichier_state::{MirrorId, Records, Result, UploadKey, Writing};
use serde::{Deserialize, Serialize};

use crate::base::Fact;

/// Seconds until the second look at an upload; doubled with each look.
const FIRST_WAIT_S: i64 = 120;
/// The longest time between two looks, in seconds.
const LONGEST_WAIT_S: i64 = 1800;

/// The note about one upload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    /// How often it was looked at in vain.
    pub(super) looks: u32,
    /// When that was last; Unix seconds.
    looked_s: i64,
    /// Exactly the first so many files have come at the first look, of so many: the node may take
    /// no more in one upload.
    pub(super) first_came: Option<(usize, usize)>,
    /// The node told of some of the files and not of others.
    pub(super) is_partly_told: bool,
    /// The numbers of files that are published although the service has not told their hashes.
    pub(super) unproved: BTreeSet<u32>,
}

impl Waiting {
    /// Whether it is too early for another look. All durations of the service are divided by
    /// `scale`.
    pub(super) fn is_early(&self, now_s: i64, scale: u32) -> bool {
        if self.looks == 0 {
            return false;
        }
        let doubled = FIRST_WAIT_S << (self.looks - 1).min(10);
        let wait_s = doubled.min(LONGEST_WAIT_S) / i64::from(scale.max(1));
        (0..wait_s).contains(&(now_s - self.looked_s))
    }

    /// Notes a look that did not settle the upload.
    pub(super) fn looked(&mut self, now_s: i64) {
        self.looks = self.looks.saturating_add(1);
        self.looked_s = now_s;
    }
}

/// Reads the note about an upload; an empty one if there is none.
pub(super) fn read(records: &Records, mirror: MirrorId, key: UploadKey) -> Result<Waiting> {
    let mut all = fact(mirror).read(records)?.unwrap_or_default();
    Ok(all.remove(&key.0).unwrap_or_default())
}

/// Changes the note about an upload, and forgets those of uploads that have ended.
pub(super) fn change(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    key: UploadKey,
    change: impl FnOnce(&mut Waiting),
) -> Result<()> {
    let open: BTreeSet<i64> = w.uploads(mirror)?.iter().map(|upload| upload.key.0).collect();
    let mut all = fact(mirror).read(w)?.unwrap_or_default();
    let before = all.clone();
    change(all.entry(key.0).or_default());
    all.retain(|other, note| {
        (open.contains(other) || *other == key.0) && *note != Waiting::default()
    });
    if all == before {
        return Ok(());
    }
    if all.is_empty() { fact(mirror).forget(w) } else { fact(mirror).keep(w, &all) }
}

fn fact(mirror: MirrorId) -> Fact<BTreeMap<i64, Waiting>> {
    Fact::about(format!("uploads that mirror {} waits for", mirror.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn y45_an_upload_that_does_not_settle_is_looked_at_less_and_less_often() {
        let (mut waiting, mut looks) = (Waiting::default(), Vec::new());
        for now_s in 0..24 * 3600 {
            if !waiting.is_early(now_s, 1) {
                waiting.looked(now_s);
                looks.push(now_s);
            }
        }
        assert_eq!(looks[..6], [0, 120, 360, 840, 1800, 3600]);
        assert!(looks.len() < 60, "{}", looks.len());
        assert!(!waiting.is_early(0, 1), "a clock that was set back delays nothing");
    }
}
