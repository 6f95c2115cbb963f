//! The walk of a mirror: the disk beside the records, folder by folder.
//!
//! A walk needs no list of all files: each folder's listing is merged with its own records, so
//! memory grows with the number of *changes*, and the state is locked for one folder at a time.
//! Additions and touched files are collected up to a bound; the others stay different from their
//! records, and the next survey finds them.
//!
//! Invariants (I6): nothing is removed at or below a folder that could not be read, or at or below
//! a mount point whose file system is gone or was replaced.

mod mounts;
mod single;

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fichier_state::{
    Content, Entry, Folder, FolderKey, KeysId, Mirror, RelPath, Stamp, Store, failpoint,
};
use mounts::Mounts;

use crate::disk::at::is_gone;
use crate::disk::seen::system_time_ns;
use crate::disk::{FolderFilter, FolderScan, Notice, Scanner, Seen, SeenKind, Trouble};
use crate::plan::change::Change;
use crate::plan::diff::diff_folder;

/// The result of a survey.
#[derive(Debug, Default)]
pub struct Survey {
    /// The differences, in path order. A path that changed its kind is there twice: the removal
    /// before the addition.
    pub changes: Vec<Change>,
    /// The number of additions, touched and unsettled files beyond the bound, which were only
    /// counted. While there are any, a removal may be one half of a rename whose other half is
    /// among them.
    pub left_out: u64,
    /// Entries of folders that were looked at.
    pub looked_at: u64,
    /// Files that differ but were written less than `settle` ago; they are not in `changes`.
    pub unsettled: Vec<RelPath>,
    /// Files that differ but were tried lately.
    pub skipped: Vec<RelPath>,
    /// The sizes of files that may differ from what is awaited for their paths: an upload or a copy
    /// that began before. They are not in `changes` until it has ended.
    pub awaited: Vec<u64>,
    /// The sizes of the files that are `unsettled`, where it matters what they are.
    pub unsettled_bytes: Vec<u64>,
    /// Paths that could not be looked at or cannot be mirrored, and why.
    pub trouble: Vec<Trouble>,
    /// What else there is to tell of a path.
    pub notices: Vec<Notice>,
    /// Paths that could not be listed or looked at: nothing there or below is removed.
    pub incomplete: Vec<RelPath>,
    /// Mount points whose file system is gone or was replaced: nothing below them is touched.
    pub unavailable: Vec<RelPath>,
    /// FIFOs, sockets and devices that were seen.
    pub specials: u64,
}

/// The extent and the rules of a survey.
pub struct SurveyRequest<'a> {
    /// The mirror, whose source the scanner has open.
    pub mirror: &'a Mirror,
    /// The paths to look at, each with everything below it. `None` is everything. A path may be
    /// gone, or have no record yet.
    pub paths: Option<&'a [RelPath]>,
    /// The time for which a file must have been left alone.
    pub settle: Duration,
    /// The time of the survey.
    pub now: SystemTime,
    /// Files to take even if they have not settled.
    pub force: &'a dyn Fn(&RelPath) -> bool,
    /// Added and touched files to leave out: they were tried lately and could not be mirrored.
    pub skip: &'a dyn Fn(&RelPath) -> bool,
    /// The bound for additions and touched files together, and for unsettled files; beyond it they
    /// are only counted.
    pub max_additions: usize,
    /// The keys with which files are stored enciphered; `None` if they are stored as they are.
    pub keys: Option<KeysId>,
}

/// Why a survey could not be made at all.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The records could not be read.
    #[error("the state could not be read")]
    Store(#[from] fichier_state::Error),
    /// The source itself could not be looked at.
    #[error("the source could not be looked at")]
    Source(#[source] io::Error),
    /// The mirror has no root folder on record.
    #[error("the mirror is not on record")]
    UnknownMirror,
}

/// Compares the disk with the records. Blocks; about 2 µs an entry with all in memory.
///
/// # Errors
///
/// [`SurveyError`]. Folders that cannot be read are no error: see [`Survey::incomplete`].
pub fn survey(
    scanner: &mut Scanner,
    store: &Mutex<Store>,
    request: &SurveyRequest<'_>,
) -> Result<Survey, SurveyError> {
    scanner.forget_trail();
    let mut walk = Walk { scanner, store, request, survey: Survey::default(), additions: 0 };
    let result = match request.paths {
        None => walk.everything(),
        Some(paths) => walk.paths(paths),
    };
    let Walk { scanner, mut survey, .. } = walk;
    scanner.forget_trail();
    // The sort is stable: of two changes of one path, the removal stays first.
    survey.changes.sort_by(|one, other| one.path().cmp(other.path()));
    // Paths that were looked at one by one have met in the folders above them.
    survey.changes.dedup();
    result.map(|()| survey)
}

struct Walk<'a> {
    scanner: &'a mut Scanner,
    store: &'a Mutex<Store>,
    request: &'a SurveyRequest<'a>,
    survey: Survey,
    additions: usize,
}

