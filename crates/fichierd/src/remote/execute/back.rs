//! Moves versions back into the mirror whose content is on the disk again: a folder that left for
//! seconds, or a restore in place. No byte is sent.
//!
//! The row of a version goes in the transaction that makes the file current, so that its content is
//! on record at every moment, and the past can be restored. A version that the service does not
//! move, or not rename, is sent instead.

use std::collections::HashSet;

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, FolderId};
use fichier_state::{
    Content, Entry, FolderKey, Intent, IntentId, MirrorId, Moved, NOT_CONFIRMED, Origin, Records,
    RelPath, RemoteCopy, Stamp, Version, failpoint,
};

use super::records::other_name;
use super::relocate::temporary_name;
use super::remove::Leaving;
use crate::disk::{Seen, SeenKind};
use crate::plan::{BatchLimits, Occupant, Placement};
use crate::remote::Remote;
use crate::remote::bring::{Brought, Parcel};
use crate::remote::error::{RemoteError, is_gone};
use crate::remote::execute::Executor;
use crate::remote::habits::{Habits, NameTaken};
use crate::remote::strays::{Stray, other_names};

/// A version on its way back.
struct Comer {
    place: Placement,
    version: Version,
    moved: Moved,
    /// Whether it may have another name than it should have.
    is_misnamed: bool,
}

/// Calls that one step makes besides those of its plan, because the names that its versions have on
/// the service are not known, or may meet others on their way.
pub(crate) fn calls_for_names(
    records: &Records,
    mirror: MirrorId,
    files: &[(Placement, Version)],
) -> fichier_state::Result<u64> {
    let name_taken = Habits::read(records)?.name_taken.map(|taken| taken.is);
    let is_any_renamed = files.iter().any(|it| it.0.path.name() != it.1.path.name());
    let is_known = name_taken == Some(NameTaken::Twins);
    let is_told_already = is_known && (is_any_renamed || !other_names(mirror).is_set(records)?);
    Ok(u64::from(!is_told_already))
}

/// The folder that versions come back to.
struct Home {
    row: FolderKey,
    id: FolderId,
    name_taken: Option<NameTaken>,
    /// Whether each version is known to have the name of its path.
    names_are_known: bool,
}

/// What became of the files of one call.
struct Came {
    there: Vec<Comer>,
    /// To be sent instead.
    rest: Vec<Comer>,
    brought: Brought,
}

impl Executor {
    /// Brings versions back into one folder; at most a hundred.
    pub(super) async fn bring_back(
        &self,
        files: Vec<(Placement, Version)>,
    ) -> Result<(), RemoteError> {
        let Some(folder) = files.first().map(|(place, _)| place.folder()) else { return Ok(()) };
        let (row, id) = self.remote.ensure_folder(&folder).await?;
        let name_taken = self.remote.name_taken()?;
        let some_differ = self.remote.state.read(|s| other_names(self.remote.mirror).is_set(s))?;
        let names_are_known = name_taken == Some(NameTaken::Twins) && !some_differ;
        let home = Home { row, id, name_taken, names_are_known };
        let (mut comers, mut to_send) = (Vec::new(), Vec::new());
        // A version that did not come back is not tried all the time: its file is sent meanwhile.
        let waiting = self.remote.waiting_problems()?;
        for (place, version) in files {
            if self.remote.is_taken_by_another(&place, row)? {
                self.remote.dirty.mark(place.path.clone());
            } else if self.remote.is_still_version(&version)? && !waiting.contains(&place.path) {
                comers.push(self.remote.comer(place, version, &home));
            } else {
                to_send.push(place);
            }
        }
        let left = self.bring_home(&home, comers).await?;
        for batch in BatchLimits::default().cut(to_send.into_iter().chain(left.clone()).collect()) {
            self.upload(batch).await?;
        }
        self.remote.tell_left(row, &left)
    }

    /// Goes on with versions that were on their way back when the process died, where files of their
    /// size are still at their paths: they may be there already, and do not leave again. Returns the
    /// other moves.
    ///
    /// The files were read by that process, so the records say that they have to be read again.
    pub(crate) async fn go_on_back(&self, moves: Vec<Moved>) -> Result<Vec<Moved>, RemoteError> {
        let (mut files, mut rest) = (Vec::new(), Vec::new());
        for moved in moves {
            match self.wanted_version(&moved)? {
                Some(file) => files.push(file),
                None => rest.push(moved),
            }
        }
        let Some(folder) = files.first().map(|(place, _)| place.folder()) else { return Ok(rest) };
        let (row, id) = self.remote.ensure_folder(&folder).await?;
        let name_taken = self.remote.name_taken()?;
        let home = Home { row, id, name_taken, names_are_known: false };
        let comers = files
            .into_iter()
            .map(|(place, version)| self.remote.comer(place, version, &home))
            .collect();
        for place in self.bring_home(&home, comers).await? {
            self.remote.dirty.mark(place.path);
        }
        Ok(rest)
    }

