//! Finishes the work that an earlier run, or an earlier cycle, began: every intent on disk is
//! looked into before anything new is planned.
//!
//! Each kind of call has its own proof. Moves, renames and removals by link are simply repeated:
//! the service answers them the same way twice (B.0). A folder, a copy and a folder move are looked
//! for in a listing first, because a repetition would make a second one. An upload is asked for at
//! its node, then looked for in the staging folder (I12, `execute::arrive`).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fichier_api::names::RemoteName;
use fichier_api::{ErrorKind, FileUrl, FolderId, MAX_LINKS_PER_CALL, RemoteFile};
use fichier_state::{
    Content, Entry, Intent, IntentId, Moved, Origin, RelPath, RemoteCopy, RemoteSpot, Retired,
};

use crate::base::words::counted;
use crate::remote::Remote;
use crate::remote::bring::{Brought, Parcel};
use crate::remote::error::RemoteError;
use crate::remote::execute::{Executor, Leaving, Look, Removal, other_name};
use crate::remote::stored_names::may_be_stored_as;

impl Executor {
    /// Resolves every intent and every pending upload of this mirror.
    ///
    /// Costs no call when no intent and no upload is open.
    ///
    /// # Errors
    ///
    /// An error that stops the cycle; the rest stays open.
    pub async fn finish_begun(&self) -> Result<(), RemoteError> {
        let intents = self.remote.state.read(|s| s.intents(self.remote.mirror))?;
        say_begun(intents.len());
        // These are finished together, because there are many: one for each file. A file that is to
        // be renamed may wait for the name of one of them.
        let mut retiring = Vec::new();
        for (id, intent, _) in intents {
            if let Intent::Retire { version } = intent {
                retiring.push(Leaving::of_version(version).begun(id));
                continue;
            }
            self.remote.finish_retiring(std::mem::take(&mut retiring)).await?;
            if let Intent::Move { then } = intent {
                let then = self.go_on_back(then).await?;
                self.remote.finish(id, Intent::Move { then }).await?;
            } else {
                self.remote.finish(id, intent).await?;
            }
        }
        self.remote.finish_retiring(retiring).await?;
        for upload in self.remote.state.read(|s| s.uploads(self.remote.mirror))? {
            self.finish_upload(upload.key, Look::Later).await?;
        }
        if self.remote.state.read(|s| s.uploads(self.remote.mirror))?.is_empty() {
            self.remote.retire_leftovers().await?;
        }
        Ok(())
    }
}

impl Remote {
    async fn finish(&self, id: IntentId, intent: Intent) -> Result<(), RemoteError> {
        match intent {
            Intent::MakeFolder { parent, name, path } => {
                self.finish_folder(id, parent, &name, path).await
            }
            Intent::MoveFolder { folder, to, .. } => self.finish_folder_move(id, folder, &to).await,
            Intent::Rename { urls } => self.give_names_back(id, &urls).await,
            Intent::Move { then } => self.finish_moves(id, then).await,
            Intent::Copy { from, into, name, to } => {
                self.finish_copy(id, &from, into, &name, &to).await
            }
            Intent::Retire { version } => {
                self.finish_retiring(vec![Leaving::of_version(version).begun(id)]).await
            }
            Intent::RetireFolder { folder, id: remote, into, until_s } => {
                self.finish_retiring_folder(id, folder, remote, into, until_s).await
            }
            Intent::Remove { urls, paths } if paths.is_empty() => {
                self.finish_clearing(id, urls).await
            }
            Intent::Remove { urls, .. } => {
                // A file that is still there stays on record, so the log has to say only how many
                // there are.
                let Removal { still_there, .. } = self.remove_all(&urls).await?;
                say_left(still_there.len(), "old copies");
                let gone: Vec<FileUrl> =
                    urls.into_iter().filter(|url| !still_there.contains(url)).collect();
                Ok(self.state.write(|w| {
                    w.forget_versions_at(&gone)?;
                    w.resolve(id)
                })?)
            }
        }
    }