/// A folder that the walk goes into.
struct WalkPlace {
    path: RelPath,
    /// Its record; `None` if it is new, and then everything below it is new too.
    key: Option<FolderKey>,
    mounts: Mounts,
    /// The patterns from above, without those in the folder itself.
    filter: FolderFilter,
}

/// A folder whose sub-folders are being walked.
struct Frame {
    path: RelPath,
    filter: FolderFilter,
    subfolders: std::vec::IntoIter<Subfolder>,
}

struct Subfolder {
    name: Vec<u8>,
    mounts: Mounts,
    /// The key of its record.
    key: Option<FolderKey>,
}

impl Walk<'_> {
    fn everything(&mut self) -> Result<(), SurveyError> {
        let (root, found) = self.root()?;
        self.report_root(&root, &found);
        let place = self.root_place(&root, &found);
        self.walk(place)
    }

    /// The record of the source, and its present facts.
    fn root(&mut self) -> Result<(Folder, Seen), SurveyError> {
        let key = self.request.mirror.root;
        let root = self.lock_store().folder(key)?.ok_or(SurveyError::UnknownMirror)?;
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let seen = self.scanner.look(&RelPath::root()).and_then(|seen| seen.ok_or_else(gone));
        Ok((root, seen.map_err(SurveyError::Source)?))
    }

    fn root_place(&mut self, root: &Folder, found: &Seen) -> WalkPlace {
        WalkPlace {
            path: RelPath::root(),
            key: Some(root.key),
            mounts: Mounts::of_root(root.device, found),
            filter: self.scanner.bare_filter(),
        }
    }

    /// The source's own facts belong to a restore, and its number tells mount points.
    fn report_root(&mut self, root: &Folder, found: &Seen) {
        if !found.is_as_recorded(root) {
            let (path, facts) = (RelPath::root(), found.folder_facts());
            self.survey.changes.push(Change::FolderTouched { path, key: root.key, facts });
        }
    }

    /// Walks `start` and everything below it. Not recursive: a tree may be of any depth.
    fn walk(&mut self, start: WalkPlace) -> Result<(), SurveyError> {
        let mut frames: Vec<Frame> = self.visit(start)?.into_iter().collect();
        while let Some(frame) = frames.last_mut() {
            let Some(subfolder) = frame.subfolders.next() else {
                frames.pop();
                continue;
            };
            let place = WalkPlace {
                path: frame.path.join(&subfolder.name),
                key: subfolder.key,
                mounts: subfolder.mounts,
                filter: frame.filter.below(&subfolder.name),
            };
            frames.extend(self.visit(place)?);
        }
        Ok(())
    }

    /// Compares one folder with its records; `None` if there is nothing to do below it.
    fn visit(&mut self, place: WalkPlace) -> Result<Option<Frame>, SurveyError> {
        let WalkPlace { path, key, mounts, filter } = place;
        failpoint::reached("scan:folder");
        let read = self.is_on_its_mount(&path, mounts).and_then(|is_on_it| {
            if is_on_it { self.scanner.read_with(&path, filter).map(Some) } else { Ok(None) }
        });
        let (mut found, filter) = match read {
            Ok(Some(read)) => read,
            // The mount came or went this moment, and then everything is looked at again.
            Ok(None) => {
                self.survey.incomplete.push(path);
                return Ok(None);
            }
            // The folder is gone since its parent was listed; that change marks it dirty again.
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => {
                self.give_up(path, error);
                return Ok(None);
            }
        };
        self.survey.trouble.append(&mut found.trouble);
        self.survey.notices.append(&mut found.notices);
        let (folders, entries) = self.records(key)?;
        if mounts.mount_changed() && !mounts::is_familiar(&folders, &entries, &found) {
            self.leave_unavailable(path);
            return Ok(None);
        }
        if !found.complete {
            self.survey.incomplete.push(path.clone());
        }
        self.count(&found);
        let subfolders = subfolders(mounts, &folders, &entries, &mut found).into_iter();
        let is_excluded = |name: &[u8], is_dir| filter.is_excluded(name, is_dir);
        self.collect(diff_folder(
            &path,
            &folders,
            &entries,
            &found,
            &is_excluded,
            self.request.keys,
        ));
        Ok(Some(Frame { path, filter, subfolders }))
    }

    /// Whether the folder is on the mount on which it was seen from the folder above.
    fn is_on_its_mount(&mut self, path: &RelPath, mounts: Mounts) -> io::Result<bool> {
        let found = self.scanner.mount_of(path)?;
        Ok(found.is_none_or(|(device, mount)| mounts.is_on(device, mount)))
    }

    /// The records in a folder; none for a new one, without asking.
    fn records(&self, key: Option<FolderKey>) -> Result<(Vec<Folder>, Vec<Entry>), SurveyError> {
        let Some(key) = key else { return Ok((Vec::new(), Vec::new())) };
        let store = self.lock_store();
        Ok((store.subfolders(key)?, store.entries(key)?))
    }

    fn count(&mut self, found: &FolderScan) {
        let specials = found.entries.iter().filter(|seen| seen.kind == SeenKind::Special).count();
        self.survey.looked_at += found.entries.len() as u64;
        self.survey.specials += specials as u64;
    }

    fn collect(&mut self, changes: Vec<Change>) {
        for change in changes {
            match &change {
                Change::Added { path, seen } | Change::Touched { path, seen, .. } => {
                    if (self.request.skip)(path) {
                        self.survey.skipped.push(path.clone());
                        continue;
                    }
                    if seen.kind == SeenKind::File
                        && !self.has_settled(&seen.stamp)
                        && (!(self.request.force)(path) || loses_content(&change))
                    {
                        self.collect_unsettled(path.clone());
                    } else {
                        self.collect_bounded(change);
                    }
                }
                Change::FolderAdded { .. } => self.collect_bounded(change),
                Change::FolderTouched { .. }
                | Change::FolderRemoved { .. }
                | Change::FolderUnmanaged { .. }
                | Change::FolderManaged { .. }
                | Change::Unmanaged { .. }
                | Change::Managed { .. }
                | Change::Removed { .. } => self.survey.changes.push(change),
            }
        }
    }

    /// Once the bound is reached nothing more is added, so no file is ever collected without
    /// its new folder.
    fn collect_bounded(&mut self, change: Change) {
        if self.additions < self.request.max_additions {
            self.additions += 1;
            self.survey.changes.push(change);
        } else {
            self.survey.left_out += 1;
        }
    }

    fn collect_unsettled(&mut self, path: RelPath) {
        if self.survey.unsettled.len() < self.request.max_additions {
            self.survey.unsettled.push(path);
        } else {
            self.survey.left_out += 1;
        }
    }

    /// Whether a file was left alone for long enough. A time in the future tells nothing about
    /// that, and waiting for it could take years; a file that is being written shows it by a stamp
    /// that changes while it is read.
    fn has_settled(&self, stamp: &Stamp) -> bool {
        let now_ns = system_time_ns(self.request.now);
        let times = [stamp.mtime_ns, stamp.ctime_ns];
        let Some(latest) = times.into_iter().filter(|time| *time <= now_ns).max() else {
            return true;
        };
        u128::from(now_ns.abs_diff(latest)) >= self.request.settle.as_nanos()
    }

    fn give_up(&mut self, path: RelPath, error: io::Error) {
        self.survey.incomplete.push(path.clone());
        self.survey.trouble.push(Trouble { path, error });
    }

    /// Leaves a mount point as it is on record. Its new facts must not be recorded: with them the
    /// folder below the mount would look like the right one the next time.
    fn leave_unavailable(&mut self, path: RelPath) {
        let is_its_touch = |change: &Change| matches!(change, Change::FolderTouched { path: touched, .. } if *touched == path);
        if let Some(at) = self.survey.changes.iter().rposition(is_its_touch) {
            self.survey.changes.remove(at);
        }
        self.survey.unavailable.push(path);
    }

    fn lock_store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a file with content on record is empty now. While it is being written, this may be the
