//! Folders on 1fichier that were there before this program used them: what is in them has to be known
//! before a file goes there, or it may be there twice.

use std::collections::BTreeSet;

use fichier_state::RelPath;

use super::Cycle;
use crate::disk::SeenKind;
use crate::mirror::error::MirrorError;
use crate::plan::{Change, Survey};

/// The problem of a folder whose contents are not known and cannot be found out (H.2).
const UNLISTED: &str = "1fichier does not list this folder whole, so its new files may be there \
                        already: none is sent";
const UNLISTED_HINT: &str = "it is listed again by itself";

impl Cycle<'_> {
    /// Lists the remote folders that existed before this program used them and that are about to
    /// get a file. Parents come first, because each listing tells the ids of its sub-folders.
    pub(super) async fn explore_new(&self, folders: &BTreeSet<RelPath>) -> Result<(), MirrorError> {
        // An empty listing is asked for a second time, after those of the other folders: the
        // service lists no folder twice within 30 s.
        let mut shown_empty = BTreeSet::new();
        loop {
            let before = shown_empty.len();
            for path in folders {
                self.executor.remote.find_hidden(path).await?;
                let row = self
                    .executor
                    .remote
                    .state
                    .read(|s| s.folder_at(self.executor.remote.mirror, path))?;
                if let Some(row) = row
                    && row.remote.is_some_and(|spot| !spot.listed)
                    && !self.executor.remote.explore(&row, path, shown_empty.contains(path)).await?
                {
                    shown_empty.insert(path.clone());
                }
            }
            if shown_empty.len() == before {
                return Ok(());
            }
        }
    }

    /// Takes out new files of folders that were there before and that the service does not list
    /// whole: a file may be there already, and would be there twice.
    pub(super) fn leave_out_unlisted(&self, seen: &mut Survey) -> Result<(), MirrorError> {
        let remote = &self.executor.remote;
        let added = seen.changes.iter().filter(|change| is_added_file(change));
        let folders: BTreeSet<RelPath> =
            added.filter_map(|change| change.path().parent()).collect();
        let mut unlisted = BTreeSet::new();
        for path in folders {
            let row = remote.state.read(|s| s.folder_at(remote.mirror, &path))?;
            if row.and_then(|row| row.remote).is_some_and(|spot| !spot.listed) {
                unlisted.insert(path);
            }
        }
        for path in &unlisted {
            remote.problem(path, UNLISTED, UNLISTED_HINT)?;
        }
        seen.changes.retain(|change| {
            !(is_added_file(change)
                && change.path().parent().is_some_and(|folder| unlisted.contains(&folder)))
        });
        Ok(())
    }
}

/// The folders above the files that may be sent: also of those that are told to be empty, which
/// are read later.
pub(super) fn folders_to_send_to(changes: &[Change]) -> BTreeSet<RelPath> {
    let mut folders = BTreeSet::new();
    for change in changes {
        let (Change::Added { path, seen } | Change::Touched { path, seen, .. }) = change else {
            continue;
        };
        let mut folder = path.parent().filter(|_| seen.kind == SeenKind::File);
        while let Some(path) = folder {
            folder = path.parent();
            if !folders.insert(path) {
                break;
            }
        }
    }
    folders
}

fn is_added_file(change: &Change) -> bool {
    matches!(change, Change::Added { seen, .. } if seen.kind == SeenKind::File)
}
