//! Gives known content a new path without sending a byte: by a batched rename, a batched move, or
//! both.
//!
//! Between the two calls a file has its old name in the new folder, or its new name in the old one;
//! the name that is free is used, and if neither is, a temporary one.

use std::collections::btree_map::Entry as MapEntry;
use std::collections::{BTreeMap, HashSet};

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, FolderId, FolderListing};
use fichier_state::{
    Content, Entry, FolderKey, Intent, IntentId, Moved, RelPath, RemoteCopy, Retired, failpoint,
};

use super::records::{other_name, unsendable};
use super::remove::Leaving;
use crate::base::Random;
use crate::plan::{Occupant, Relocation};
use crate::remote::Remote;
use crate::remote::bring::{Brought, Given, Parcel};
use crate::remote::error::{RemoteError, is_gone};
use crate::remote::execute::Executor;
use crate::remote::habits::NameTaken;

/// The problem of a file that the service leaves in its old place, or that one of these is in the way.
const NOT_MOVED: &str = "the service did not move or rename the file";
const NOT_MOVED_HINT: &str = "it is tried again by itself";
/// The beginning of temporary names.
const TEMPORARY: &str = "fichierd-";

/// One file that is to be moved or renamed, with everything that the calls need.
struct Mover {
    url: FileUrl,
    entry: Entry,
    relocation: Relocation,
    from_name: RemoteName,
    to_name: RemoteName,
    to_row: FolderKey,
    to_folder: FolderId,
    route: Route,
    /// Whether it is in the new folder, under any name.
    has_arrived: bool,
    /// Whether it may be in the new folder under a new link.
    is_unclear: bool,
    /// The name that it is given before the move.
    early_name: Option<RemoteName>,
    /// The service has given it another name than was asked for, and it is recorded so.
    is_kept_so: bool,
}

/// The way by which a file gets its new folder and name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    /// Only the name, or only the folder, changes; or the old name is free in the new folder.
    MoveThenRename,
    /// The new name is free in the old folder.
    RenameThenMove,
    /// Neither name is free.
    OverTemporaryName,
}

impl Executor {
    /// Carries out one round of relocations, whose new paths are free or about to be.
    pub(super) async fn relocate(&self, files: Vec<Relocation>) -> Result<(), RemoteError> {
        if files.iter().any(|file| file.aside) {
            return self.remote.step_aside(&files).await;
        }
        let mut movers = Vec::new();
        // A look at everything comes for many reasons: a move or name that was refused is tried again
        // at its own time.
        let waiting = self.remote.waiting_problems()?;
        for relocation in files.into_iter().filter(|file| !waiting.contains(&file.to.path)) {
            movers.extend(self.remote.mover(relocation).await?);
        }
        part_ways(&mut movers);
        for mover in &mut movers {
            mover.early_name = match mover.route {
                Route::MoveThenRename => None,
                Route::RenameThenMove => Some(mover.to_name.clone()),
                Route::OverTemporaryName => Some(temporary_name(&self.remote.random)),
            };
        }
        let mut leaving = self.remote.in_their_way(&movers)?;
        if self.remote.name_taken()? != Some(NameTaken::Twins) {
            let staying = self.remote.make_room(std::mem::take(&mut leaving)).await?;
            let is_free =
                |mover: &Mover| staying.iter().all(|left| left.path != mover.relocation.to.path);
            movers.retain(is_free);
        }
        let replaced = self.move_all(movers, leaving).await?;
        self.remote.retire_all(replaced).await
    }

