//! The counts of a round of the audit: kept in the state, and told when the round is complete.

use fichier_state::{MirrorId, Proof, Records, Result, Writing};
use serde::{Deserialize, Serialize};

use crate::base::Fact;
use crate::base::words::{bytes, count, counted};

/// One comparison of all folders, and what it has found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Round {
    /// When it began; Unix seconds.
    pub(super) begun_s: i64,
    /// The time up to which the listings due by the period have been made; Unix seconds.
    pub(super) paced_s: i64,
    /// Folders compared, the files on record in them, and their bytes.
    pub(super) folders: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Files that were gone, and are sent again.
    pub(super) lost: u64,
    /// Files that two listings did not show in their place, and that are in their place now.
    pub(super) put_back: u64,
    /// Files that had another name, and have their own again.
    pub(super) renamed: u64,
    /// Files that had other contents, and are sent again.
    pub(super) changed: u64,
    /// Second copies of files of ours, now among the versions.
    pub(super) surplus: u64,
    /// Folders that were gone, and are made again.
    pub(super) lost_folders: u64,
    /// Folders that somebody renamed or moved.
    pub(super) misplaced: u64,
    /// Differences that could not be put right.
    pub(super) unhealed: u64,
    /// Listings that do not show everything.
    pub(super) unreadable: u64,
}

impl Round {
    /// The round of a mirror that is under way. A round that cannot be read counts as begun before
    /// everything.
    pub(super) fn on_record(records: &Records, mirror: MirrorId) -> Result<Option<Round>> {
        Ok(match fact(mirror).read(records)? {
            None if fact(mirror).is_there(records)? => Some(Round::default()),
            round => round,
        })
    }

    pub(super) fn keep(&self, w: &mut Writing<'_>, mirror: MirrorId) -> Result<()> {
        fact(mirror).keep(w, self)
    }

    /// The result, when every folder was compared. Files that were put back do not count as a
    /// fault: they may never have been away.
    pub(super) fn proof(&self, now_s: i64) -> Proof {
        let found = self.lost
            + self.renamed
            + self.changed
            + self.surplus
            + self.lost_folders
            + self.misplaced
            + self.unhealed;
        Proof {
            good: found == 0,
            at_s: now_s,
            files: self.files,
            bytes: self.bytes,
            detail: self.detail(),
        }
    }

    fn detail(&self) -> String {
        let found = [
            (self.lost, "gone, and sent again"),
            (self.changed, "with other contents, and sent again"),
            (self.lost_folders, "folders gone, and made again"),
            (self.renamed, "renamed by somebody, and named as here again"),
            (self.put_back, "not shown in their place, and there again"),
            (self.surplus, "second copies, moved to the versions"),
            (self.misplaced, "folders renamed or moved by somebody, see the log"),
            (self.unhealed, "not as recorded, and not repaired, see the log"),
            (self.unreadable, "folders that 1fichier does not list whole"),
        ];
        let found = found.into_iter().filter(|(number, _)| *number > 0);
        let found: Vec<_> =
            found.map(|(number, what)| format!("{} {what}", count(number))).collect();
        let compared = format!(
            "the listings of {} were compared with the records of {} ({})",
            counted(self.folders, "folder"),
            counted(self.files, "file"),
            bytes(self.bytes)
        );
        if found.is_empty() {
            return format!("{compared}: all is as recorded");
        }
        format!("{compared}: {}", found.join("; "))
    }
}

fn fact(mirror: MirrorId) -> Fact<Round> {
    Fact::about(format!("audit of mirror {}", mirror.0))
}

#[cfg(test)]
mod tests {
    use fichier_state::Store;

    use super::*;

    #[test]
    fn a_round_is_good_when_nothing_was_wrong() {
        let round = Round { folders: 1_200, files: 3, bytes: 3 << 20, ..Round::default() };
        let proof = round.proof(7);
        assert!(proof.good);
        assert_eq!(
            proof.detail,
            "the listings of 1,200 folders were compared with the records of 3 files (3.00 MiB): \
             all is as recorded"
        );
        let proof = Round { lost: 2, put_back: 1, ..round.clone() }.proof(7);
        assert!(!proof.good);
        assert!(
            proof
                .detail
                .ends_with(": 2 gone, and sent again; 1 not shown in their place, and there again")
        );
    }

    #[test]
    fn a_round_is_on_record_as_it_was_kept_and_one_that_cannot_be_read_began_before_everything() {
        let (dir, mirror) = (tempfile::tempdir().unwrap(), MirrorId(3));
        let mut store = Store::open(dir.path()).unwrap();
        assert_eq!(Round::on_record(&store, mirror).unwrap(), None);
        let round = Round { begun_s: 7, files: 3, lost: 1, ..Round::default() };
        store.write(|w| round.keep(w, mirror)).unwrap();
        assert_eq!(Round::on_record(&store, mirror).unwrap(), Some(round));
        store.write(|w| w.set_note("audit of mirror 3", Some("unreadable"))).unwrap();
        assert_eq!(Round::on_record(&store, mirror).unwrap(), Some(Round::default()));
    }
}
