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

/// Files whose present contents are not known.
#[derive(Clone, Copy)]
pub(super) struct Unknown<'a> {
    /// Those that could not be read.
    pub(super) unread: &'a BTreeSet<&'a RelPath>,
    /// The sizes of those that are being written, or were moved a moment ago.
    pub(super) unsettled: &'a [u64],
    /// The sizes of those that may differ from what is awaited for their paths.
    pub(super) awaited: &'a [u64],
}

/// The contents that may have no other copy.
#[derive(Debug, Default)]
struct Wanted {
    /// The sizes of files that could not be read, or not yet.
    sizes: HashSet<u64>,
    /// The sizes of files that may differ from what is awaited for their paths.
    awaited: HashSet<u64>,
    /// Files that were sent, and are not in their places.
    sent: HashSet<(u64, Option<Fingerprint>)>,
}

impl Wanted {
    /// Those of the files that are not known, and of the files that were sent.
    fn of(changes: &[Change], unknown: Unknown<'_>, pending: &[PendingFile]) -> Wanted {
        let size = |change: &Change| {
            let (Change::Added { path, seen } | Change::Touched { path, seen, .. }) = change else {
                return None;
            };
            unknown.unread.contains(path).then_some(seen.stamp.size_bytes)
        };
        let sent = pending.iter().map(|file| (file.size_bytes, file.fingerprint));
        Wanted {
            sizes: changes
                .iter()
                .filter_map(size)
                .chain(unknown.unsettled.iter().copied())
                .collect(),
            awaited: unknown.awaited.iter().copied().collect(),
            sent: sent.collect(),
        }
    }

    fn is_unread(&self, entry: &Entry) -> bool {
        entry.remote().is_some() && self.sizes.contains(&entry.stamp.size_bytes)
    }

    fn is_awaited(&self, entry: &Entry) -> bool {
        let size = entry.stamp.size_bytes;
        let is_sent = |content| self.sent.contains(&(size, content));
        entry.remote().is_some_and(|copy| {
            is_sent(Some(copy.fingerprint)) || is_sent(None) || self.awaited.contains(&size)
        })
    }
}

/// Takes out what removes or replaces files whose content is wanted. Returns the paths that are to
/// be looked at again because of what could not be read; the others are when their content is in its
/// place.
pub(super) fn spare(
    state: &State,
    mirror: MirrorId,
    changes: &mut Vec<Change>,
    unknown: Unknown<'_>,
    known: &mut Known,
) -> Result<Vec<RelPath>, fichier_state::Error> {
    let uploads = state.read(|s| s.uploads(mirror))?;
    let pending: Vec<PendingFile> = uploads.into_iter().flat_map(|upload| upload.files).collect();
    let wanted = Wanted::of(changes, unknown, &pending);
    Ok(take_out(changes, unknown.unread, wanted, &mut known.gone))
}

/// What is taken out hides the content that its path has by now, which may be that of another copy:
/// so this goes on until nothing is taken out.
fn take_out(
    changes: &mut Vec<Change>,
    unread: &BTreeSet<&RelPath>,
    mut wanted: Wanted,
    gone: &mut BTreeMap<RelPath, GoneFolder>,
) -> Vec<RelPath> {
    let mut again = Vec::new();
    loop {
        let before = changes.len();
        let mut hidden = Vec::new();
        changes.retain(|change| {
            let (is_unread, is_awaited) = match change {
                Change::FolderRemoved { path, .. } => {
                    let entries = || gone.get(path).into_iter().flat_map(|it| &it.entries);
                    let has = |is_it: &dyn Fn(&Entry) -> bool| entries().any(|(_, was)| is_it(was));
                    (has(&|was| wanted.is_unread(was)), has(&|was| wanted.is_awaited(was)))
                }
                Change::Removed { was, .. } | Change::Touched { was, .. } => {
                    let is_unread = wanted.is_unread(was) && !unread.contains(change.path());
                    (is_unread, wanted.is_awaited(was))
                }
                Change::Added { .. }
                | Change::Managed { .. }
                | Change::Unmanaged { .. }
                | Change::FolderAdded { .. }
                | Change::FolderTouched { .. }
                | Change::FolderManaged { .. }
                | Change::FolderUnmanaged { .. } => (false, false),
            };
            if !is_unread && !is_awaited {
                return true;
            }
            if let Change::Touched { seen, .. } = change {
                hidden.push(seen.stamp.size_bytes);
            }
            again.extend(is_unread.then(|| change.path().clone()));
            gone.remove(change.path());
            false
        });
        if changes.len() == before {
            return again;
        }
        wanted.awaited.extend(hidden);
    }
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
        let unknown = Unknown { unread: &unread, unsettled: &[], awaited: &[] };
        let wanted =
            Wanted { sent: sent.into_iter().collect(), ..Wanted::of(&changes, unknown, &[]) };
        let spared = take_out(&mut changes, &unread, wanted, &mut BTreeMap::new());
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
