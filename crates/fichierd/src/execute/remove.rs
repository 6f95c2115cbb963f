//! Files that leave their place: to the versions, or away with `keep = "0"`.
//!
//! Nothing is taken on trust here: before each batch of removals the watched folder is checked
//! again, and every path is looked at once more (I6). What was there before us is never removed,
//! only retired (I2).

use fichier_api::{FileUrl, FolderId, MAX_LINKS_PER_CALL, Whirlpool};
use fichier_state::{
    Content, Entry, FolderKey, ForeignFile, Intent, IntentId, MirrorId, NewVersion, Origin,
    RelPath, Retired, Writing,
};

use super::{Executor, StepError, now_s};
use crate::plan::Retirement;
use crate::root::check_root;
use crate::scan::{Seen, SeenKind};

/// A remote file on its way out.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    /// The path it had.
    pub(super) path: RelPath,
    /// Its link.
    pub(super) url: FileUrl,
    what: What,
    reason: Retired,
    intent: Option<IntentId>,
}

#[derive(Clone, Debug)]
enum What {
    Ours(Box<Entry>),
    Foreign(FolderKey, ForeignFile),
}

impl Leaving {
    /// A file on record; nothing if the record has no remote copy.
    pub(super) fn of_entry(path: &RelPath, was: Entry, reason: Retired) -> Option<Leaving> {
        let url = was.remote()?.url.clone();
        let what = What::Ours(Box::new(was));
        Some(Leaving { path: path.clone(), url, what, reason, intent: None })
    }

    /// A file that was there before us and stands where one of ours belongs.
    pub(super) fn of_foreign(path: &RelPath, folder: FolderKey, file: ForeignFile) -> Leaving {
        let url = file.url.clone();
        let what = What::Foreign(folder, file);
        Leaving { path: path.clone(), url, what, reason: Retired::Foreign, intent: None }
    }

    /// Writes the intent to retire it, so that a crash before the call loses nothing of it.
    pub(super) fn begin(
        &mut self,
        w: &mut Writing<'_>,
        mirror: MirrorId,
        into: FolderId,
    ) -> Result<(), fichier_state::Error> {
        let intent = Intent::Retire { version: self.version(mirror, into, now_s()) };
        self.intent = Some(w.begin(mirror, &intent)?);
        Ok(())
    }

    /// Takes it off the record of its place.
    pub(super) fn forget(&self, w: &mut Writing<'_>) -> Result<(), fichier_state::Error> {
        match &self.what {
            What::Ours(entry) => w.remove_entry(entry.folder, &entry.name).map(|_| ()),
            What::Foreign(folder, file) => w.remove_foreign(*folder, &file.url),
        }
    }

    /// Whether it may be removed at once: only what we sent or copied there ourselves.
    fn is_ours(&self) -> bool {
        match &self.what {
            What::Ours(entry) => entry.remote().is_some_and(|copy| copy.origin != Origin::Adopted),
            What::Foreign(..) => false,
        }
    }

    fn version(&self, mirror: MirrorId, into: FolderId, until_s: i64) -> NewVersion {
        let (size_bytes, whirlpool, fingerprint, metadata, from_s) = match &self.what {
            What::Ours(entry) => {
                let copy = entry.remote();
                let size_bytes = entry.stamp.size_bytes;
                let (hash, fingerprint) =
                    copy.map_or((None, None), |c| (Some(c.whirlpool), Some(c.fingerprint)));
                let from_s = copy.map_or(0, |copy| copy.confirmed_s);
                (size_bytes, hash, fingerprint, Some(entry.metadata.clone()), from_s)
            }
            What::Foreign(_, file) => {
                let hash: Option<Whirlpool> = file.whirlpool;
                (file.size_bytes, hash, None, None, 0)
            }
        };
        NewVersion {
            mirror,
            path: self.path.clone(),
            url: self.url.clone(),
            size_bytes,
            whirlpool,
            fingerprint,
            metadata,
            folder: into,
            current_from_s: from_s,
            current_until_s: until_s,
            reason: self.reason,
        }
    }
}

impl Executor {
    /// Retires files that are gone from disk, after one more look at each.
    pub(super) async fn retire(&self, files: Vec<Retirement>) -> Result<(), StepError> {
        self.check_root()?;
        let mut leaving = Vec::new();
        let mut successors = Vec::new();
        for file in files {
            if !self.is_still_gone(&file)? {
                self.dirty.mark(file.path.clone());
                continue;
            }
            if let Some(then) = file.then {
                successors.push((file.path.clone(), then));
            }
            leaving.extend(Leaving::of_entry(&file.path, file.was, file.reason));
        }
        self.count_removals(leaving.len() as u64)?;
        self.retire_all(leaving).await?;
        let notes = successors.into_iter().map(|(p, s)| crate::plan::Note::Unsendable(p, s));
        self.note(notes.collect())
    }