    /// Moves and renames files. Returns those of `leaving` whose places are taken now.
    async fn move_all(
        &self,
        mut movers: Vec<Mover>,
        leaving: Vec<Leaving>,
    ) -> Result<Vec<Leaving>, RemoteError> {
        failpoint::reached("relocate:planned");
        let intent = self.remote.begin_moving(&movers)?;
        failpoint::reached("relocate:begun");
        let early: Vec<_> = movers
            .iter()
            .filter_map(|mover| Some((mover.url.clone(), mover.early_name.clone()?)))
            .collect();
        let given = self.remote.give_names(&early).await?;
        movers.iter_mut().for_each(|mover| mover.take_early(&given));
        let is_left = |mover: &&Mover| given.left.contains(&mover.url) && !mover.is_kept_so;
        let mut failed: HashSet<FileUrl> =
            movers.iter().filter(is_left).map(|mover| mover.url.clone()).collect();
        for mover in movers.iter_mut().filter(|mover| failed.contains(&mover.url)) {
            mover.early_name = None;
        }
        let mut by_folder: BTreeMap<FolderId, Vec<Parcel>> = BTreeMap::new();
        for mover in movers.iter().filter(|mover| mover.changes_folder()) {
            if !failed.contains(&mover.url) {
                let parcel = Parcel::of_entry(&mover.entry, mover.early_name.iter());
                by_folder.entry(mover.to_folder).or_default().extend(parcel);
            }
        }
        for (folder, parcels) in by_folder {
            let brought = match self.remote.bring(&parcels, folder).await {
                Err(RemoteError::Api(error)) if is_gone(&error) => {
                    self.remote.forget_new_folder(&movers, folder, error)?;
                    Brought::default()
                }
                other => other?,
            };
            for mover in movers.iter_mut().filter(|m| m.changes_folder()) {
                if !parcels.iter().any(|parcel| parcel.url == mover.url) {
                    continue;
                }
                match brought.url(&mover.url) {
                    Some(now) => {
                        mover.url = now.clone();
                        mover.has_arrived = true;
                    }
                    None => {
                        mover.is_unclear = brought.is_unclear(&mover.url);
                        failed.insert(mover.url.clone());
                    }
                }
            }
        }
        let late: Vec<_> = movers
            .iter()
            .filter(|mover| mover.route != Route::RenameThenMove && !failed.contains(&mover.url))
            .filter(|mover| mover.changes_name() || mover.route == Route::OverTemporaryName)
            .map(|mover| (mover.url.clone(), mover.to_name.clone()))
            .collect();
        let given = self.remote.give_names(&late).await?;
        movers.iter_mut().for_each(|mover| mover.take_late(&given));
        let is_left = |mover: &&Mover| given.left.contains(&mover.url) && !mover.is_kept_so;
        failed.extend(movers.iter().filter(is_left).map(|mover| mover.url.clone()));
        let (moved, stuck): (Vec<Mover>, Vec<Mover>) =
            movers.into_iter().partition(|mover| !failed.contains(&mover.url));
        let has_moved = |left: &Leaving| moved.iter().any(|m| m.relocation.to.path == left.path);
        let mut replaced: Vec<Leaving> = leaving.into_iter().filter(has_moved).collect();
        self.confirm_moved(intent, &moved, &mut replaced)?;
        failpoint::reached("relocate:confirmed");
        self.remote.explain_stuck(&stuck).await?;
        Ok(replaced)
    }

    /// Writes the records of the files that have moved, of the empty files and links that took
    /// their old paths, and the intents to retire those that they replaced.
    fn confirm_moved(
        &self,
        intent: IntentId,
        moved: &[Mover],
        replaced: &mut [Leaving],
    ) -> Result<(), RemoteError> {
        let rows: Vec<(&Mover, Entry)> = moved
            .iter()
            .filter_map(|mover| {
                let mut copy = mover.entry.remote()?.clone();
                copy.url = mover.url.clone();
                copy.remote_name = other_name(&mover.to_name, &mover.relocation.to.path);
                let to = &mover.relocation.to;
                Some((
                    mover,
                    self.source.entry(&to.path, mover.to_row, &to.seen, Content::File(copy)),
                ))
            })
            .collect();
        let successors: Vec<Entry> = moved.iter().filter_map(|m| self.successor(m)).collect();
        self.remote.state.write(|w| {
            for left in replaced.iter_mut() {
                left.begin(w, self.remote.mirror, self.remote.places.retired_to())?;
                left.forget(w)?;
            }
            for (mover, _) in &rows {
                w.remove_entry(mover.entry.folder, &mover.entry.name)?;
            }
            for (mover, row) in &rows {
                w.put_entry(row)?;
                w.clear_problem(self.remote.mirror, &mover.relocation.to.path)?;
            }
            successors.iter().try_for_each(|row| w.put_entry(row))?;
            w.resolve(intent)
        })?;
        self.remote.report(|report| report.relocated += rows.len() as u64);
        Ok(())
    }

