//! Takes files out of their place: to the versions, or removes them with `keep = "0"`.
//!
//! Nothing is taken on trust here: before each batch of removals the watched folder is checked
//! again, and every path is looked at once more (I6). A file that was there before us is never
//! removed, only retired (I2).

use std::collections::HashSet;

use fichier_api::names::RemoteName;
use fichier_api::{BatchOutcome, FileUrl, FolderId, MAX_LINKS_PER_CALL};
use fichier_state::{
    Content, Entry, FolderKey, ForeignFile, Intent, IntentId, MirrorId, NewVersion, Origin,
    RelPath, Retired, Writing, failpoint,
};

use super::relocate::temporary_name;
use crate::base::words::counted;
use crate::base::{Form, Random};
use crate::disk::{OnRecord, Seen, SeenKind};
use crate::plan::{Note, Retirement};
use crate::remote::Remote;
use crate::remote::bring::{Brought, Parcel, came_unread, may_be_too_many};
use crate::remote::error::{RemoteError, is_gone};
use crate::remote::execute::Executor;
use crate::remote::source::Source;
use crate::remote::strays::{other_names, stored_name};

/// Files in a row that one removal finds unknown, one by one, at most: asking for such files counts
/// towards a ban (A.5).
const MOST_ASKED: usize = 5;

/// The outcome of a removal.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    /// Files that the service did not remove.
    pub(crate) still_there: Vec<FileUrl>,
    /// Files that the service did not know: asking for such files counts towards a ban (A.5).
    pub(crate) unknown: usize,
}

impl Removal {
    fn add(&mut self, other: Removal) {
        self.still_there.extend(other.still_there);
        self.unknown += other.unknown;
    }
}

/// A remote file that leaves its place.
#[derive(Clone, Debug)]
pub(crate) struct Leaving {
    /// The file's path.
    pub(crate) path: RelPath,
    /// The file's link.
    pub(crate) url: FileUrl,
    what: What,
    reason: Retired,
    intent: Option<IntentId>,
}

#[derive(Clone, Debug)]
enum What {
    Ours(Box<Entry>),
    Foreign(FolderKey, ForeignFile),
    /// A file as an intent describes it that an earlier run left behind.
    Version(Box<NewVersion>),
}

impl Leaving {
    /// A file on record; `None` if the record has no remote copy.
    pub(crate) fn of_entry(path: &RelPath, was: Box<Entry>, reason: Retired) -> Option<Leaving> {
        let url = was.remote()?.url.clone();
        let what = What::Ours(was);
        Some(Leaving { path: path.clone(), url, what, reason, intent: None })
    }

    /// A file that an earlier run was about to retire.
    pub(crate) fn of_version(version: NewVersion) -> Leaving {
        let (path, url, reason) = (version.path.clone(), version.url.clone(), version.reason);
        Leaving { path, url, what: What::Version(Box::new(version)), reason, intent: None }
    }

    /// A file that was there before us and stands where one of ours belongs.
    pub(super) fn of_foreign(path: &RelPath, folder: FolderKey, file: ForeignFile) -> Leaving {
        let url = file.url.clone();
        let what = What::Foreign(folder, file);
        Leaving { path: path.clone(), url, what, reason: Retired::Foreign, intent: None }
    }

    /// Writes the intent to retire the file, so that a crash before the call does not lose track of
    /// it.
    pub(crate) fn begin(
        &mut self,
        w: &mut Writing<'_>,
        mirror: MirrorId,
        into: FolderId,
    ) -> Result<(), fichier_state::Error> {
        let intent = Intent::Retire { version: self.version(mirror, into, w.now_s()) };
        self.intent = Some(w.begin(mirror, &intent)?);
        Ok(())
    }

    /// The same file, with the intent that is on disk already.
    pub(crate) fn begun(self, intent: IntentId) -> Leaving {
        Leaving { intent: Some(intent), ..self }
    }