    /// The version that a move brings back, if its place is free on record and a file of its size is
    /// there on the disk.
    fn wanted_version(&self, moved: &Moved) -> Result<Option<(Placement, Version)>, RemoteError> {
        let Some(version) = self.remote.state.read(|s| s.version_of_url(&moved.url))? else {
            return Ok(None);
        };
        let is_free = match self.remote.folder_of(&moved.to)? {
            Some(row) => self.remote.state.read(|s| s.entry(row, moved.to.name()))?.is_none(),
            None => false,
        };
        let seen = self.source.look(&moved.to)?.filter(|seen| {
            seen.kind == SeenKind::File && seen.stamp.size_bytes == version.size_bytes
        });
        let is_known = version.whirlpool.is_some() && version.fingerprint.is_some();
        let may_come = is_free && is_known && self.remote.form.is_of(version.cipher.as_ref());
        let Some(seen) = seen.filter(|_| may_come) else { return Ok(None) };
        let stamp = Stamp { mtime_ns: 0, ctime_ns: 0, inode: 0, ..seen.stamp };
        let place = Placement {
            path: moved.to.clone(),
            seen: Seen { stamp, ..seen },
            fingerprint: version.fingerprint,
            replaces: None,
        };
        Ok(Some((place, version)))
    }

    /// Returns the files that are to be sent instead.
    async fn bring_home(
        &self,
        home: &Home,
        mut comers: Vec<Comer>,
    ) -> Result<Vec<Placement>, RemoteError> {
        let remote = &self.remote;
        let mut leaving: Vec<Leaving> = comers
            .iter()
            .filter_map(|it| remote.leaving(&it.place.path, home.row, it.place.replaces.as_ref()))
            .collect();
        if home.name_taken != Some(NameTaken::Twins) {
            let staying = remote.make_room(std::mem::take(&mut leaving)).await?;
            comers.retain(|it| staying.iter().all(|left| left.path != it.place.path));
        }
        let intent = remote.begin_bringing(&comers)?;
        failpoint::reached("back:begun");
        let came = match remote.move_home(home, comers).await {
            Err(RemoteError::Api(error)) if is_gone(&error) => {
                return remote.home_is_gone(home, intent, error);
            }
            other => other?,
        };
        leaving.retain(|left| came.there.iter().any(|it| it.place.path == left.path));
        self.confirm_back(home.row, &came, intent, &mut leaving)?;
        failpoint::reached("back:confirmed");
        remote.retire_all(leaving).await?;
        Ok(came.rest.into_iter().map(|it| it.place).collect())
    }

    fn confirm_back(
        &self,
        row: FolderKey,
        came: &Came,
        intent: IntentId,
        leaving: &mut [Leaving],
    ) -> Result<(), RemoteError> {
        let remote = &self.remote;
        let rows: Vec<Entry> =
            came.there.iter().filter_map(|it| self.entry_back(row, it, &came.brought)).collect();
        let versions: Vec<FileUrl> = came.there.iter().map(|it| it.version.url.clone()).collect();
        remote.state.write(|w| {
            for left in leaving.iter_mut() {
                left.begin(w, remote.mirror, remote.places.retired_to())?;
                left.forget(w)?;
            }
            for (row, it) in rows.iter().zip(&came.there) {
                w.put_entry(row)?;
                w.clear_problem(remote.mirror, &it.place.path)?;
            }
            w.forget_versions_at(&versions)?;
            w.resolve(intent)
        })?;
        remote.report(|report| report.relocated += rows.len() as u64);
        Ok(())
    }

    fn entry_back(&self, row: FolderKey, it: &Comer, brought: &Brought) -> Option<Entry> {
        let copy = RemoteCopy {
            url: brought.url(&it.version.url)?.clone(),
            whirlpool: it.version.whirlpool?,
            fingerprint: it.version.fingerprint?,
            remote_name: other_name(&it.moved.name, &it.place.path),
            confirmed_s: self.remote.state.now_s().max(NOT_CONFIRMED + 1),
            // It may have been there before us: it is retired again, and never just removed.
            origin: Origin::Adopted,
            unsettled: false,
            cipher: it.version.cipher,
        };
        Some(self.source.entry(&it.place.path, row, &it.place.seen, Content::File(copy)))
    }
}

impl Remote {
    /// Whether a file of ours is at the path that the plan did not know there: its record must not
    /// be lost.
    fn is_taken_by_another(&self, place: &Placement, row: FolderKey) -> Result<bool, RemoteError> {
        let there = self.state.read(|s| s.entry(row, place.path.name()))?;
        let there = there.as_ref().and_then(Entry::remote).map(|copy| &copy.url);
        let replaces = place.replaces.as_ref().and_then(Occupant::url);
        Ok(there.is_some_and(|there| Some(there) != replaces))
    }