    /// Removes leftovers of uploads from the staging folder. They are known by this intent alone,
    /// so the intent stays for those that the service does not remove. Files on record are left
    /// alone: a snapshot, which is removed by its row, or a leftover that was found to be a file
    /// after all.
    async fn finish_clearing(&self, id: IntentId, urls: Vec<FileUrl>) -> Result<(), RemoteError> {
        let known = self.state.read(|s| s.known_urls(urls.iter()))?;
        let urls: Vec<FileUrl> = urls.into_iter().filter(|url| !known.contains(url)).collect();
        let left = self.remove_all(&urls).await?.still_there;
        say_left(left.len(), "leftovers of uploads");
        Ok(self.state.write(|w| {
            w.resolve(id)?;
            if left.is_empty() {
                return Ok(());
            }
            w.begin(self.mirror, &Intent::Remove { urls: left, paths: Vec::new() }).map(|_| ())
        })?)
    }

    /// Looks for a folder that may have been made, since making it again could make a second one
    /// (G.1 row 9). Whether it is ours cannot be told.
    async fn finish_folder(
        &self,
        id: IntentId,
        parent: FolderId,
        name: &RemoteName,
        path: RelPath,
    ) -> Result<(), RemoteError> {
        let found = match self.find_folder(parent, name).await {
            Ok(found) => found,
            Err(RemoteError::Api(error)) if matches!(error.kind, ErrorKind::NotFound) => None,
            Err(error) => return Err(error),
        };
        let row = self.state.read(|s| s.folder_at(self.mirror, &path))?;
        self.state.write(|w| {
            if let (Some(found), Some(row)) = (found, row.filter(|row| row.remote.is_none())) {
                let spot = RemoteSpot { id: found, made_by_us: false, listed: false };
                w.set_folder_remote(row.key, Some(spot), None)?;
            }
            w.resolve(id)
        })?;
        self.dirty.mark(path);
        Ok(())
    }

    /// Gives a file that stepped aside in a swap, or waits under a temporary name, the name that
    /// its record has. This is put off while the file waits as a problem: refusals in a row lead to
    /// a ban (A.5).
    async fn give_names_back(
        &self,
        id: IntentId,
        urls: &[(FileUrl, RemoteName)],
    ) -> Result<(), RemoteError> {
        let (mut names, mut put_off) = (Vec::new(), Vec::new());
        let waiting = self.waiting_problems()?;
        for (url, _) in urls {
            if let Some(entry) = self.state.read(|s| s.entry_of_url(url))? {
                let path = self.state.read(|s| s.path_of(entry.folder))?.join(&entry.name);
                let is_put_off = waiting.contains(&path);
                if is_put_off { &mut put_off } else { &mut names }
                    .push((url.clone(), entry.remote_name()));
            }
        }
        if !put_off.is_empty() {
            if names.is_empty() {
                return Ok(());
            }
            // None waits for the time of another: each would be put off by the other for ever.
            self.state.write(|w| w.begin(self.mirror, &Intent::Rename { urls: put_off }))?;
        }
        self.rename_as_recorded(&names, &[id]).await
    }

    /// Moves and renames all of them once more; then the records follow. A file that would stand
    /// beside another file of ours goes back to where its record is.
    async fn finish_moves(&self, id: IntentId, moves: Vec<Moved>) -> Result<(), RemoteError> {
        let mut by_folders: BTreeMap<(FolderId, FolderId), Vec<(Moved, Parcel)>> = BTreeMap::new();
        let mut strays = Vec::new();
        for moved in moves {
            self.dirty.mark(moved.from.clone());
            self.dirty.mark(moved.to.clone());
            let Some(entry) = self.state.read(|s| s.entry_of_url(&moved.url))? else {
                strays.extend(self.stray(&moved)?);
                continue;
            };
            let other_names = std::iter::once(&moved.name).chain(&moved.early_name);
            let parcel = Parcel::of_entry(&entry, other_names);
            let (went_to, moved) = (moved.into, self.forwards_or_back(moved, &entry)?);
            if let Some(parcel) = parcel {
                by_folders.entry((went_to, moved.into)).or_default().push((moved, parcel));
            }
        }
        for ((went_to, folder), mut moves) in by_folders {
            for chunk in moves.chunks_mut(MAX_LINKS_PER_CALL) {
                if went_to != folder {
                    self.find_those_that_went(chunk, went_to).await?;
                }
                self.finish_moves_into(folder, chunk).await?;
            }
        }
        // A version that was to become current is one again: the next plan brings it once more, if
        // its content is still on the disk.
        self.return_strays(&strays).await?;
        Ok(self.state.write(|w| w.resolve(id))?)
    }