    fn parcel(&self, form: &Form) -> Parcel {
        let (size_bytes, whirlpool) = match &self.what {
            What::Ours(entry) => (entry.object_bytes(), entry.remote().map(|copy| copy.whirlpool)),
            What::Foreign(_, file) => (file.size_bytes, file.whirlpool),
            What::Version(version) => (version.object_bytes(), version.whirlpool),
        };
        let name = match &self.what {
            What::Ours(entry) => entry.remote_name(),
            What::Foreign(_, file) => file.name.clone(),
            What::Version(version) => stored_name(form, self.path.name(), version.cipher.as_ref()),
        };
        Parcel::new(&self.url, vec![name], size_bytes, whirlpool)
    }

    /// Whether the file is known to have this name on the service.
    pub(super) fn is_named(&self, name: &RemoteName, form: &Form) -> bool {
        self.parcel(form).names.contains(name)
    }

    /// Removes the record of the file at its place.
    pub(crate) fn forget(&self, w: &mut Writing<'_>) -> Result<(), fichier_state::Error> {
        match &self.what {
            What::Ours(entry) => w.remove_entry(entry.folder, &entry.name).map(|_| ()),
            What::Foreign(folder, file) => w.remove_foreign(*folder, &file.url),
            What::Version(version) => match w.entry_of_url(&version.url)? {
                Some(entry) => w.remove_entry(entry.folder, &entry.name).map(|_| ()),
                None => Ok(()),
            },
        }
    }

    /// Whether the file may be removed at once: only one that we sent or copied there ourselves.
    fn is_ours(&self) -> bool {
        match &self.what {
            What::Ours(entry) => entry.remote().is_some_and(|copy| copy.origin != Origin::Adopted),
            What::Foreign(..) | What::Version(_) => false,
        }
    }

    fn version(&self, mirror: MirrorId, into: FolderId, until_s: i64) -> NewVersion {
        let unknown = NewVersion {
            mirror,
            path: self.path.clone(),
            url: self.url.clone(),
            size_bytes: 0,
            whirlpool: None,
            fingerprint: None,
            metadata: None,
            folder: into,
            current_from_s: 0,
            current_until_s: until_s,
            reason: self.reason,
            cipher: None,
        };
        match &self.what {
            What::Ours(entry) => {
                let copy = entry.remote();
                NewVersion {
                    size_bytes: entry.stamp.size_bytes,
                    whirlpool: copy.map(|copy| copy.whirlpool),
                    fingerprint: copy.map(|copy| copy.fingerprint),
                    metadata: Some(entry.metadata.clone()),
                    current_from_s: copy.map_or(0, |copy| copy.confirmed_s),
                    cipher: copy.and_then(|copy| copy.cipher),
                    ..unknown
                }
            }
            What::Version(version) => NewVersion { folder: into, ..(**version).clone() },
            What::Foreign(_, file) => {
                NewVersion { size_bytes: file.size_bytes, whirlpool: file.whirlpool, ..unknown }
            }
        }
    }
}

impl Executor {
    /// Retires files that are gone from disk, after one more look at each.
    pub(super) async fn retire(&self, files: Vec<Retirement>) -> Result<(), RemoteError> {
        self.check_root()?;
        let mut leaving = Vec::new();
        let mut successors = Vec::new();
        for file in files {
            if !self.source.is_still_gone(&file)? {
                self.remote.dirty.mark(file.path.clone());
                continue;
            }
            let left = Leaving::of_entry(&file.path, file.was, file.reason);
            if let Some(then) = file.then {
                let url = left.as_ref().map(|left| left.url.clone());
                successors.push((url, Note::Unsendable(file.path, then)));
            }
            leaving.extend(left);
        }
        self.remote.count_removals(leaving.len() as u64)?;
        self.remote.retire_all(leaving).await?;
        let mut notes = Vec::new();
        for (url, note) in successors {
            // A file that the service did not remove is known only by the row that this note would
            // replace.
            let is_left = match url {
                Some(url) => self.remote.state.read(|s| s.entry_of_url(&url))?.is_none(),
                None => true,
            };
            notes.extend(is_left.then_some(note));
        }
        self.note(notes)
    }

    pub(super) fn check_root(&self) -> Result<(), RemoteError> {
        let approved = self.remote.state.read(|s| s.allowance(self.remote.mirror))? > 0;
        let files = self.remote.state.read(|s| s.totals(self.remote.mirror))?.files;
        let on_record = OnRecord { files, approved };
        self.source.disks.check_root(
            &self.source.path,
            self.source.identity.as_ref(),
            on_record,
        )?;
        Ok(())
    }
}