    /// The record of the empty file or link at the path that a file has left. Its folder is the
    /// file's: one that steps aside in a swap keeps its folder.
    fn successor(&self, mover: &Mover) -> Option<Entry> {
        let Relocation { from, then, .. } = &mover.relocation;
        let then = then.as_ref()?;
        let content = unsendable(&then.kind);
        Some(self.source.entry(from, mover.entry.folder, then, content))
    }
}

impl Remote {
    /// Forgets a folder that files are to move to and that is gone: they are moved once it is made
    /// again. Without the target itself nothing can be done here: `target` looks into it.
    fn forget_new_folder(
        &self,
        movers: &[Mover],
        folder: FolderId,
        error: fichier_api::Error,
    ) -> Result<(), RemoteError> {
        let mover = movers.iter().find(|mover| mover.to_folder == folder);
        match mover.map(|mover| (mover.to_row, mover.relocation.to.folder())) {
            Some((row, path)) if !path.is_root() => self.forget_gone(row, &path),
            _ => Err(error.into()),
        }
    }

    /// Renames one of the files of each swap, which waits under a temporary name. Its record
    /// follows, so that after a crash in between the record knows the file under that name, and the
    /// file is seen to belong elsewhere.
    async fn step_aside(&self, files: &[Relocation]) -> Result<(), RemoteError> {
        let copies = files.iter().filter_map(|file| file.was.remote());
        let names: Vec<(FileUrl, RemoteName)> =
            copies.map(|copy| (copy.url.clone(), temporary_name(&self.random))).collect();
        let intent = Intent::Rename { urls: names.clone() };
        let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
        let given = self.give_names(&names).await?;
        Ok(self.state.write(|w| {
            for (url, name) in &names {
                let stored = match w.entry_of_url(url)? {
                    Some(entry) => given.stored_as(url, &entry.remote_name()).cloned(),
                    None => None,
                };
                if given.left.contains(url) && stored.is_none() {
                    continue;
                }
                let name = stored.as_ref().unwrap_or(name);
                if let Some(entry) = w.entry_of_url(url)? {
                    w.remove_entry(entry.folder, &entry.name)?;
                    w.put_entry(&at_name(entry, name))?;
                }
            }
            w.resolve(intent)
        })?)
    }

    async fn mover(&self, relocation: Relocation) -> Result<Option<Mover>, RemoteError> {
        // The record is found by its link: in a swap the file may be under a temporary name by now.
        let planned = relocation.was.remote().map(|copy| copy.url.clone());
        let found = match &planned {
            Some(url) => self.state.read(|s| s.entry_of_url(url))?,
            None => None,
        };
        let (Some(entry), Some(url)) = (found, planned) else {
            self.dirty.mark(relocation.to.path.clone());
            return Ok(None);
        };
        let (to_row, to_folder) = self.ensure_folder(&relocation.to.folder()).await?;
        let replaces = relocation.to.replaces.as_ref().and_then(Occupant::url);
        let there = self.state.read(|s| s.entry(to_row, relocation.to.path.name()))?;
        let there = there.as_ref().and_then(Entry::remote).map(|copy| &copy.url);
        if there.is_some_and(|there| *there != url && Some(there) != replaces) {
            // The file that was to leave this path did not: its record must not be lost.
            self.wide_problem(&relocation.to.path, NOT_MOVED, NOT_MOVED_HINT)?;
            return Ok(None);
        }
        let from_name = entry.remote_name();
        let to_name = self.form.file_name(relocation.to.path.name());
        let changes_both = entry.folder != to_row && from_name != to_name;
        let to_local = relocation.to.path.name();
        let route = if !changes_both || self.is_free(to_row, &entry.name, &from_name)? {
            Route::MoveThenRename
        } else if self.is_free(entry.folder, to_local, &to_name)? {
            Route::RenameThenMove
        } else {
            Route::OverTemporaryName
        };
        Ok(Some(Mover {
            url,
            entry,
            relocation,
            from_name,
            to_name,
            to_row,
            to_folder,
            route,
            has_arrived: false,
            is_unclear: false,
            early_name: None,
            is_kept_so: false,
        }))
    }

