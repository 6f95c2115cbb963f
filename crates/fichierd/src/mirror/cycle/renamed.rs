//! Removals that may be renames to a file that cannot be read.
//!
//! What leaves its place is kept as a version for a while, unless nothing is kept (`keep = "0"`).
//! Then the copy of a file that has another name by now, under which it cannot be read, would be
//! the only one.

use std::collections::{BTreeMap, BTreeSet};

use fichier_state::{Entry, RelPath};

use crate::plan::Change;
use crate::plan::decide::GoneFolder;

/// Takes out what removes or replaces files that have the size of a file that could not be read. The
/// next look at everything finds it again.
pub(super) fn spare(
    changes: &mut Vec<Change>,
    unread: &BTreeSet<&RelPath>,
    gone: &BTreeMap<RelPath, GoneFolder>,
) {
    let size = |change: &Change| {
        let (Change::Added { path, seen } | Change::Touched { path, seen, .. }) = change else {
            return None;
        };
        unread.contains(path).then_some(seen.stamp.size_bytes)
    };
    let sizes: BTreeSet<u64> = changes.iter().filter_map(size).collect();
    if sizes.is_empty() {
        return;
    }
    let may_be_renamed = |entry: &Entry| sizes.contains(&entry.stamp.size_bytes);
    changes.retain(|change| {
        if let Change::FolderRemoved { path, .. } = change {
            let inside = gone.get(path).into_iter().flat_map(|folder| &folder.entries);
            return !inside.into_iter().any(|(_, entry)| may_be_renamed(entry));
        }
        let (Change::Removed { was, .. } | Change::Touched { was, .. }) = change else {
            return true;
        };
        !may_be_renamed(was) || unread.contains(change.path())
    });
}

#[cfg(test)]
mod tests {
    use fichier_state::{Content, FolderKey, Metadata, Stamp};

    use super::*;
    use crate::disk::{Seen, SeenKind};

    fn path(at: &str) -> RelPath {
        RelPath::parse(at.as_bytes()).unwrap()
    }

    fn stamp(size_bytes: u64) -> Stamp {
        Stamp { size_bytes, mtime_ns: 1, ctime_ns: 1, inode: 1 }
    }

    fn entry(at: &str, size_bytes: u64) -> Entry {
        Entry {
            folder: FolderKey(1),
            name: at.as_bytes().to_vec(),
            stamp: stamp(size_bytes),
            metadata: Metadata::default(),
            content: Content::Empty,
            racy: false,
            unmanaged: false,
        }
    }

    fn removed(at: &str, size_bytes: u64) -> Change {
        Change::Removed { path: path(at), was: Box::new(entry(at, size_bytes)) }
    }

    fn added(at: &str, size_bytes: u64) -> Change {
        let (name, metadata) = (at.as_bytes().to_vec(), Metadata::default());
        let (kind, stamp) = (SeenKind::File, stamp(size_bytes));
        let seen = Seen { name, kind, stamp, metadata, device: 0, mount: None };
        Change::Added { path: path(at), seen }
    }

    #[test]
    fn a_removal_that_may_be_a_rename_to_an_unreadable_file_is_left_for_later() {
        let unread = path("new");
        let mut changes = vec![removed("other", 4), removed("old", 5), added("new", 5)];
        spare(&mut changes, &BTreeSet::from([&unread]), &BTreeMap::new());
        let left: Vec<_> = changes.iter().map(Change::path).cloned().collect();
        assert_eq!(left, [path("other"), path("new")]);
    }

    #[test]
    fn without_an_unreadable_file_nothing_is_left_for_later() {
        let mut changes = vec![removed("old", 5), added("new", 5)];
        spare(&mut changes, &BTreeSet::new(), &BTreeMap::new());
        assert_eq!(changes.len(), 2);
    }
}