impl Remote {
    /// Moves files to the versions, or removes them; up to a hundred in one call.
    pub(crate) async fn retire_all(&self, all: Vec<Leaving>) -> Result<(), RemoteError> {
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

    /// Retires files whose places are to be taken. Returns those that did not leave: the records of
    /// others would replace theirs, and they would be lost track of.
    pub(super) async fn make_room(
        &self,
        leaving: Vec<Leaving>,
    ) -> Result<Vec<Leaving>, RemoteError> {
        self.retire_all(leaving.clone()).await?;
        let mut staying = Vec::new();
        for left in leaving {
            let is_on_record = match &left.what {
                What::Ours(_) => self.state.read(|s| s.entry_of_url(&left.url))?.is_some(),
                What::Foreign(folder, file) => {
                    let there = self.state.read(|s| s.foreign(*folder))?;
                    there.iter().any(|other| other.url == file.url)
                }
                What::Version(_) => false,
            };
            staying.extend(is_on_record.then_some(left));
        }
        Ok(staying)
    }

    async fn move_to_versions(&self, chunk: &[Leaving]) -> Result<(), RemoteError> {
        failpoint::reached("retire:planned");
        let into = self.versions_folder(chunk.len(), None).await?;
        let mut leaving = chunk.to_vec();
        self.state.write(|w| {
            for left in leaving.iter_mut().filter(|left| left.intent.is_none()) {
                left.begin(w, self.mirror, into)?;
            }
            Ok(())
        })?;
        failpoint::reached("retire:begun");
        let brought = self.bring_to_versions(&leaving, into).await?;
        let stuck = self.confirm_in_versions(&leaving, &brought, into)?;
        failpoint::reached("retire:confirmed");
        let (mut begun_here, mut retired) = (Vec::new(), leaving.len() as u64);
        for (left, before) in
            leaving.iter().zip(chunk).filter(|(left, _)| stuck.contains(&left.url))
        {
            retired -= 1;
            begun_here.extend(left.intent.filter(|_| before.intent.is_none()));
            self.problem(
                &left.path,
                "the service did not move an old copy to the versions",
                "it is tried again by itself",
            )?;
        }
        // While a file is on record, the next plan retires it; other files are known by their
        // intent.
        self.state.write(|w| begun_here.iter().try_for_each(|intent| w.resolve(*intent)))?;
        self.report(|report| report.retired += retired);
        Ok(())
    }

    /// Moves files to a versions folder. Where the service wants names to be unique, files whose
    /// names are taken there get a unique one. Files that it says not to know count as gone only if
    /// it says so of one of them a second time.
    async fn bring_to_versions(
        &self,
        leaving: &[Leaving],
        into: FolderId,
    ) -> Result<Brought, RemoteError> {
        let mut parcels: Vec<Parcel> = leaving.iter().map(|left| left.parcel(&self.form)).collect();
        let mut brought = Brought::default();
        let mut renaming = None;
        for try_again in [true, false] {
            let moved = match self.bring(&parcels, into).await {
                Err(RemoteError::Api(error)) if is_gone(&error) => {
                    // The versions folder was removed: the next try makes another.
                    self.versions_folder_is_gone(into)?;
                    return Err(error.into());
                }
                other => other?,
            };
            brought.add(moved);
            parcels.retain(|p| brought.url(&p.url).is_none() && !brought.is_gone(&p.url));
            if parcels.is_empty() || !try_again {
                break;
            }
            let names: Vec<_> = parcels
                .iter()
                .map(|parcel| (parcel.url.clone(), unique_name(parcel, &self.random)))
                .collect();
            // A file that does not move after that gets its own name again.
            renaming = Some(self.state.write(|w| {
                other_names(self.mirror).set(w, true)?;
                w.begin(self.mirror, &Intent::Rename { urls: names.clone() })
            })?);
            self.give_names(&names).await?;
        }
        if let Some(renaming) = renaming {
            self.keep_renaming(renaming, &parcels)?;
        }
        let denied = leaving.iter().find(|left| brought.is_gone(&left.url));
        if let Some(first) = denied
            && !self.is_lost(&first.url).await?
        {
            brought.doubt_gone();
        }
        Ok(brought)
    }

    /// Of files that were given other names to be moved, those that did not move are still to get
    /// their own names again.
    fn keep_renaming(&self, begun: IntentId, stuck: &[Parcel]) -> Result<(), RemoteError> {
        let named = |parcel: &Parcel| Some((parcel.url.clone(), parcel.names.first()?.clone()));
        let urls: Vec<(FileUrl, RemoteName)> = stuck.iter().filter_map(named).collect();
        Ok(self.state.write(|w| {
            w.resolve(begun)?;
            if urls.is_empty() {
                return Ok(());
            }
            w.begin(self.mirror, &Intent::Rename { urls }).map(|_| ())
        })?)
    }

    /// Records the files that have arrived. Returns the links of those that have not.
    fn confirm_in_versions(
        &self,
        leaving: &[Leaving],
        brought: &Brought,
        into: FolderId,
    ) -> Result<HashSet<FileUrl>, RemoteError> {
        let now_s = self.state.now_s();
        let (mut moved, mut gone, mut stuck) = (0, 0, HashSet::new());
        self.state.write(|w| {
            for left in leaving {
                if let Some(url) = brought.url(&left.url) {
                    let url = url.clone();
                    let version = NewVersion { url, ..left.version(self.mirror, into, now_s) };
                    w.add_version(&version)?;
                    moved += 1;
                } else if brought.is_gone(&left.url) {
                    gone += 1;
                } else {
                    stuck.insert(left.url.clone());
                    continue;
                }
                left.forget_if_current(w)?;
                if let Some(intent) = left.intent {
                    w.resolve(intent)?;
                }
            }
            w.count_retired(into, moved, None)
        })?;
        if gone > 0 {
            // These files were to leave their place, and are gone.
            tracing::warn!(
                files = gone,
                "{} to be retired, and no longer on 1fichier",
                counted(gone, "replaced or deleted file")
            );
        }
        Ok(stuck)
    }

    async fn remove_for_good(&self, chunk: &[Leaving]) -> Result<(), RemoteError> {
        let urls: Vec<FileUrl> = chunk.iter().map(|left| left.url.clone()).collect();
        let paths = chunk.iter().map(|left| left.path.clone()).collect();
        let intent = Intent::Remove { urls: urls.clone(), paths };
        let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
        failpoint::reached("remove:begun");
        let Removal { still_there, .. } = self.remove_all(&urls).await?;
        failpoint::reached("remove:confirmed");
        let is_removed = |left: &&Leaving| !still_there.contains(&left.url);
        self.state.write(|w| {
            for left in chunk.iter().filter(is_removed) {
                left.forget_if_current(w)?;
                if let Some(intent) = left.intent {
                    w.resolve(intent)?;
                }
            }
            w.resolve(intent)
        })?;
        // While a file is on record, the next plan removes it; other files are known by their
        // intent.
        for left in chunk.iter().filter(|left| !is_removed(left)) {
            let what = "the service did not remove an old copy";
            self.problem(&left.path, what, "it is tried again by itself")?;
        }
        self.report(|report| report.retired += (chunk.len() - still_there.len()) as u64);
        Ok(())
    }

    /// Removes files, as many in one call as the service is known to take.
    pub(crate) async fn remove_all(&self, urls: &[FileUrl]) -> Result<Removal, RemoteError> {
        let mut removal = Removal::default();
        for batch in urls.chunks(self.links_per_call()?) {
            removal.add(self.remove_batch(batch).await?);
        }
        Ok(removal)
    }

    /// Removes a batch, and asks again while the service carries out only a part. Files that it
    /// then does not name are unknown to it (B.8), or still there. A batch that is refused is
    /// halved: it may be too large (G.1 row 1).
    async fn remove_batch(&self, urls: &[FileUrl]) -> Result<Removal, RemoteError> {
        let mut open = urls.to_vec();
        let mut removal = Removal::default();
        while !open.is_empty() {
            let (outcome, unread) = match self.client.remove_files(&open).await {
                Ok(outcome) => (outcome, None),
                Err(error) if is_gone(&error) => (BatchOutcome::default(), None),
                Err(error) if may_be_too_many(&error) && open.len() > 1 => {
                    let rest = open.split_off(open.len() / 2);
                    removal.add(Box::pin(self.remove_batch(&open)).await?);
                    removal.add(Box::pin(self.remove_batch(&rest)).await?);
                    return Ok(removal);
                }
                // The files may be removed all the same (I12).
                Err(error) if came_unread(&error) => (BatchOutcome::default(), Some(error)),
                Err(error) => return Err(error.into()),
            };
            failpoint::reached("files:removed");
            open = if outcome.done.is_empty() {
                self.judge_unnamed(open, unread, &mut removal).await?
            } else {
                outcome.missing
            };
        }
        Ok(removal)
    }

    /// Judges files of which a removal has named none, by the last of them and the first. Returns
    /// those that are to be removed once more: the service may carry out only the first ones of a
    /// call, and those are gone already.
    async fn judge_unnamed(
        &self,
        mut open: Vec<FileUrl>,
        unread: Option<fichier_api::Error>,
        removal: &mut Removal,
    ) -> Result<Vec<FileUrl>, RemoteError> {
        let (Some(first), Some(last)) = (open.first(), open.last()) else { return Ok(open) };
        if self.is_lost(last).await? {
            removal.unknown += open.len();
            return Ok(Vec::new());
        }
        if first == last || !self.is_lost(first).await? {
            return match unread {
                Some(error) => Err(error.into()),
                None => {
                    removal.still_there.append(&mut open);
                    Ok(open)
                }
            };
        }
        removal.unknown += 1;
        open.remove(0);
        if removal.unknown >= MOST_ASKED {
            removal.still_there.append(&mut open);
        }
        Ok(open)
    }

    /// Whether the service no longer knows a link. Costs one call, which may not be made often.
    pub(crate) async fn is_lost(&self, url: &FileUrl) -> Result<bool, RemoteError> {
        match self.client.file_info(url).await {
            Ok(_) => Ok(false),
            Err(error) if is_gone(&error) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts removals: approved ones use up their approval, others count against the limit for a
    /// day (I6).
    pub(crate) fn count_removals(&self, count: u64) -> Result<(), RemoteError> {
        let approved = self.state.read(|s| s.allowance(self.mirror))?.min(count);
        Ok(self.state.write(|w| {
            w.spend_allowance(self.mirror, approved)?;
            w.log_removals(self.mirror, w.now_s(), count - approved)
        })?)
    }
}

impl Source {
    /// Whether no file has come back at the path since it was found gone.
    fn is_still_gone(&self, file: &Retirement) -> Result<bool, RemoteError> {
        let now = self.look(&file.path)?;
        Ok(match (&now, &file.then) {
            (None, None) => true,
            (Some(now), Some(then)) => same_unsendable(now, then),
            // A folder or a device where the file was: the file is gone all the same.
            (Some(now), None) => !matches!(now.kind, SeenKind::File | SeenKind::Symlink(_)),
            (None, Some(_)) => false,
        })
    }
}

impl Leaving {
    /// Removes the file's record, except where its row already holds the file that replaced it.
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
            What::Foreign(..) | What::Version(_) => self.forget(w),
        }
    }
}

/// A name that no other file in a versions folder has; the record knows the right one.
fn unique_name(parcel: &Parcel, random: &Random) -> RemoteName {
    /// Bytes of a name up to which it becomes a part of the unique one, which stays well below the
    /// limit of the service (F.1).
    const MAX_NAME_BYTES: usize = 180;
    let unique = temporary_name(random);
    match parcel.names.first() {
        Some(name) if name.as_str().len() <= MAX_NAME_BYTES => {
            RemoteName::from_service(format!("{}-{}", unique.as_str(), name.as_str()))
        }
        Some(_) | None => unique,
    }
}

fn same_unsendable(now: &Seen, then: &Seen) -> bool {
    now.kind == then.kind && (now.stamp.size_bytes == 0 || matches!(now.kind, SeenKind::Symlink(_)))
}
