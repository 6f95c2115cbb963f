//! The survey of single paths, as the watcher names them.
//!
//! A path is compared in its folder by one `lstat`; no listing is read for it. The walk goes down
//! from the source, because the folders above decide: a pattern may exclude it, a folder may be new
//! or gone, a mount may be missing. At the first such folder the comparison is made there, for
//! everything below.

use fichier_state::{Entry, Folder, FolderKey, RelPath};

use super::{FolderScan, SurveyError, Walk, WalkPlace};
use crate::disk::Seen;
use crate::disk::at::is_gone;
use crate::disk::filter::RULES_FILE;
use crate::plan::change::Change;
use crate::plan::diff::diff_folder;

impl Walk<'_> {
    pub(super) fn paths(&mut self, paths: &[RelPath]) -> Result<(), SurveyError> {
        let mut covered: Option<RelPath> = None;
        for path in topmost(paths) {
            if covered.as_ref().is_some_and(|covered| path.starts_with(covered)) {
                continue;
            }
            covered = Some(self.path(&path)?);
        }
        Ok(())
    }

    /// Compares `path` and everything below it, or a folder above it instead; returns which.
    fn path(&mut self, path: &RelPath) -> Result<RelPath, SurveyError> {
        if path.is_root() {
            self.everything()?;
            return Ok(RelPath::root());
        }
        let (root, found) = self.root()?;
        self.report_root(&root, &found);
        let mut place = self.root_place(&root, &found);
        let mut names = path.components().peekable();
        while let Some(name) = names.next() {
            match self.step(place, name, names.peek().is_none())? {
                Step::Down(next) => place = next,
                Step::Done(at) => return Ok(at),
            }
        }
        Ok(path.clone())
    }

    /// Goes from `place` to the entry `name`, and compares it if the walk cannot go further.
    fn step(&mut self, place: WalkPlace, name: &[u8], is_last: bool) -> Result<Step, SurveyError> {
        let WalkPlace { path: folder, key, mounts, filter } = place;
        let at = folder.join(name);
        let looked = self.is_on_its_mount(&folder, mounts).and_then(|is_on_it| {
            if !is_on_it {
                return Ok(None);
            }
            let ruled = self.scanner.with_own_rules(&folder, filter)?;
            Ok(Some((ruled, self.scanner.look_in(&folder, name)?)))
        });
        let ((filter, mut notices), seen) = match looked {
            Ok(Some(looked)) => looked,
            // The mount came or went this moment, and then everything is looked at again.
            Ok(None) => {
                self.survey.incomplete.push(folder);
                return Ok(Step::Done(at));
            }
            // Its folder was removed this moment, which marks it dirty again.
            Err(error) if is_gone(&error) => return Ok(Step::Done(at)),
            Err(error) => {
                self.give_up(at.clone(), error);
                return Ok(Step::Done(at));
            }
        };
        let excluded = seen.as_ref().is_some_and(|seen| filter.is_excluded(name, seen.is_folder()));
        let mut seen = seen.filter(|_| !excluded);
        let (folders, entries) = self.records_of(key, &at)?;
        let record = folders.first();
        let below = seen.as_mut().filter(|seen| seen.is_folder()).map(|seen| {
            let mounts = mounts.below(record.map(|folder| folder.device), seen);
            seen.device = mounts.number();
            let key = record.map(|folder| folder.key);
            WalkPlace { path: at.clone(), key, mounts, filter: filter.below(name) }
        });
        match below {
            Some(below) if !is_last && below.key.is_some() && !below.mounts.mount_changed() => {
                self.report_touched(&at, folders.first(), seen.as_ref());
                return Ok(Step::Down(below));
            }
            below => {
                self.survey.notices.append(&mut notices);
                let entries_found = seen.into_iter().collect();
                let found =
                    FolderScan { entries: entries_found, complete: true, ..FolderScan::default() };
                self.count(&found);
                let is_excluded = |name: &[u8], is_dir| filter.is_excluded(name, is_dir);
                self.collect(diff_folder(
                    &folder,
                    &folders,
                    &entries,
                    &found,
                    &is_excluded,
                    self.request.keys,
                ));
                if let Some(below) = below {
                    self.walk(below)?;
                }
            }
        }
        Ok(Step::Done(at))
    }

    /// Reports the facts of a folder on the way: changes inside it have changed its times.
    fn report_touched(&mut self, at: &RelPath, record: Option<&Folder>, seen: Option<&Seen>) {
        if let (Some(folder), Some(seen)) = (record, seen)
            && !seen.is_as_recorded(folder)
        {
            let (path, facts) = (at.clone(), seen.folder_facts());
            self.survey.changes.push(Change::FolderTouched { path, key: folder.key, facts });
        }
    }

    /// The records of the one path `at` in the folder `key`.
    fn records_of(
        &self,
        key: Option<FolderKey>,
        at: &RelPath,
    ) -> Result<(Vec<Folder>, Vec<Entry>), SurveyError> {
        let Some(key) = key else { return Ok((Vec::new(), Vec::new())) };
        let store = self.lock_store();
        let folder = store.folder_at(self.request.mirror.id, at)?;
        let entry = store.entry(key, at.name())?;
        Ok((folder.into_iter().collect(), entry.into_iter().collect()))
    }
}

/// The result of one step down.
enum Step {
    /// The next folder, which is on record.
    Down(WalkPlace),
    /// The path that was compared, with everything below it.
    Done(RelPath),
}

/// The paths without those below others. New patterns concern everything in their folder.
fn topmost(paths: &[RelPath]) -> Vec<RelPath> {
    let widen = |path: &RelPath| match path.parent() {
        Some(folder) if path.name() == RULES_FILE => folder,
        _ => path.clone(),
    };
    let mut paths: Vec<RelPath> = paths.iter().map(widen).collect();
    paths.sort();
    paths.dedup_by(|path, kept| path.starts_with(kept));
    paths
}