    fn forwards_or_back(&self, moved: Moved, entry: &Entry) -> Result<Moved, RemoteError> {
        let there = match self.folder_of(&moved.to)? {
            Some(folder) => self.state.read(|s| s.entry(folder, moved.to.name()))?,
            None => None,
        };
        let folder = self.state.read(|s| s.folder(entry.folder))?;
        let Some((_, spot)) = there.zip(folder.and_then(|folder| folder.remote)) else {
            return Ok(moved);
        };
        Ok(Moved { into: spot.id, name: entry.remote_name(), ..moved })
    }

    /// Finds the present links of files that go back, since they may be in their new folder by now.
    /// Costs a listing.
    async fn find_those_that_went(
        &self,
        moves: &mut [(Moved, Parcel)],
        to: FolderId,
    ) -> Result<(), RemoteError> {
        let parcels: Vec<Parcel> = moves.iter().map(|(_, parcel)| parcel.clone()).collect();
        let found = match self.find_in(&parcels, to).await {
            Err(RemoteError::Api(error)) if matches!(error.kind, ErrorKind::NotFound) => {
                return Ok(());
            }
            other => other?,
        };
        for (_, parcel) in moves {
            if let Some(now) = found.url(&parcel.url) {
                parcel.url = now.clone();
            }
        }
        Ok(())
    }

    async fn finish_moves_into(
        &self,
        folder: FolderId,
        moves: &[(Moved, Parcel)],
    ) -> Result<(), RemoteError> {
        // The early names are given first, as at the first try: under its old name a file might
        // replace one that is there.
        let early: Vec<(FileUrl, RemoteName)> = moves
            .iter()
            .filter_map(|(moved, parcel)| Some((parcel.url.clone(), moved.early_name.clone()?)))
            .collect();
        let unnamed = self.give_names(&early).await?;
        let unnamed: HashSet<&FileUrl> = moves
            .iter()
            .filter(|(_, at)| {
                unnamed.left.contains(&at.url) && unnamed.renamed_to(&at.url).is_none()
            })
            .map(|(_, at)| &at.url)
            .collect();
        let (staying, ready): (Vec<Parcel>, Vec<Parcel>) = moves
            .iter()
            .map(|(_, parcel)| parcel.clone())
            .partition(|parcel| unnamed.contains(&parcel.url));
        let brought = match self.bring_or_find(&ready, &staying, folder).await {
            // The folder is gone: the next look finds that its files are missing.
            Err(RemoteError::Api(error)) if matches!(error.kind, ErrorKind::NotFound) => {
                return Ok(());
            }
            other => other?,
        };
        let names: Vec<(FileUrl, RemoteName)> = moves
            .iter()
            .filter_map(|(moved, at)| Some((brought.url(&at.url)?.clone(), moved.name.clone())))
            .collect();
        let given = self.give_names(&names).await?;
        for (moved, at) in moves {
            if let Some(url) = brought.url(&at.url) {
                let name = match given.renamed_to(url) {
                    Some(stored) => Some(stored),
                    None => (!given.left.contains(url)).then_some(&moved.name),
                };
                self.follow(moved, url, name)?;
            } else if let Some(name) =
                moved.early_name.as_ref().filter(|_| !unnamed.contains(&at.url))
            {
                self.keep_early_name(&at.url, name)?;
            }
        }
        Ok(())
    }

