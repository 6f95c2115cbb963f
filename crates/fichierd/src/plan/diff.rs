//! The changes in a folder since the service last confirmed it.
//!
//! Pure: records and a listing in, a list of changes out; no I/O and no clock. A file counts as
//! touched when its stamp *differs* from the one on record, never because a time is "newer", or
//! when the record was made too close to a write to prove anything.
//!
//! Invariants: nothing is removed because of an incomplete listing (I6). A name that is excluded is
//! never removed: its record becomes unmanaged. A record that is unmanaged, because of an exclude
//! or a rejected removal, stays so until its path is on disk again, or until it is pruned.

use fichier_state::{Content, Entry, Folder, KeysId, RelPath};

use crate::disk::seen::is_unchanged;
use crate::disk::{FolderScan, Seen, SeenKind};
use crate::plan::change::Change;

/// Compares the records of the folder `path` with its listing, in the order of the names. The
/// records must be sorted by name, as the state gives them.
///
/// A file that is stored with other keys than `keys`, or plain where there are any and the other way
/// round, counts as touched. Tells nothing about the contents of sub-folders.
pub fn diff_folder(
    path: &RelPath,
    recorded_folders: &[Folder],
    recorded: &[Entry],
    found: &FolderScan,
    is_excluded: &dyn Fn(&[u8], bool) -> bool,
    keys: Option<KeysId>,
) -> Vec<Change> {
    let mut folders = recorded_folders.iter().peekable();
    let mut entries = recorded.iter().peekable();
    let mut seen = found.entries.iter().peekable();
    let mut comparison =
        Comparison { path, complete: found.complete, is_excluded, keys, changes: Vec::new() };
    loop {
        let next = [
            folders.peek().map(|folder| folder.name.as_slice()),
            entries.peek().map(|entry| entry.name.as_slice()),
            seen.peek().map(|seen| seen.name.as_slice()),
        ];
        let Some(name) = next.into_iter().flatten().min() else { return comparison.changes };
        comparison.compare(&Row {
            folder: folders.next_if(|folder| folder.name == name),
            entry: entries.next_if(|entry| entry.name == name),
            // A special file can never be mirrored and is treated as absent.
            seen: seen
                .next_if(|seen| seen.name == name)
                .filter(|seen| seen.kind != SeenKind::Special),
        });
    }
}

/// Everything that is known about one name. On record it is a folder or an entry; both are
/// compared, so that nothing is lost should it ever be both.
struct Row<'a> {
    folder: Option<&'a Folder>,
    entry: Option<&'a Entry>,
    seen: Option<&'a Seen>,
}

struct Comparison<'a> {
    path: &'a RelPath,
    complete: bool,
    is_excluded: &'a dyn Fn(&[u8], bool) -> bool,
    keys: Option<KeysId>,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    fn compare(&mut self, row: &Row<'_>) {
        let changed_kind = match row.seen {
            Some(seen) if seen.is_folder() => row.entry.is_some(),
            Some(_) => row.folder.is_some(),
            None => false,
        };
        if changed_kind && !self.complete {
            // The old half may not be removed, so the new half has no room yet.
            return;
        }
        match (row.folder, row.seen) {
            (Some(folder), Some(seen)) if seen.is_folder() => self.compare_folder(folder, seen),
            (Some(folder), _) => self.miss_folder(folder),
            (None, _) => {}
        }
        match (row.entry, row.seen) {
            (Some(was), Some(seen)) if !seen.is_folder() => self.compare_entry(was, seen),
            (Some(was), _) => self.miss_entry(was),
            (None, _) => {}
        }
        match row.seen {
            Some(seen) if seen.is_folder() && row.folder.is_none() => {
                let path = self.path.join(&seen.name);
                self.changes.push(Change::FolderAdded { path, facts: seen.folder_facts() });
            }
            Some(seen) if !seen.is_folder() && row.entry.is_none() => {
                let path = self.path.join(&seen.name);
                self.changes.push(Change::Added { path, seen: seen.clone() });
            }
            _ => {}
        }
    }

    fn compare_folder(&mut self, folder: &Folder, seen: &Seen) {
        if folder.unmanaged {
            let path = self.path.join(&folder.name);
            self.changes.push(Change::FolderManaged { path, folder: Box::new(folder.clone()) });
        }
        if !seen.is_as_recorded(folder) {
            let (path, facts) = (self.path.join(&folder.name), seen.folder_facts());
            self.changes.push(Change::FolderTouched { path, key: folder.key, facts });
        }
    }

    fn miss_folder(&mut self, folder: &Folder) {
        if folder.unmanaged {
            return;
        }
        let excluded = (self.is_excluded)(&folder.name, true);
        let path = self.path.join(&folder.name);
        let folder = Box::new(folder.clone());
        if excluded {
            self.changes.push(Change::FolderUnmanaged { path, folder });
        } else if self.complete {
            self.changes.push(Change::FolderRemoved { path, folder });
        }
    }

    fn compare_entry(&mut self, was: &Entry, seen: &Seen) {
        let path = self.path.join(&was.name);
        if was.racy
            || is_unsettled(&was.content)
            || !is_unchanged(&was.stamp, &seen.stamp)
            || !is_same_kind(&was.content, &seen.kind)
            || !self.is_stored_so(&was.content)
        {
            let (seen, was) = (seen.clone(), Box::new(was.clone()));
            self.changes.push(Change::Touched { path, seen, was });
        } else if was.unmanaged {
            self.changes.push(Change::Managed { path, was: Box::new(was.clone()) });
        }
    }

    /// Whether a file is stored in the form that is wanted now.
    fn is_stored_so(&self, content: &Content) -> bool {
        match content {
            Content::File(copy) => copy.cipher.map(|cipher| cipher.keys()) == self.keys,
            Content::Empty => self.keys.is_none(),
            Content::Symlink(_) => true,
        }
    }

    fn miss_entry(&mut self, was: &Entry) {
        if was.unmanaged {
            return;
        }
        let excluded = (self.is_excluded)(&was.name, false);
        let path = self.path.join(&was.name);
        let was = Box::new(was.clone());
        if excluded {
            self.changes.push(Change::Unmanaged { path, was });
        } else if self.complete {
            self.changes.push(Change::Removed { path, was });
        }
    }
}

/// Whether the file was sent while it changed, so that its copy proves nothing yet, or was not seen to
/// rest: it is read until it does.
fn is_unsettled(recorded: &Content) -> bool {
    matches!(recorded, Content::File(copy) if copy.unsettled)
}

fn is_same_kind(recorded: &Content, seen: &SeenKind) -> bool {
    match (recorded, seen) {
        (Content::File(_) | Content::Empty, SeenKind::File) => true,
        (Content::Symlink(recorded), SeenKind::Symlink(seen)) => recorded == seen,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
