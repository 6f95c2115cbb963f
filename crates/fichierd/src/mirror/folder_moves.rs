//! Recognises folders that were moved or renamed: the same inode, and most of the recorded contents;
//! or, of those that only a listing has told of, the same contents.

use std::collections::HashMap;
use std::ops::ControlFlow;

use fichier_state::{Content, RelPath};

use crate::base::State;
use crate::disk::Scanner;
use crate::mirror::error::MirrorError;
use crate::mirror::found_folders::found_folders;
use crate::plan::Change;
use crate::remote::FolderMove;

/// Folders that are gone from one path and found under another: the same inode, and most of
/// what was recorded in it.
pub(super) fn folder_moves(
    state: &State,
    scanner: &Scanner,
    changes: &[Change],
) -> Result<Vec<FolderMove>, MirrorError> {
    let added: HashMap<u64, &RelPath> = changes
        .iter()
        .filter_map(|change| {
            let Change::FolderAdded { path, facts } = change else { return None };
            (facts.inode != 0).then_some((facts.inode, path))
        })
        .collect();
    let mut moves = Vec::new();
    for change in changes {
        let Change::FolderRemoved { path: from, folder } = change else { continue };
        let found = added.get(&folder.inode).copied();
        let Some(to) = found else { continue };
        if is_same_folder(state, scanner, folder.key, to)? && !to.starts_with(from) {
            moves.push(FolderMove { key: folder.key, from: from.clone(), to: to.clone() });
        }
    }
    moves.extend(found_folders(state, scanner, changes)?);
    // One folder may have moved into another, which then has to be moved first.
    moves.sort_by(|one, other| one.to.cmp(&other.to));
    Ok(moves)
}

/// Whether at least half of the recorded entries of the folder are found at its new path. The inode
/// number alone proves nothing, because it is used again after a removal.
fn is_same_folder(
    state: &State,
    scanner: &Scanner,
    key: fichier_state::FolderKey,
    now_at: &RelPath,
) -> Result<bool, MirrorError> {
    const LOOK_AT: usize = 20;
    let (mut looked_at, mut found) = (0, 0);
    state.read(|s| {
        let base = s.path_of(key)?;
        s.entries_below(key, |path, entry| {
            let below = path.strip_prefix(&base);
            let path = below.map(|below| below.components().fold(now_at.clone(), |p, c| p.join(c)));
            looked_at += 1;
            if let Some(Ok(Some(seen))) = path.map(|path| scanner.look(&path)) {
                let same = seen.stamp.inode == entry.stamp.inode;
                found += usize::from(same || matches!(entry.content, Content::Empty));
            }
            if looked_at < LOOK_AT { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    })?;
    Ok(looked_at > 0 && found * 2 >= looked_at)
}

/// Whether a folder is gone, so that one may have moved.
pub(super) fn loses_a_folder(changes: &[Change]) -> bool {
    changes.iter().any(|change| matches!(change, Change::FolderRemoved { .. }))
}

/// Whether a folder was removed that this program found on the service and did not make. Nothing
/// else tells what was in it.
pub(super) fn loses_found_folder(changes: &[Change]) -> bool {
    changes.iter().any(|change| {
        let Change::FolderRemoved { folder, .. } = change else { return false };
        folder.remote.is_some_and(|spot| !spot.made_by_us)
    })
}