/// moment between two contents, so the last whole one stays.
fn loses_content(change: &Change) -> bool {
    let Change::Touched { seen, was, .. } = change else { return false };
    seen.stamp.size_bytes == 0
        && was.stamp.size_bytes > 0
        && matches!(was.content, Content::File(_))
}

/// The folders in `found` to go on with, each with its record. Gives all folders in `found` the
/// number of their mount.
fn subfolders(
    above: Mounts,
    folders: &[Folder],
    entries: &[Entry],
    found: &mut FolderScan,
) -> Vec<Subfolder> {
    let mut subfolders = Vec::new();
    for seen in found.entries.iter_mut().filter(|seen| seen.is_folder()) {
        let at = folders.binary_search_by(|folder| folder.name.cmp(&seen.name));
        let record = at.ok().map(|at| &folders[at]);
        let mounts = above.below(record.map(|folder| folder.device), seen);
        seen.device = mounts.number();
        // A file became a folder, but its removal has to wait for a complete listing.
        let waits =
            !found.complete && entries.binary_search_by(|entry| entry.name.cmp(&seen.name)).is_ok();
        if record.is_some() || !waits {
            let key = record.map(|folder| folder.key);
            subfolders.push(Subfolder { name: seen.name.clone(), mounts, key });
        }
    }
    subfolders
}

#[cfg(test)]
mod tests;