    /// Moves those that are `ready`. The others are there already, under new links, or stay where
    /// they are.
    async fn bring_or_find(
        &self,
        ready: &[Parcel],
        staying: &[Parcel],
        folder: FolderId,
    ) -> Result<Brought, RemoteError> {
        let mut brought = self.bring(ready, folder).await?;
        if !staying.is_empty() {
            brought.add(self.find_in(staying, folder).await?);
        }
        Ok(brought)
    }

    /// Lets the record follow a file that has this `name` now, if it has its name and its new place
    /// is free on record. If not, the next plan
    /// makes the same move, and retires the file that is in the way.
    fn follow(
        &self,
        moved: &Moved,
        url: &FileUrl,
        name: Option<&RemoteName>,
    ) -> Result<(), RemoteError> {
        let Some(entry) = self.state.read(|s| s.entry_of_url(&moved.url))? else { return Ok(()) };
        let Content::File(copy) = &entry.content else { return Ok(()) };
        let copy = RemoteCopy { url: url.clone(), ..copy.clone() };
        let row = self.folder_of(&moved.to)?;
        let is_free = match row {
            Some(row) => self.state.read(|s| s.entry(row, moved.to.name()))?.is_none(),
            None => false,
        };
        let at_new_place = match (row, name) {
            (Some(folder), Some(name)) if is_free => {
                let copy = RemoteCopy { remote_name: other_name(name, &moved.to), ..copy.clone() };
                let (name, content) = (moved.to.name().to_vec(), Content::File(copy));
                Some(Entry { folder, name, content, ..entry.clone() })
            }
            _ => None,
        };
        let row =
            at_new_place.unwrap_or_else(|| Entry { content: Content::File(copy), ..entry.clone() });
        Ok(self.state.write(|w| {
            w.remove_entry(entry.folder, &entry.name)?;
            w.put_entry(&row)
        })?)
    }

    /// Looks for a copy under its name and hash instead of repeating it. If it is there, its record
    /// says that the file has to be read again, and the file that stood there before is retired.
    pub(super) async fn finish_copy(
        &self,
        id: IntentId,
        from: &FileUrl,
        into: FolderId,
        name: &RemoteName,
        to: &RelPath,
    ) -> Result<(), RemoteError> {
        // Each look costs a listing: one that is put off as a problem waits for its time.
        if self.waiting_problems()?.contains(to) {
            return Ok(());
        }
        let source = self.state.read(|s| s.entry_of_url(from))?;
        let listing = match self.look_into(into).await {
            Ok(listing) => listing,
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => {
                self.dirty.mark(to.clone());
                return Ok(self.state.write(|w| w.resolve(id))?);
            }
            Err(error) => return Err(error.into()),
        };
        let known =
            self.state.read(|s| s.known_urls(listing.files.iter().map(|file| &file.url)))?;
        let foreign = match self.folder_of(to)? {
            Some(folder) => self.state.read(|s| s.foreign(folder))?,
            None => Vec::new(),
        };
        let found = source.as_ref().zip(source.as_ref().and_then(Entry::remote)).and_then(
            |(entry, source)| {
                let alike = || {
                    listing.files.iter().filter(|file| {
                        file.whirlpool == Some(source.whirlpool) && !known.contains(&file.url)
                    })
                };
                // Another name may be the one that the service makes of this, if the file was not
                // there before.
                let is_new = |file: &&RemoteFile| {
                    may_be_stored_as(name, &file.name)
                        && foreign.iter().all(|it| it.url != file.url)
                };
                let file =
                    alike().find(|file| file.name == *name).or_else(|| alike().find(is_new))?;
                let (url, is_named) = (file.url.clone(), file.name == *name);
                let origin = if is_named { Origin::Copied } else { Origin::Adopted };
                let remote_name = other_name(&file.name, to);
                Some((entry, RemoteCopy { url, origin, remote_name, ..source.clone() }))
            },
        );
        let (Some((source, copy)), Some(folder)) = (found, self.folder_of(to)?) else {
            return self.copy_is_not_shown(id, to, listing.complete);
        };
        let before = self.state.read(|s| s.entry(folder, to.name()))?;
        self.dirty.mark(to.clone());
        let mut before =
            before.and_then(|was| Leaving::of_entry(to, Box::new(was), Retired::Replaced));
        let (name, content) = (to.name().to_vec(), Content::File(copy));
        let row = Entry { folder, name, content, racy: true, unmanaged: false, ..source.clone() };
        self.state.write(|w| {
            if let Some(before) = &mut before {
                before.begin(w, self.mirror, self.places.retired_to())?;
                before.forget(w)?;
            }
            w.put_entry(&row)?;
            w.resolve(id)
        })?;
        self.retire_all(before.into_iter().collect()).await
    }

