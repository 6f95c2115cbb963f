//! Writes records that need no call: new stamps, and entries that the service cannot hold.

use std::collections::BTreeSet;

use fichier_api::names::RemoteName;
use fichier_state::{
    Cipher, Content, Entry, FolderKey, ForeignFile, Intent, MirrorId, Origin, Records, RelPath,
    RemoteCopy, Retired,
};

use super::Leaving;
use crate::disk::{Seen, SeenKind};
use crate::plan::{Note, Occupant, Placement};
use crate::remote::Remote;
use crate::remote::error::RemoteError;
use crate::remote::execute::Executor;
use crate::remote::source::Source;

impl Executor {
    /// Writes notes, some hundreds in one transaction.
    pub(crate) fn note(&self, notes: Vec<Note>) -> Result<(), RemoteError> {
        let begun = self.remote.begun_paths()?;
        for chunk in notes.chunks(500) {
            let mut rows = Vec::new();
            for note in chunk {
                rows.push((note, self.remote.folder_of(note_path(note))?));
            }
            self.remote.state.write(|w| {
                for (note, folder) in &rows {
                    match (note, folder) {
                        (Note::Refresh(path, seen, was), Some(folder)) => {
                            let content = settled(was.content.clone());
                            w.put_entry(&self.source.entry(path, *folder, seen, content))?;
                            // Otherwise its problem concerns an intent that is still to be
                            // finished.
                            if !begun.contains(path) {
                                w.clear_problem(self.remote.mirror, path)?;
                            }
                        }
                        (Note::Unsendable(path, seen), Some(folder)) => {
                            let content = unsendable(&seen.kind);
                            w.put_entry(&self.source.entry(path, *folder, seen, content))?;
                            w.clear_problem(self.remote.mirror, path)?;
                        }
                        (Note::Forget(path, was), _) => {
                            w.remove_entry(was.folder, &was.name)?;
                            w.clear_problem(self.remote.mirror, path)?;
                        }
                        (Note::ForgetFolder(_, key), _) => w.remove_folder(*key)?,
                        (Note::Manage(_, was, managed), _) => {
                            w.set_unmanaged(was.folder, &was.name, !managed)?;
                        }
                        (Note::ManageFolder(_, folder, managed), _) => {
                            w.set_folder_unmanaged(folder.key, !managed)?;
                        }
                        // The entry's folder was removed meanwhile: the next look finds that out.
                        (Note::Refresh(path, ..) | Note::Unsendable(path, ..), None) => {
                            self.remote.dirty.mark(path.clone());
                        }
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Takes a file on record that was there before us and has the same size and hash, as it is or
    /// with `cipher`. The file that was on record before, if it is not wanted elsewhere, is retired.
    pub(super) async fn adopt(
        &self,
        place: &Placement,
        file: ForeignFile,
        cipher: Option<Cipher>,
    ) -> Result<(), RemoteError> {
        let (Some(folder), Some(fingerprint), Some(whirlpool)) =
            (self.remote.folder_of(&place.path)?, place.fingerprint, file.whirlpool)
        else {
            self.remote.dirty.mark(place.path.clone());
            return Ok(());
        };
        let copy = RemoteCopy {
            url: file.url.clone(),
            whirlpool,
            fingerprint,
            remote_name: other_name(&file.name, &place.path),
            confirmed_s: self.remote.state.now_s(),
            origin: Origin::Adopted,
            unsettled: false,
            cipher,
        };
        let entry = self.source.entry(&place.path, folder, &place.seen, Content::File(copy));
        let before = match &place.replaces {
            Some(Occupant::Ours(was)) => {
                Leaving::of_entry(&place.path, was.clone(), Retired::Replaced)
            }
            Some(Occupant::Foreign(_)) | None => None,
        };
        let mut before: Vec<Leaving> = before.into_iter().collect();
        self.remote.state.write(|w| {
            for left in &mut before {
                left.begin(w, self.remote.mirror, self.remote.places.retired_to())?;
            }
            w.remove_foreign(folder, &file.url)?;
            w.put_entry(&entry)?;
            w.clear_problem(self.remote.mirror, &place.path)
        })?;
        self.remote.report(|report| report.adopted += 1);
        self.remote.retire_all(before).await
    }
}

/// Whether an earlier cycle of a mirror has left something begun, which is finished first.
pub(crate) fn has_begun(records: &Records, mirror: MirrorId) -> fichier_state::Result<bool> {
    Ok(!records.intents(mirror)?.is_empty()
        || !records.uploads(mirror)?.is_empty()
        || super::leftovers::expects_leftovers(records, mirror)?)
}

impl Remote {
    /// The paths of copies that were asked for and whose outcome is not known yet.
    pub(crate) fn begun_copies(&self) -> Result<BTreeSet<RelPath>, RemoteError> {
        let intents = self.state.read(|s| s.intents(self.mirror))?;
        let copies = intents.into_iter().filter_map(|(_, intent, _)| match intent {
            Intent::Copy { to, .. } => Some(to),
            Intent::Retire { .. }
            | Intent::Rename { .. }
            | Intent::MakeFolder { .. }
            | Intent::Move { .. }
            | Intent::MoveFolder { .. }
            | Intent::RetireFolder { .. }
            | Intent::Remove { .. } => None,
        });
        Ok(copies.collect())
    }

    /// Whether an earlier cycle has left something begun, which is finished first.
    pub(crate) fn has_begun(&self) -> Result<bool, RemoteError> {
        Ok(self.state.read(|s| has_begun(s, self.mirror))?)
    }

    /// The paths of files that are to be renamed, or to leave their place, as soon as the service
    /// does it.
    pub(crate) fn begun_paths(&self) -> Result<BTreeSet<RelPath>, RemoteError> {
        let mut paths = BTreeSet::new();
        for (_, intent, _) in self.state.read(|s| s.intents(self.mirror))? {
            match intent {
                Intent::Retire { version } => {
                    paths.insert(version.path);
                }
                Intent::Rename { urls } => {
                    for (url, _) in urls {
                        let Some(entry) = self.state.read(|s| s.entry_of_url(&url))? else {
                            continue;
                        };
                        let folder = self.state.read(|s| s.path_of(entry.folder))?;
                        paths.insert(folder.join(&entry.name));
                    }
                }
                Intent::MakeFolder { .. }
                | Intent::Move { .. }
                | Intent::MoveFolder { .. }
                | Intent::Copy { .. }
                | Intent::RetireFolder { .. }
                | Intent::Remove { .. } => {}
            }
        }
        Ok(paths)
    }

    pub(crate) fn folder_of(&self, path: &RelPath) -> Result<Option<FolderKey>, RemoteError> {
        let parent = path.parent().unwrap_or_else(RelPath::root);
        Ok(self.state.read(|s| s.folder_at(self.mirror, &parent))?.map(|folder| folder.key))
    }
}

impl Source {
    /// A row for the entry that was seen at `path`, with the extended attributes that it has now.
    pub(crate) fn entry(
        &self,
        path: &RelPath,
        folder: FolderKey,
        seen: &Seen,
        content: Content,
    ) -> Entry {
        let metadata = self.whole_metadata(path, &seen.metadata);
        // No file was read before the cycle began, so this errs towards reading a file once more.
        let racy = crate::disk::seen::is_racy(&seen.stamp, self.started);
        let name = path.name().to_vec();
        Entry { folder, name, stamp: seen.stamp, metadata, content, racy, unmanaged: false }
    }
}

fn note_path(note: &Note) -> &RelPath {
    match note {
        Note::Refresh(path, ..)
        | Note::Unsendable(path, _)
        | Note::Forget(path, _)
        | Note::ForgetFolder(path, _)
        | Note::Manage(path, ..)
        | Note::ManageFolder(path, ..) => path,
    }
}

/// The content of a file that was read whole, did not change meanwhile, and is as its copy.
fn settled(content: Content) -> Content {
    match content {
        Content::File(copy) => Content::File(RemoteCopy { unsettled: false, ..copy }),
        other @ (Content::Empty | Content::Symlink(_)) => other,
    }
}

/// The content of an entry that the service cannot hold.
pub(super) fn unsendable(kind: &SeenKind) -> Content {
    match kind {
        SeenKind::Symlink(target) => Content::Symlink(target.clone()),
        SeenKind::File | SeenKind::Folder | SeenKind::Special => Content::Empty,
    }
}

/// The name to remember, if the service has another name than the one that we would give.
pub(crate) fn other_name(name: &RemoteName, path: &RelPath) -> Option<RemoteName> {
    (*name != RemoteName::encode(path.name())).then(|| name.clone())
}
