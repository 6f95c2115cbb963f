//! Finds the other names of files that were changed through one of their hard links.
//!
//! The watch reports only the name through which a file was changed. The other names, in other
//! folders and in other mirrors, have the same new content, and nothing else tells of them before
//! the next timed look.

use std::collections::HashMap;

use fichier_state::Stamp;

use crate::base::State;
use crate::disk::{Seen, SeenKind};
use crate::plan::Change;
use crate::remote::Linked;

/// The recorded names of the files in `changes` that have several. Costs one look at all rows if
/// there is such a file.
pub(super) fn other_names(
    state: &State,
    changes: &[Change],
) -> Result<Vec<Linked>, fichier_state::Error> {
    let stamps: HashMap<u64, Stamp> = changes.iter().filter_map(linked).collect();
    if stamps.is_empty() {
        return Ok(Vec::new());
    }
    let inodes = stamps.keys().copied().collect();
    state.read(|s| {
        let mut names = Vec::new();
        for (inode, folder, name) in s.places_of_inodes(&inodes)? {
            if let (Some(row), Some(stamp)) = (s.folder(folder)?, stamps.get(&inode)) {
                let path = s.path_of(folder)?.join(&name);
                names.push(Linked { mirror: row.mirror, path, stamp: *stamp });
            }
        }
        Ok(names)
    })
}

/// The inode and the stamp of a changed file with several names.
fn linked(change: &Change) -> Option<(u64, Stamp)> {
    let (Change::Added { seen, .. } | Change::Touched { seen, .. }) = change else { return None };
    let Seen { kind: SeenKind::File, stamp, metadata, .. } = seen else { return None };
    (metadata.links > 1).then_some((stamp.inode, *stamp))
}