    fn is_still_version(&self, version: &Version) -> Result<bool, RemoteError> {
        Ok(self.state.read(|s| {
            let row = s.version_of_url(&version.url)?;
            Ok(row.is_some() && s.entry_of_url(&version.url)?.is_none())
        })?)
    }

    fn comer(&self, place: Placement, version: Version, home: &Home) -> Comer {
        let changes_name = version.path.name() != place.path.name();
        // Under its old name it might replace another file of the folder.
        let needs_early_name = changes_name && home.name_taken != Some(NameTaken::Twins);
        let moved = Moved {
            url: version.url.clone(),
            into: home.id,
            name: self.form.file_name(place.path.name()),
            early_name: needs_early_name.then(|| temporary_name(&self.random)),
            from: version.path.clone(),
            to: place.path.clone(),
        };
        let is_misnamed = changes_name || !home.names_are_known;
        Comer { place, version, moved, is_misnamed }
    }

    fn begin_bringing(&self, comers: &[Comer]) -> Result<IntentId, RemoteError> {
        let then = comers.iter().map(|it| it.moved.clone()).collect();
        let is_any_renamed = comers.iter().any(|it| it.moved.early_name.is_some());
        Ok(self.state.write(|w| {
            if is_any_renamed {
                other_names(self.mirror).set(w, true)?;
            }
            w.begin(self.mirror, &Intent::Move { then })
        })?)
    }

    /// Moves and renames versions. Those that arrive and do not get their names are versions again.
    async fn move_home(&self, home: &Home, comers: Vec<Comer>) -> Result<Came, RemoteError> {
        let early: Vec<(FileUrl, RemoteName)> = comers
            .iter()
            .filter_map(|it| Some((it.version.url.clone(), it.moved.early_name.clone()?)))
            .collect();
        let stay = self.give_names(&early).await?.left;
        let ready: Vec<Parcel> = comers
            .iter()
            .filter(|it| !stay.contains(&it.version.url))
            .map(|it| Stray::of(&it.moved, &it.version, &self.form).parcel)
            .collect();
        let brought =
            if ready.is_empty() { Brought::default() } else { self.bring(&ready, home.id).await? };
        let misnamed: Vec<(FileUrl, RemoteName)> = comers
            .iter()
            .filter(|it| it.is_misnamed)
            .filter_map(|it| Some((brought.url(&it.version.url)?.clone(), it.moved.name.clone())))
            .collect();
        let unnamed: HashSet<FileUrl> = self.give_names(&misnamed).await?.left;
        let (there, rest): (Vec<Comer>, Vec<Comer>) = comers
            .into_iter()
            .partition(|it| brought.url(&it.version.url).is_some_and(|url| !unnamed.contains(url)));
        let strays: Vec<Stray> = rest
            .iter()
            .filter_map(|it| {
                Some(
                    Stray::of(&it.moved, &it.version, &self.form).at(brought.url(&it.version.url)?),
                )
            })
            .collect();
        self.return_strays(&strays).await?;
        Ok(Came { there, rest, brought })
    }

    /// Tells of files whose versions did not come back, and that were not sent either, for no reason
    /// that is told.
    fn tell_left(&self, row: FolderKey, left: &[Placement]) -> Result<(), RemoteError> {
        if left.is_empty() {
            return Ok(());
        }
        let told = self.waiting_problems()?;
        let uploads = self.state.read(|s| s.uploads(self.mirror))?;
        let sent: HashSet<&RelPath> =
            uploads.iter().flat_map(|upload| &upload.files).map(|file| &file.path).collect();
        let is_open =
            |place: &&Placement| !sent.contains(&place.path) && !told.contains(&place.path);
        for place in left.iter().filter(is_open) {
            let there = self.state.read(|s| s.entry(row, place.path.name()))?;
            let is_as_before = match (&there, &place.replaces) {
                (Some(there), Some(before)) => there.remote().map(|copy| &copy.url) == before.url(),
                (Some(_), None) => false,
                (None, _) => true,
            };
            if is_as_before {
                self.problem(
                    &place.path,
                    "1fichier did not give an old copy back, or not under its name, and the file is \
                     not sent yet",
                    "both are tried again by themselves",
                )?;
            }
        }
        Ok(())
    }

    /// Forgets the folder, which somebody removed, with what is below it: it is made again.
    fn home_is_gone(
        &self,
        home: &Home,
        intent: IntentId,
        error: fichier_api::Error,
    ) -> Result<Vec<Placement>, RemoteError> {
        let path = self.state.read(|s| s.path_of(home.row))?;
        if path.is_root() {
            return Err(error.into());
        }
        self.forget_gone(home.row, &path)?;
        self.dirty.mark(path);
        self.state.write(|w| w.resolve(intent))?;
        Ok(Vec::new())
    }
}