    /// Whether no file of ours or of somebody else's is known under the name that `local` has at
    /// the service. A name that was shortened does not tell the local one.
    fn is_free(
        &self,
        folder: FolderKey,
        local: &[u8],
        name: &RemoteName,
    ) -> Result<bool, RemoteError> {
        let told = self.form.local_file_name(name).unwrap_or_else(|| name.decode());
        for local in [local, &told] {
            let ours = self.state.read(|s| s.entry(folder, local))?;
            if ours.is_some_and(|entry| entry.remote().is_some()) {
                return Ok(false);
            }
        }
        let foreign = self.state.read(|s| s.foreign(folder))?;
        Ok(foreign.iter().all(|file| file.name != *name))
    }

    /// The files that, by the plan, are replaced at the new paths.
    fn in_their_way(&self, movers: &[Mover]) -> Result<Vec<Leaving>, RemoteError> {
        let mut leaving = Vec::new();
        for mover in movers {
            let path = &mover.relocation.to.path;
            leaving.extend(self.leaving(path, mover.to_row, mover.relocation.to.replaces.as_ref()));
        }
        Ok(leaving)
    }

    pub(super) fn leaving(
        &self,
        path: &RelPath,
        row: FolderKey,
        occupant: Option<&Occupant>,
    ) -> Option<Leaving> {
        match occupant? {
            Occupant::Ours(was) => Leaving::of_entry(path, was.clone(), Retired::Replaced),
            Occupant::Foreign(file) => Some(Leaving::of_foreign(path, row, file.as_ref().clone())),
        }
    }

    fn begin_moving(&self, movers: &[Mover]) -> Result<fichier_state::IntentId, RemoteError> {
        let then = movers
            .iter()
            .map(|mover| Moved {
                url: mover.url.clone(),
                from: mover.relocation.from.clone(),
                to: mover.relocation.to.path.clone(),
                into: mover.to_folder,
                name: mover.to_name.clone(),
                early_name: mover.early_name.clone(),
            })
            .collect();
        let intent = Intent::Move { then };
        Ok(self.state.write(|w| w.begin(self.mirror, &intent))?)
    }

    /// Handles files that the service did not move or rename: those that are gone there are sent
    /// again, the others become problems. Costs a listing for each folder that they are in.
    async fn explain_stuck(&self, stuck: &[Mover]) -> Result<(), RemoteError> {
        let mut shown: BTreeMap<FolderKey, Option<FolderListing>> = BTreeMap::new();
        for mover in stuck {
            if mover.has_arrived {
                self.follow_halfway(mover)?;
                self.explain(mover)?;
                continue;
            }
            if mover.is_unclear {
                self.explain(mover)?;
                continue;
            }
            let folder = mover.entry.folder;
            let listing = match shown.entry(folder) {
                MapEntry::Occupied(known) => known.into_mut(),
                MapEntry::Vacant(free) => free.insert(self.shown_in(folder).await?),
            };
            let is_lost = listing.as_ref().is_none_or(|listing| {
                listing.complete && !listing.files.iter().any(|file| file.url == mover.url)
            });
            if is_lost {
                self.forget_lost(&mover.entry, &mover.relocation.from)?;
                self.dirty.mark(mover.relocation.to.path.clone());
                continue;
            }
            // It has the name already that it was to have in its new folder.
            if mover.early_name.is_some() {
                self.follow_halfway(mover)?;
            }
            self.explain(mover)?;
        }
        Ok(())
    }

    fn explain(&self, mover: &Mover) -> Result<(), RemoteError> {
        self.wide_problem(&mover.relocation.to.path, NOT_MOVED, NOT_MOVED_HINT)
    }

    /// Lets the record follow a file that is in its new folder, but not under its new name, or the
    /// other way round. The next plan finds it in the wrong place, and does the rest.
    fn follow_halfway(&self, mover: &Mover) -> Result<(), RemoteError> {
        let Content::File(copy) = &mover.entry.content else { return Ok(()) };
        let copy = RemoteCopy { url: mover.url.clone(), ..copy.clone() };
        let folder = if mover.has_arrived { mover.to_row } else { mover.entry.folder };
        let row = Entry { folder, content: Content::File(copy), ..mover.entry.clone() };
        let row = match &mover.early_name {
            Some(name) => at_name(row, name),
            None => row,
        };
        Ok(self.state.write(|w| {
            w.remove_entry(mover.entry.folder, &mover.entry.name)?;
            w.put_entry(&row)
        })?)
    }

