//! Makes verified files visible: from the staging folder into their folders, one call a folder.
//!
//! The file that a new one replaces is looked up here, in the state, and not taken from the plan,
//! so that an upload which a crash interrupted is published by the very same code.
//!
//! What the service does when a name is taken is not documented (G.1 row 12). If it is not known
//! yet (`habits`), the service is asked about both files the first time this happens, and the
//! answer is kept: if the old and the new file can stand side by side, the old copy is retired
//! afterwards; if not, it is moved to the versions first, where it is safe.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, FolderId, MAX_LINKS_PER_CALL};
use fichier_state::{
    Content, Entry, FolderKey, Intent, IntentId, NOT_CONFIRMED, Origin, PendingFile, RelPath,
    RemoteCopy, Retired, UploadKey, Writing, failpoint,
};

use super::records::other_name;
use super::relocate::is_temporary;
use super::remove::Leaving;
use crate::remote::Remote;
use crate::remote::bring::{Brought, Given, Parcel, is_name_with_more};
use crate::remote::error::{RemoteError, is_gone, is_local};
use crate::remote::execute::Executor;
use crate::remote::habits::{Habits, NameTaken};
use crate::remote::source::Source;
use crate::remote::unconfirmed;

/// The problem of a file that is in the staging folder, and stays there for now.
const NOT_IN_PLACE: &str = "it is sent, but the service did not put it in its place";
const NOT_IN_PLACE_HINT: &str = "it is put there as soon as the service does it";
/// Calls of one look at an upload in which the service knew none of the files; after these no other
/// is made: they count towards a ban (A.5).
const MOST_DENIED: u32 = 2;

/// The outcome for the files of one upload so far.
#[derive(Debug, Default)]
struct Published {
    /// Files that still have temporary names.
    under_other_name: HashSet<FileUrl>,
    /// Those of them that are in place, by their present links, with the names that they should
    /// have.
    misnamed: Vec<(FileUrl, RemoteName)>,
    /// The intents to rename those files.
    renaming: Vec<IntentId>,
    /// The files that were replaced.
    replaced: Vec<Leaving>,
    /// The folders that files went into.
    into: BTreeSet<RelPath>,
    /// Calls in which the service knew none of the files.
    denied: u32,
    /// Whether one file was moved alone, to find out what happens when a name is taken.
    has_probed: bool,
    /// The files in the staging folder, once they had to be looked for there.
    staged: Option<HashSet<FileUrl>>,
}

/// The folder that files of one upload go into.
#[derive(Clone, Copy, Debug)]
struct Goal {
    upload: UploadKey,
    row: FolderKey,
    id: FolderId,
}

/// Files that are in their folder now, and what was found out with them.
struct Arrived<'a> {
    files: &'a [&'a PendingFile],
    brought: &'a Brought,
    /// The files with temporary names, and the names that they should have.
    misnamed: &'a [(FileUrl, RemoteName)],
    /// What the service did about a taken name, if that was found out with these files.
    learnt: Option<NameTaken>,
}

impl Published {
    fn comes_aside(&self, file: &PendingFile) -> bool {
        file.url.as_ref().is_some_and(|url| self.under_other_name.contains(url))
    }

    fn misnamed_of(&self, moved: &[&PendingFile], brought: &Brought) -> Vec<(FileUrl, RemoteName)> {
        let misnamed = moved.iter().filter_map(|file| {
            let url = file.url.as_ref().filter(|url| self.under_other_name.contains(*url))?;
            Some((brought.url(url)?.clone(), file.name.clone()))
        });
        misnamed.collect()
    }
}

