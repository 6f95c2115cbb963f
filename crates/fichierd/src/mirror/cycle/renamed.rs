//! Removals that may be renames to a file that cannot be read, or whose content is still on its way.
//!
//! What leaves its place is kept as a version for a while, unless nothing is kept (`keep = "0"`).
//! Then the copy of a file that has another name by now would be the only one: while it cannot be
//! read under that name, or while its upload under that name is awaited.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fichier_api::Fingerprint;
use fichier_state::{Entry, MirrorId, PendingFile, RelPath};

use crate::base::State;
use crate::plan::Change;
use crate::plan::decide::{GoneFolder, Known};

/// The contents that may have no other copy.
#[derive(Debug, Default)]
struct Wanted {
    /// The sizes of files that could not be read.
    sizes: HashSet<u64>,
    /// Files that were sent, and are not in their places.
    sent: HashSet<(u64, Option<Fingerprint>)>,
}

impl Wanted {
    /// Those of the files that could not be read, and of the files that were sent.
    fn of(changes: &[Change], unread: &BTreeSet<&RelPath>, pending: &[PendingFile]) -> Wanted {
        let size = |change: &Change| {
            let (Change::Added { path, seen } | Change::Touched { path, seen, .. }) = change else {
                return None;
            };
            unread.contains(path).then_some(seen.stamp.size_bytes)
        };
        let sent = pending.iter().map(|file| (file.size_bytes, file.fingerprint));
        Wanted { sizes: changes.iter().filter_map(size).collect(), sent: sent.collect() }
    }

    fn is_unread(&self, entry: &Entry) -> bool {
        entry.remote().is_some() && self.sizes.contains(&entry.stamp.size_bytes)
    }

    fn is_sent(&self, entry: &Entry) -> bool {
        let size = entry.stamp.size_bytes;
        let is_it = |content| self.sent.contains(&(size, content));
        entry.remote().is_some_and(|copy| is_it(Some(copy.fingerprint)) || is_it(None))
    }
}

/// Takes out what removes or replaces files whose content is wanted. Returns the paths that are to
/// be looked at again because of what could not be read; the others are when their content is in its
/// place.
pub(super) fn spare(
    state: &State,
    mirror: MirrorId,
    changes: &mut Vec<Change>,
    unread: &BTreeSet<&RelPath>,
    known: &Known,
) -> Result<Vec<RelPath>, fichier_state::Error> {
    let uploads = state.read(|s| s.uploads(mirror))?;
    let pending: Vec<PendingFile> = uploads.into_iter().flat_map(|upload| upload.files).collect();
    let wanted = Wanted::of(changes, unread, &pending);
    Ok(take_out(changes, unread, &wanted, &known.gone))
}

fn take_out(
    changes: &mut Vec<Change>,
    unread: &BTreeSet<&RelPath>,
    wanted: &Wanted,
    gone: &BTreeMap<RelPath, GoneFolder>,
) -> Vec<RelPath> {
    let takes = |change: &Change, is_wanted: &dyn Fn(&Entry) -> bool| match change {
        Change::FolderRemoved { path, .. } => {
            let inside = gone.get(path).into_iter().flat_map(|folder| &folder.entries);
            inside.into_iter().any(|(_, entry)| is_wanted(entry))
        }
        Change::Removed { was, .. } | Change::Touched { was, .. } => {
            is_wanted(was) && !unread.contains(change.path())
        }
        Change::Added { .. }
        | Change::Managed { .. }
        | Change::Unmanaged { .. }
        | Change::FolderAdded { .. }
        | Change::FolderTouched { .. }
        | Change::FolderManaged { .. }
        | Change::FolderUnmanaged { .. } => false,
    };
    let is_unread = |change: &Change| takes(change, &|entry| wanted.is_unread(entry));
    let is_sent = |change: &Change| takes(change, &|entry| wanted.is_sent(entry));
    let again = changes.iter().filter(|change| is_unread(change));
    let again = again.map(|change| change.path().clone()).collect();
    changes.retain(|change| !is_unread(change) && !is_sent(change));
    again
}

#[cfg(test)]
mod tests {
    use fichier_api::{FileUrl, Whirlpool};
    use fichier_state::{Content, FolderKey, Metadata, Origin, RemoteCopy, Stamp};

    use super::*;
    use crate::disk::{Seen, SeenKind};

    fn path(at: &str) -> RelPath {
        RelPath::parse(at.as_bytes()).unwrap()
    }

    fn stamp(size_bytes: u64) -> Stamp {
        Stamp { size_bytes, mtime_ns: 1, ctime_ns: 1, inode: 1 }
    }

    fn content(number: u8) -> Fingerprint {
        Fingerprint::from_bytes([number; 32])
    }

    fn entry(at: &str, size_bytes: u64) -> Entry {
        let copy = RemoteCopy {
            url: FileUrl::parse("https://1fichier.com/?abcdefghij0123456789").unwrap(),
            whirlpool: Whirlpool::from_bytes([1; 64]),
            fingerprint: content(1),
            remote_name: None,
            confirmed_s: 1,
            origin: Origin::Sent,
            unsettled: false,
            cipher: None,
        };
        Entry {
            folder: FolderKey(1),
            name: at.as_bytes().to_vec(),
            stamp: stamp(size_bytes),
            metadata: Metadata::default(),
            content: Content::File(copy),
            racy: false,
            unmanaged: false,
        }
    }

    /// Spares what it has to with these contents sent; tells what is left, and what was spared.
    fn spared(mut changes: Vec<Change>, unread: &[&RelPath], sent: Sent) -> [Vec<RelPath>; 2] {
        let unread = unread.iter().copied().collect();
        let wanted =
            Wanted { sent: sent.into_iter().collect(), ..Wanted::of(&changes, &unread, &[]) };
        let spared = take_out(&mut changes, &unread, &wanted, &BTreeMap::new());
        [changes.iter().map(Change::path).cloned().collect(), spared]
    }

    type Sent = Vec<(u64, Option<Fingerprint>)>;

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
        let changes = vec![removed("other", 4), removed("old", 5), added("new", 5)];
        let [left, spared] = spared(changes, &[&unread], Vec::new());
        assert_eq!(left, [path("other"), path("new")]);
        assert_eq!(spared, [path("old")], "it is looked at again");
    }

    #[test]
    fn without_an_unreadable_file_nothing_is_left_for_later() {
        let [left, spared] =
            spared(vec![removed("old", 5), added("new", 5)], &[], vec![(5, Some(content(2)))]);
        assert_eq!((left.len(), spared.len()), (2, 0));
    }

    #[test]
    fn a_removal_waits_while_its_content_is_on_its_way_under_another_name() {
        for sent in [Some(content(1)), None] {
            let [left, spared] = spared(vec![removed("old", 5)], &[], vec![(5, sent)]);
            assert_eq!((left, spared), (vec![], vec![]));
        }
    }
}