    /// Records that a file has this name while it waits in its folder for a move.
    pub(crate) fn keep_early_name(
        &self,
        url: &FileUrl,
        name: &RemoteName,
    ) -> Result<(), RemoteError> {
        let Some(entry) = self.state.read(|s| s.entry_of_url(url))? else { return Ok(()) };
        Ok(self.state.write(|w| {
            w.remove_entry(entry.folder, &entry.name)?;
            w.put_entry(&at_name(entry.clone(), name))
        })?)
    }

    /// The listing of a folder of ours; `None` if the folder is gone.
    async fn shown_in(&self, folder: FolderKey) -> Result<Option<FolderListing>, RemoteError> {
        let row = self.state.read(|s| s.folder(folder))?;
        let Some(spot) = row.and_then(|row| row.remote) else { return Ok(None) };
        match self.look_into(spot.id).await {
            Ok(listing) => Ok(Some(listing)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Sends files over temporary names if they would meet under one name on their way: two that swap
/// their names and move to another folder are in that folder under each other's names.
fn part_ways(movers: &mut [Mover]) {
    let meets = |one: &Mover, other: &Mover| match one.route {
        Route::MoveThenRename => {
            one.changes_folder()
                && one.changes_name()
                && one.to_row == other.to_row
                && (one.from_name == other.to_name || one.from_name == other.from_name)
        }
        Route::RenameThenMove => {
            // The other one has its new name already, and may still be where this one arrives.
            let is_there = one.to_row == other.entry.folder && other.changes_folder();
            one.to_name == other.to_name && (is_there || one.entry.folder == other.entry.folder)
        }
        Route::OverTemporaryName => false,
    };
    let meeting: Vec<bool> = movers
        .iter()
        .map(|one| movers.iter().any(|other| one.url != other.url && meets(one, other)))
        .collect();
    for (mover, _) in movers.iter_mut().zip(meeting).filter(|(_, meets)| *meets) {
        mover.route = Route::OverTemporaryName;
    }
}

impl Mover {
    /// Takes up the name that the service stores in place of the early one.
    fn take_early(&mut self, given: &Given) {
        self.is_kept_so = false;
        let Some(stored) = given.stored_as(&self.url, &self.from_name).cloned() else { return };
        // Under its old name it could meet another file in the new folder.
        let is_none = is_temporary(&stored) || stored == self.from_name;
        if self.route == Route::RenameThenMove && is_none {
            return;
        }
        if self.route == Route::RenameThenMove {
            say_changed(&self.relocation.to.path, &stored);
            self.to_name = stored.clone();
        }
        self.early_name = Some(stored);
        self.is_kept_so = true;
    }

    /// Takes up the name that the service stores in place of the new one.
    fn take_late(&mut self, given: &Given) {
        self.is_kept_so = false;
        let before = self.early_name.as_ref().unwrap_or(&self.from_name);
        let stored = given.stored_as(&self.url, before).filter(|name| !is_temporary(name));
        let Some(stored) = stored.cloned() else { return };
        say_changed(&self.relocation.to.path, &stored);
        self.to_name = stored;
        self.is_kept_so = true;
    }

    fn changes_folder(&self) -> bool {
        self.entry.folder != self.to_row
    }

    fn changes_name(&self) -> bool {
        self.from_name != self.to_name
    }
}

/// The record of a file that has another name for a while.
fn at_name(entry: Entry, name: &RemoteName) -> Entry {
    let content = match entry.content {
        Content::File(copy) => Content::File(RemoteCopy { remote_name: None, ..copy }),
        other @ (Content::Empty | Content::Symlink(_)) => other,
    };
    Entry { name: name.decode(), content, ..entry }
}

fn say_changed(path: &RelPath, stored: &RemoteName) {
    tracing::warn!(path = %path, "1fichier keeps `{path}` as `{}`", stored.as_str());
}

/// A name that no other file has; it is given for the time of a call or two.
pub(super) fn temporary_name(random: &Random) -> RemoteName {
    RemoteName::from_service(format!("{TEMPORARY}{:016x}", random.number()))
}

/// Whether a name is one of those, perhaps cut.
pub(super) fn is_temporary(name: &RemoteName) -> bool {
    name.as_str().starts_with(TEMPORARY)
}