impl Executor {
    /// Publishes the files of an upload that have arrived, and retires those that they replace.
    pub(super) async fn publish(&self, key: UploadKey) -> Result<(), RemoteError> {
        let Some(upload) = self.remote.pending(key)? else { return Ok(()) };
        let arrived: Vec<PendingFile> =
            upload.files.into_iter().filter(|file| file.url.is_some()).collect();
        let mut folders: BTreeMap<RelPath, Vec<PendingFile>> = BTreeMap::new();
        for file in arrived {
            let folder = file.path.parent().unwrap_or_else(RelPath::root);
            folders.entry(folder).or_default().push(file);
        }
        let mut published = Published {
            under_other_name: self.remote.give_final_names(folders.values().flatten()).await?,
            ..Published::default()
        };
        for (folder, files) in folders {
            for files in files.chunks(MAX_LINKS_PER_CALL) {
                // The files of other folders wait for a later look.
                if published.denied >= MOST_DENIED {
                    break;
                }
                match self.publish_into(key, &folder, files, &mut published).await {
                    Ok(()) => {}
                    // Without the target itself nothing can be done here: `target` looks into it.
                    Err(RemoteError::Api(error))
                        if is_local(&error) && !(folder.is_root() && is_gone(&error)) =>
                    {
                        self.remote.problem(
                            &folder,
                            &format!("its new files are sent but not in place: {error}"),
                            "they are put in place as soon as the folder takes them",
                        )?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        failpoint::reached("publish:confirmed");
        for folder in published.into {
            published.replaced.extend(self.remote.found_twins(&folder).await?);
        }
        // The order matters: the right name may be free only once the old copy has gone.
        self.remote.retire_all(published.replaced).await?;
        self.remote.rename_as_recorded(&published.misnamed, &published.renaming).await
    }

    /// Moves files of one upload into one folder.
    async fn publish_into(
        &self,
        key: UploadKey,
        folder: &RelPath,
        files: &[PendingFile],
        published: &mut Published,
    ) -> Result<(), RemoteError> {
        let (row, id) = self.remote.ensure_folder(folder).await?;
        let known = self.remote.name_taken()?;
        let (mut leaving, mut in_the_way) = (Vec::new(), Vec::new());
        for (at, file) in files.iter().enumerate() {
            let occupants = self.remote.occupants(row, file)?;
            // In a mirror that gets another form the old copy has another name.
            let has_name = |left: &Leaving| left.is_named(&file.name, &self.remote.form);
            let (same_name, other_name): (Vec<_>, Vec<_>) =
                occupants.into_iter().partition(has_name);
            leaving.extend(other_name);
            let is_telling = file.sent_as == file.name && known.is_none();
            if !same_name.is_empty() && is_telling && files.len() > 1 && !published.has_probed {
                // What happens is found out with one file alone, once.
                published.has_probed = true;
                let (one, others) = ([file.clone()], [&files[..at], &files[at + 1..]].concat());
                Box::pin(self.publish_into(key, folder, &one, published)).await?;
                return Box::pin(self.publish_into(key, folder, &others, published)).await;
            }
            // A file that arrives under another name meets no other, and is renamed when the old
            // copy has gone: until then one of the two is always there.
            let meets_it = known != Some(NameTaken::Twins) && !published.comes_aside(file);
            if meets_it { &mut in_the_way } else { &mut leaving }.extend(same_name);
        }
        let is_alone = matches!(files, [file] if file.sent_as == file.name);
        let is_probe = known.is_none() && is_alone && !in_the_way.is_empty();
        if is_probe {
            leaving.append(&mut in_the_way);
        }
        // An earlier look may have moved it beside the old copy, under another name.
        let was_tried = known == Some(NameTaken::Renamed) && self.remote.waiting(key)?.looks > 0;
        let may_be_misnamed: HashSet<RelPath> =
            in_the_way.iter().filter(|_| was_tried).map(|left| left.path.clone()).collect();
        let staying = self.remote.make_room(in_the_way).await?;
        let parcels: Vec<Parcel> = files.iter().filter_map(Parcel::of_pending).collect();
        let brought = match self.remote.bring(&parcels, id).await {
            Err(RemoteError::Api(error)) if is_gone(&error) && !folder.is_root() => {
                return self.publish_anew(key, row, folder, files, published).await;
            }
            other => other?,
        };
        let (moved, left): (Vec<&PendingFile>, Vec<&PendingFile>) =
            files.iter().partition(|file| is_there(file, &brought));
        // What was recognised by its content may have been there before, and is ours from now on.
        leaving.retain(|left| !brought.has_at(&left.url));
        let has_moved = |left: &Leaving| moved.iter().any(|file| file.path == left.path);
        let (mut going, in_place): (Vec<Leaving>, Vec<Leaving>) =
            leaving.into_iter().partition(has_moved);
        // What did not make room, and is not in the way after all, still leaves.
        going.extend(staying.into_iter().filter(has_moved));
        let mut misnamed = published.misnamed_of(&moved, &brought);
        let tried = moved.iter().filter(|file| may_be_misnamed.contains(&file.path));
        misnamed.extend(tried.filter_map(|file| {
            Some((brought.url(file.url.as_ref()?)?.clone(), file.name.clone()))
        }));
        let mut learnt = None;
        if is_probe
            && let [new] = moved.as_slice()
            && let Some(old) = going.iter().find(|left| left.is_named(&new.name, &self.remote.form))
            && let Some(url) = new.url.as_ref().and_then(|url| brought.url(url))
        {
            let (met, has_its_name) = self.remote.meet_name_taken(url, &new.name, old).await?;
            if !has_its_name {
                misnamed.push((url.clone(), new.name.clone()));
            }
            learnt = met;
            if met == Some(NameTaken::Overwritten) {
                // There is nothing left to retire.
                let gone = going.remove(0);
                self.remote.state.write(|w| gone.forget(w))?;
            }
        }
        let goal = Goal { upload: key, row, id };
        let arrived = Arrived { files: &moved, brought: &brought, misnamed: &misnamed, learnt };
        let renaming = self.confirm(goal, &arrived, &mut going)?;
        published.renaming.extend(renaming);
        published.misnamed.extend(misnamed);
        published.replaced.extend(going);
        published.into.insert(folder.clone());
        if !left.is_empty() {
            self.publish_left(goal, &left, in_place, &brought, published).await?;
        }
        Ok(())
    }

    /// Publishes files whose folder is gone from the service: the folder is made again first.
    async fn publish_anew(
        &self,
        key: UploadKey,
        row: FolderKey,
        folder: &RelPath,
        files: &[PendingFile],
        published: &mut Published,
    ) -> Result<(), RemoteError> {
        self.remote.forget_gone(row, folder)?;
        Box::pin(self.publish_into(key, folder, files, published)).await
    }

    /// Handles files that did not move. Where a name was taken it is freed first; files that are
    /// gone from the staging folder are sent again; the others wait there.
    async fn publish_left(
        &self,
        goal: Goal,
        left: &[&PendingFile],
        mut occupants: Vec<Leaving>,
        first: &Brought,
        published: &mut Published,
    ) -> Result<(), RemoteError> {
        for (url, other) in &first.in_the_way {
            if let Some(file) = left.iter().find(|file| file.url.as_ref() == Some(url)) {
                occupants.push(Leaving::of_foreign(&file.path, goal.row, other.clone()));
            }
        }
        // For a file that is gone no other has to make room, and none is replaced (I4).
        occupants.retain(|old| {
            let file = left.iter().find(|file| file.path == old.path);
            file.and_then(|file| file.url.as_ref()).is_some_and(|url| !first.is_gone(url))
        });
        let mut waiting = left.to_vec();
        let again;
        let mut brought = first;
        if !occupants.is_empty() {
            self.remote.state.write(|w| learn(w, NameTaken::Refused))?;
            self.remote.retire_all(occupants).await?;
            let parcels: Vec<_> = left.iter().filter_map(|file| Parcel::of_pending(file)).collect();
            again = self.remote.bring(&parcels, goal.id).await?;
            brought = &again;
            let (moved, rest): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|file| is_there(file, brought));
            let misnamed = published.misnamed_of(&moved, brought);
            let arrived = Arrived { files: &moved, brought, misnamed: &misnamed, learnt: None };
            let renaming = self.confirm(goal, &arrived, &mut [])?;
            published.renaming.extend(renaming);
            published.misnamed.extend(misnamed);
            waiting = rest;
        }
        let is_denied = !waiting.is_empty()
            && waiting.iter().all(|file| file.url.as_ref().is_some_and(|url| brought.is_gone(url)));
        published.denied += u32::from(is_denied);
        self.wait_or_give_up(goal, &waiting, brought, published).await
    }

    /// Gives up files that are gone from the service, so that they are sent again; the others wait
    /// in the staging folder.
    async fn wait_or_give_up(
        &self,
        goal: Goal,
        waiting: &[&PendingFile],
        brought: &Brought,
        published: &mut Published,
    ) -> Result<(), RemoteError> {
        let since_s = self.remote.pending(goal.upload)?.map_or(0, |upload| upload.since_s);
        let is_young = self.remote.is_young(since_s);
        for file in waiting {
            let is_gone = !is_young
                && match file.url.as_ref().filter(|url| brought.is_gone(url)) {
                    // The service may deny what it lists: it would be sent again and again.
                    Some(url) => !self.remote.is_staged(url, &mut published.staged).await?,
                    None => false,
                };
            if is_gone {
                // The file may have arrived under another link than was told.
                self.remote.expect_leftovers(since_s)?;
                self.remote.state.write(|w| {
                    w.drop_pending(goal.upload, file.seq)?;
                    // A file that 1fichier removes again and again is not sent for ever (X07).
                    w.count_lost(self.remote.mirror, &file.path, &file.stamp)
                })?;
                self.remote.dirty.mark(file.path.clone());
                continue;
            }
            self.remote.problem(&file.path, NOT_IN_PLACE, NOT_IN_PLACE_HINT)?;
        }
        Ok(())
    }

    /// Writes, in one transaction, the records of the files in place now (I1), the intents to
    /// retire the files that were there before (I4) and to rename those under another name, and
    /// what was learnt about names: a crash must not lose the renaming of a file from which that
    /// was learnt.
    fn confirm(
        &self,
        goal: Goal,
        arrived: &Arrived<'_>,
        leaving: &mut [Leaving],
    ) -> Result<Option<IntentId>, RemoteError> {
        let now_s = self.remote.state.now_s();
        let unproved = self.remote.waiting(goal.upload)?.unproved;
        let confirmed = |file: &PendingFile| {
            let confirmed_s = if unproved.contains(&file.seq) { NOT_CONFIRMED } else { now_s };
            self.source.confirmed_entry(file, goal.row, arrived.brought, confirmed_s)
        };
        let files = arrived.files.iter();
        let entries: Vec<(&PendingFile, Entry)> =
            files.filter_map(|file| Some((*file, confirmed(file)?))).collect();
        let renaming = self.remote.state.write(|w| {
            for left in leaving.iter_mut() {
                left.begin(w, self.remote.mirror, self.remote.places.retired_to())?;
                left.forget(w)?;
            }
            for (file, entry) in &entries {
                if let Some(copy) = entry.remote() {
                    w.remove_foreign(goal.row, &copy.url)?;
                }
                w.put_entry(entry)?;
                w.drop_pending(goal.upload, file.seq)?;
                w.clear_problem(self.remote.mirror, &file.path)?;
            }
            if !unproved.is_empty() {
                unconfirmed::may_be_there(w, self.remote.mirror)?;
            }
            if let Some(met) = arrived.learnt {
                learn(w, met)?;
            }
            if arrived.misnamed.is_empty() {
                return Ok(None);
            }
            w.begin(self.remote.mirror, &Intent::Rename { urls: arrived.misnamed.to_vec() })
                .map(Some)
        })?;
        self.remote.report(|report| {
            report.uploaded_files += entries.len() as u64;
            report.uploaded_bytes += entries.iter().map(|(file, _)| file.size_bytes).sum::<u64>();
        });
        Ok(renaming)
    }
}

impl Remote {
    /// Renames files that were sent under temporary names, because two had the same name. Returns
    /// those that are to be renamed in their own folders, because in the staging folder their names
    /// may be taken.
    async fn give_final_names<'a>(
        &self,
        files: impl Iterator<Item = &'a PendingFile>,
    ) -> Result<HashSet<FileUrl>, RemoteError> {
        let twins: Vec<(FileUrl, RemoteName)> = files
            .filter(|file| file.sent_as != file.name)
            .filter_map(|file| Some((file.url.clone()?, file.name.clone())))
            .collect();
        if self.name_taken()? != Some(NameTaken::Twins) {
            return Ok(twins.into_iter().map(|(url, _)| url).collect());
        }
        let mut left = HashSet::new();
        for chunk in twins.chunks(MAX_LINKS_PER_CALL) {
            left.extend(self.give_names(chunk).await?.left);
        }
        Ok(left)
    }

    /// Whether a file is listed in the staging folder, which costs one listing for all files of an
    /// upload.
    async fn is_staged(
        &self,
        url: &FileUrl,
        staged: &mut Option<HashSet<FileUrl>>,
    ) -> Result<bool, RemoteError> {
        if let Some(staged) = staged {
            return Ok(staged.contains(url));
        }
        let found: HashSet<FileUrl> =
            self.staged().await?.into_iter().map(|file| file.url).collect();
        let is_there = found.contains(url);
        *staged = Some(found);
        Ok(is_there)
    }

    /// Our earlier copy, or a file that was there before us, at the place of `file`.
    fn occupants(&self, row: FolderKey, file: &PendingFile) -> Result<Vec<Leaving>, RemoteError> {
        let ours = self.state.read(|s| s.entry(row, file.path.name()))?;
        let ours =
            ours.and_then(|was| Leaving::of_entry(&file.path, Box::new(was), Retired::Replaced));
        let foreign = self.state.read(|s| s.foreign(row))?.into_iter();
        let foreign = foreign
            .filter(|foreign| foreign.name == file.name)
            .map(|foreign| Leaving::of_foreign(&file.path, row, foreign));
        Ok(ours.into_iter().chain(foreign).collect())
    }

    /// Looks into a folder that turned out to be there when files were sent into it: those under the
    /// same names were there before, and make room. Costs a listing, once for such a folder; none for
    /// others.
    ///
    /// It is not looked into beforehand, because a listing that lags shows files that were just
    /// removed: taking them for those to be sent, the mirror would be complete without them.
    async fn found_twins(&self, path: &RelPath) -> Result<Vec<Leaving>, RemoteError> {
        let row = self.state.read(|s| s.folder_at(self.mirror, path))?;
        let Some(row) = row.filter(|row| row.remote.is_some_and(|spot| !spot.listed)) else {
            return Ok(Vec::new());
        };
        self.explore(&row, path, true).await?;
        let (entries, foreign) =
            self.state.read(|s| Ok((s.entries(row.key)?, s.foreign(row.key)?)))?;
        let ours: HashMap<RemoteName, &Entry> = entries
            .iter()
            .filter(|entry| entry.remote().is_some())
            .map(|entry| (entry.remote_name(), entry))
            .collect();
        let twins = foreign.into_iter().filter_map(|file| {
            let entry = ours.get(&file.name)?;
            Some(Leaving::of_foreign(&path.join(&entry.name), row.key, file))
        });
        Ok(twins.collect())
    }

    /// Gives files their names; those that the service does not rename now stay on record as begun,
    /// and a later cycle renames them.
    pub(crate) async fn rename_as_recorded(
        &self,
        names: &[(FileUrl, RemoteName)],
        intents: &[IntentId],
    ) -> Result<(), RemoteError> {
        let mut left = Vec::new();
        for chunk in names.chunks(MAX_LINKS_PER_CALL) {
            let given = self.give_names(chunk).await?;
            for (url, name) in chunk.iter().filter(|(url, _)| given.left.contains(url)) {
                if given.may_be_gone(url) && self.forget_if_lost(url).await? {
                    continue;
                }
                if !self.keep_as_stored(url, &given)? {
                    left.push((url.clone(), name.clone()));
                }
            }
        }
        for (url, _) in &left {
            let Some(entry) = self.state.read(|s| s.entry_of_url(url))? else { continue };
            let path = self.state.read(|s| s.path_of(entry.folder))?.join(&entry.name);
            self.problem(
                &path,
                "it is on 1fichier under a temporary name, and the service did not rename it",
                "it is renamed as soon as the service does it",
            )?;
        }
        Ok(self.state.write(|w| {
            intents.iter().try_for_each(|intent| w.resolve(*intent))?;
            if left.is_empty() {
                return Ok(());
            }
            w.begin(self.mirror, &Intent::Rename { urls: left }).map(|_| ())
        })?)
    }

    /// Forgets a file on record of which the service says twice that it does not know it: it is sent
    /// again.
    async fn forget_if_lost(&self, url: &FileUrl) -> Result<bool, RemoteError> {
        let Some(entry) = self.state.read(|s| s.entry_of_url(url))? else { return Ok(true) };
        if !self.is_lost(url).await? {
            return Ok(false);
        }
        let path = self.state.read(|s| s.path_of(entry.folder))?.join(&entry.name);
        self.forget_lost(&entry, &path)?;
        Ok(true)
    }

    /// Records the name that the service has given a file in place of that on record, if it is known
    /// to change it so. Returns whether it is.
    pub(crate) fn keep_as_stored(&self, url: &FileUrl, given: &Given) -> Result<bool, RemoteError> {
        let Some(entry) = self.state.read(|s| s.entry_of_url(url))? else { return Ok(false) };
        let Content::File(copy) = &entry.content else { return Ok(false) };
        // What it was called before is not known here; a temporary name of ours is no stored one, nor
        // is one that it got because its own was taken.
        let wanted = self.form.file_name(&entry.name);
        let was_taken = |name: &RemoteName| is_name_with_more(wanted.as_str(), name.as_str());
        let makes_room = self.name_taken()? == Some(NameTaken::Renamed);
        let is_passing = |name: &RemoteName| is_temporary(name) || makes_room && was_taken(name);
        let stored = given.renamed_to(url).filter(|name| !is_passing(name));
        let Some(stored) = stored else { return Ok(false) };
        let path = self.state.read(|s| s.path_of(entry.folder))?.join(&entry.name);
        tracing::warn!(path = %path, "1fichier keeps `{path}` as `{}`", stored.as_str());
        let copy = RemoteCopy { remote_name: other_name(stored, &path), ..copy.clone() };
        let entry = Entry { content: Content::File(copy), ..entry.clone() };
        self.state.write(|w| w.put_entry(&entry))?;
        Ok(true)
    }

    /// Asks the service about both files, once in the life of a state file: two calls. Also tells
    /// whether the new file has the name that it should have. `None` if the old one did not have it.
    async fn meet_name_taken(
        &self,
        new: &FileUrl,
        name: &RemoteName,
        old: &Leaving,
    ) -> Result<(Option<NameTaken>, bool), RemoteError> {
        let now = self.client.file_info(new).await?;
        let before = match self.client.file_info(&old.url).await {
            Ok(before) => Some(before),
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(error.into()),
        };
        let has_its_name = now.name == *name;
        let met = match before {
            _ if !has_its_name => Some(NameTaken::Renamed),
            None => Some(NameTaken::Overwritten),
            Some(before) if before.name == *name => Some(NameTaken::Twins),
            Some(before) if is_name_with_more(name.as_str(), before.name.as_str()) => {
                Some(NameTaken::MustBeFree)
            }
            // Both may never have met.
            Some(_) => None,
        };
        tracing::debug!(?met, "learnt what the service does when a name is taken");
        Ok((met, has_its_name))
    }

    /// What the service does when a name is taken; `None` if it is not known yet.
    pub(super) fn name_taken(&self) -> Result<Option<NameTaken>, RemoteError> {
        Ok(self.state.read(|s| Habits::read(s))?.name_taken.map(|taken| taken.is))
    }
}

/// Records what the service did when a name was taken.
fn learn(w: &mut Writing<'_>, met: NameTaken) -> Result<(), fichier_state::Error> {
    Habits::met_name_taken(met, w.now_s()).keep(w)
}

impl Source {
    fn confirmed_entry(
        &self,
        file: &PendingFile,
        folder: FolderKey,
        brought: &Brought,
        confirmed_s: i64,
    ) -> Option<Entry> {
        let url = file.url.as_ref()?;
        let origin = if brought.is_lookalike(url) {
            Origin::Adopted
        } else if confirmed_s == NOT_CONFIRMED {
            Origin::Copied
        } else {
            Origin::Sent
        };
        let copy = RemoteCopy {
            url: brought.url(url)?.clone(),
            whirlpool: file.whirlpool?,
            fingerprint: file.fingerprint?,
            remote_name: other_name(&file.name, &file.path),
            confirmed_s,
            origin,
            unsettled: file.unsettled,
            cipher: file.cipher,
        };
        let metadata = self.whole_metadata(&file.path, &file.metadata);
        let racy = crate::disk::seen::is_racy(&file.stamp, self.started);
        let (name, stamp) = (file.path.name().to_vec(), file.stamp);
        let content = Content::File(copy);
        Some(Entry { folder, name, stamp, metadata, content, racy, unmanaged: false })
    }
}

fn is_there(file: &PendingFile, brought: &Brought) -> bool {
    file.url.as_ref().is_some_and(|url| brought.url(url).is_some())
}
