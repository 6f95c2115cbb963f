//! Notes about uploads whose outcome is not known yet: when each is looked at again, and what the
//! looks before have shown.
//!
//! The looks become rare: what waits for hours costs a few calls an hour.
//!
//! Here alone it is written how long files may be missing before they are sent again: the looks
//! decide by it ([`Waiting::patience_s`]), and `status` tells it ([`given_up_at_s`]).

use std::collections::{BTreeMap, BTreeSet};

use fichier_state::{MirrorId, PendingUpload, Records, Result, UploadKey, Writing};
use serde::{Deserialize, Serialize};

use crate::base::Fact;
use crate::remote::habits::Habits;

/// Seconds for which a stored file may be missing from listings (C.5 says about two minutes),
/// unless the service was measured to take longer; after that it is sent again.
const VISIBLE_WITHIN_S: i64 = 180;
/// The same while the node has told of other files of the upload: these may only be late.
const TOLD_WITHIN_S: i64 = 900;
/// After so many seconds the word of the scanner is not waited for any more, and a hash that is not
/// told is asked for by link.
pub(super) const OVERDUE_S: i64 = 600;

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
    /// The numbers of files that are in the staging folder without a hash: they are never sent
    /// again.
    pub(super) unhashed: BTreeSet<u32>,
    /// The node looked for viruses at the last look.
    pub(super) is_being_scanned: bool,
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

    /// Seconds of the service for which files of the upload may be missing, with these habits of
    /// the service; after that they are sent again.
    pub(super) fn patience_s(&self, habits: &Habits) -> i64 {
        let listed_s = listed_within_s(habits);
        if self.is_partly_told { listed_s.max(TOLD_WITHIN_S) } else { listed_s }
    }

    /// Notes a look that did not settle the upload.
    pub(super) fn looked(&mut self, now_s: i64) {
        self.looks = self.looks.saturating_add(1);
        self.looked_s = now_s;
    }
}

/// Seconds of the service for which something that was sent may be missing from listings.
pub(super) fn listed_within_s(habits: &Habits) -> i64 {
    habits.listed_within_s(VISIBLE_WITHIN_S)
}

/// When the first files of an upload are given up and sent again, unless they show up; Unix
/// seconds, with the waiting times of the service divided by `time_scale`. `None` if none of its
/// files will be.
///
/// # Errors
///
/// The state file's.
pub(crate) fn given_up_at_s(
    records: &Records,
    upload: &PendingUpload,
    time_scale: u32,
) -> Result<Option<i64>> {
    let note = read(records, upload.mirror, upload.key)?;
    Ok(given_up(upload, &note, &Habits::read(records)?, time_scale))
}

fn given_up(
    upload: &PendingUpload,
    note: &Waiting,
    habits: &Habits,
    time_scale: u32,
) -> Option<i64> {
    let is_open = |seq: u32, has_come: bool| !has_come && !note.unhashed.contains(&seq);
    if !upload.files.iter().any(|file| is_open(file.seq, file.url.is_some())) {
        return None;
    }
    let patience_s = note.patience_s(habits);
    let within_s = if note.is_being_scanned { patience_s.max(OVERDUE_S) } else { patience_s };
    // The time is recorded in whole seconds: the first of them may have been almost past.
    Some(upload.since_s.saturating_add(within_s / i64::from(time_scale.max(1)) + 1))
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
    use fichier_api::names::RemoteName;
    use fichier_state::{Metadata, PendingFile, RelPath, Stamp};

    use super::*;
    use crate::remote::habits::{By, Learnt};

    fn upload(files: u32) -> PendingUpload {
        let file = |seq| PendingFile {
            seq,
            path: RelPath::parse(b"a").unwrap(),
            sent_as: RemoteName::encode(b"a"),
            name: RemoteName::encode(b"a"),
            stamp: Stamp { size_bytes: 1, mtime_ns: 0, ctime_ns: 0, inode: 1 },
            metadata: Metadata::default(),
            size_bytes: 1,
            whirlpool: None,
            fingerprint: None,
            url: None,
            unsettled: false,
            cipher: None,
        };
        PendingUpload {
            key: UploadKey(1),
            mirror: MirrorId(1),
            slot: "1234567890".to_owned(),
            node: "node".to_owned(),
            xid: None,
            since_s: 1_000,
            files: (0..files).map(file).collect(),
        }
    }

    #[test]
    fn y55_the_time_that_is_told_is_the_one_after_which_files_are_sent_again() {
        let at = |note: &Waiting, scale| given_up(&upload(2), note, &Habits::default(), scale);
        let none = Waiting::default();
        assert_eq!(at(&none, 1), Some(1_000 + 180 + 1));
        assert_eq!(at(&none, 100), Some(1_000 + 1 + 1));
        let partly = Waiting { is_partly_told: true, ..Waiting::default() };
        assert_eq!(at(&partly, 1), Some(1_000 + 900 + 1));
        let scanned = Waiting { is_being_scanned: true, ..Waiting::default() };
        assert_eq!(at(&scanned, 1), Some(1_000 + 600 + 1));
        let one = Waiting { unhashed: [0].into(), ..Waiting::default() };
        assert_eq!(at(&one, 1), Some(1_000 + 180 + 1));
        let unhashed = Waiting { unhashed: [0, 1].into(), ..Waiting::default() };
        assert_eq!(at(&unhashed, 1), None, "what is there is never sent again");
        assert_eq!(given_up(&upload(0), &none, &Habits::default(), 1), None);
        let lag = Learnt { is: 100, at_s: 1, by: By::Probe };
        let slow = Habits { upload_lag_s: Some(lag), ..Habits::default() };
        assert_eq!(given_up(&upload(1), &none, &slow, 1), Some(1_000 + 400 + 1));
    }

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