    /// Decides about a copy that a listing does not show. It stays begun while it may be there all
    /// the same: a listing may be late (G.1 row 16), and one that is not whole proves nothing.
    fn copy_is_not_shown(
        &self,
        id: IntentId,
        to: &RelPath,
        is_whole: bool,
    ) -> Result<(), RemoteError> {
        let intents = self.state.read(|s| s.intents(self.mirror))?;
        let since_s =
            intents.iter().find(|(known, ..)| *known == id).map_or(0, |(.., since_s)| *since_s);
        if self.is_young(since_s) {
            self.dirty.mark(to.clone());
            return Ok(());
        }
        if is_whole {
            self.dirty.mark(to.clone());
            return Ok(self.state.write(|w| w.resolve(id))?);
        }
        let what =
            "1fichier does not list its folder whole, so it may have been copied there already";
        self.problem(to, what, "it is looked for again by itself")
    }

    /// Retires these files, except those that wait as a problem, as for names.
    async fn finish_retiring(&self, mut leaving: Vec<Leaving>) -> Result<(), RemoteError> {
        if leaving.is_empty() {
            return Ok(());
        }
        let waiting = self.waiting_problems()?;
        leaving.retain(|left| !waiting.contains(&left.path));
        for left in &leaving {
            self.dirty.mark(left.path.clone());
        }
        self.retire_all(leaving).await
    }

    async fn finish_retiring_folder(
        &self,
        id: IntentId,
        key: fichier_state::FolderKey,
        remote: fichier_api::FolderId,
        into: fichier_api::FolderId,
        until_s: i64,
    ) -> Result<(), RemoteError> {
        let Some(folder) = self.state.read(|s| s.folder(key))? else {
            return Ok(self.state.write(|w| w.resolve(id))?);
        };
        let is_there = match self.look_into(into).await {
            Ok(listing) => listing.folders.iter().any(|folder| folder.id == remote),
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => false,
            Err(error) => return Err(error.into()),
        };
        if is_there {
            let name = folder.remote_name();
            let files = self.state.read(|s| s.count_below(key))?.files;
            self.confirm_retired_folder(&folder, &name, into, until_s, files)?;
        } else {
            let path = self.state.read(|s| s.path_of(key))?;
            self.dirty.mark(path);
        }
        Ok(self.state.write(|w| w.resolve(id))?)
    }

    /// The paths of problems that are not due for another try yet.
    pub(crate) fn waiting_problems(&self) -> Result<BTreeSet<RelPath>, RemoteError> {
        let now_s = self.state.now_s();
        let problems = self.state.read(|s| s.problems(Some(self.mirror)))?;
        let waiting = problems.into_iter().filter(|problem| problem.next_try_s > now_s);
        Ok(waiting.map(|problem| problem.path).collect())
    }
}

fn say_begun(count: usize) {
    if count > 0 {
        tracing::info!(count, "finishing {} begun earlier", counted(count as u64, "change"));
    }
}

fn say_left(files: usize, what: &str) {
    if files > 0 {
        tracing::warn!(files, "{what} were not removed: {files}");
    }
}