    /// Moves files to the versions, or removes them; a hundred in one call.
    pub(super) async fn retire_all(&self, all: Vec<Leaving>) -> Result<(), StepError> {
        let (to_remove, to_keep): (Vec<Leaving>, Vec<Leaving>) =
            all.into_iter().partition(|left| !self.keep_versions && left.is_ours());
        for chunk in to_keep.chunks(MAX_LINKS_PER_CALL) {
            self.move_to_versions(chunk).await?;
        }
        for chunk in to_remove.chunks(MAX_LINKS_PER_CALL) {
            self.remove_for_good(chunk).await?;
        }
        Ok(())
    }

    async fn move_to_versions(&self, chunk: &[Leaving]) -> Result<(), StepError> {
        let into = self.versions_folder(chunk.len(), None).await?;
        let mut chunk = chunk.to_vec();
        self.state.write(|w| {
            for left in chunk.iter_mut().filter(|left| left.intent.is_none()) {
                left.begin(w, self.mirror, into)?;
            }
            Ok(())
        })?;
        let urls: Vec<FileUrl> = chunk.iter().map(|left| left.url.clone()).collect();
        let outcome = self.client.move_files(&urls, into).await?;
        let now_s = now_s();
        let moved = u32::try_from(chunk.len() - outcome.missing.len()).unwrap_or(u32::MAX);
        self.state.write(|w| {
            for left in &chunk {
                if !outcome.missing.contains(&left.url) {
                    let mut version = left.version(self.mirror, into, now_s);
                    if let Some(url) = outcome.new_urls.get(&left.url) {
                        version.url = url.clone();
                    }
                    w.add_version(&version)?;
                }
                left.forget_if_current(w)?;
                if let Some(intent) = left.intent {
                    w.resolve(intent)?;
                }
            }
            w.count_retired(into, moved, None)
        })?;
        if !outcome.missing.is_empty() {
            // Already gone on the service: what had to leave has left.
            tracing::warn!(
                files = outcome.missing.len(),
                "some replaced or deleted files were no longer on the service"
            );
        }
        self.report(|report| report.retired += chunk.len() as u64);
        Ok(())
    }

    async fn remove_for_good(&self, chunk: &[Leaving]) -> Result<(), StepError> {
        let urls: Vec<FileUrl> = chunk.iter().map(|left| left.url.clone()).collect();
        let paths = chunk.iter().map(|left| left.path.clone()).collect();
        let intent = Intent::Remove { urls: urls.clone(), paths };
        let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
        self.client.remove_files(&urls).await?;
        self.state.write(|w| {
            for left in chunk {
                left.forget_if_current(w)?;
                if let Some(intent) = left.intent {
                    w.resolve(intent)?;
                }
            }
            w.resolve(intent)
        })?;
        self.report(|report| report.retired += chunk.len() as u64);
        Ok(())
    }

    /// Whether nothing has come back at the path since it was found gone.
    fn is_still_gone(&self, file: &Retirement) -> Result<bool, StepError> {
        let now = self.look(&file.path)?;
        Ok(match (&now, &file.then) {
            (None, None) => true,
            (Some(now), Some(then)) => same_unsendable(now, then),
            // A folder or a device where a file was: the file is gone all the same.
            (Some(now), None) => !matches!(now.kind, SeenKind::File | SeenKind::Symlink(_)),
            (None, Some(_)) => false,
        })
    }

    /// Approved removals use up their approval; others count against the limit for a day (I6).
    pub(super) fn count_removals(&self, count: u64) -> Result<(), StepError> {
        let approved = self.state.read(|s| s.allowance(self.mirror))?.min(count);
        Ok(self.state.write(|w| {
            w.spend_allowance(self.mirror, approved)?;
            w.log_removals(self.mirror, now_s(), count - approved)
        })?)
    }

    pub(super) fn check_root(&self) -> Result<(), StepError> {
        let recorded = self.state.read(|s| s.totals(self.mirror))?.files;
        check_root(&self.source, self.identity.as_ref(), recorded)?;
        Ok(())
    }
}

impl Leaving {
    /// A replaced file's row holds its successor by now, and must stay.
    fn forget_if_current(&self, w: &mut Writing<'_>) -> Result<(), fichier_state::Error> {
        match &self.what {
            What::Ours(entry) => {
                let now = w.entry(entry.folder, &entry.name)?;
                let is_current = now.is_some_and(|now| match now.content {
                    Content::File(copy) => copy.url == self.url,
                    Content::Empty | Content::Symlink(_) => false,
                });
                if is_current { self.forget(w) } else { Ok(()) }
            }
            What::Foreign(..) => self.forget(w),
        }
    }
}

fn same_unsendable(now: &Seen, then: &Seen) -> bool {
    now.kind == then.kind && (now.stamp.size_bytes == 0 || matches!(now.kind, SeenKind::Symlink(_)))
}
