//! Finishes what an earlier run, or an earlier cycle, began: every intent on disk is looked into
//! before anything new is planned.
//!
//! Each kind of call has its own proof. Moves, renames and removals by link are simply repeated:
//! the service answers them the same way twice (B.0). A folder, a copy and a folder move are
//! looked for in a listing first, because a repetition would make a second one. An upload is
//! asked for at its node, then in the staging folder (I12, `execute::arrive`).

use std::collections::BTreeMap;

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, FolderId};
use fichier_state::{
    Content, Entry, Intent, IntentId, Moved, NewVersion, Origin, RelPath, RemoteCopy,
};

use crate::execute::{Executor, StepError, other_name, temporary_name};
use crate::hash::hash_file;

impl Executor {
    /// Resolves every intent and every pending upload of this mirror.
    ///
    /// Costs no call when nothing is open.
    ///
    /// # Errors
    ///
    /// What stops the cycle; the rest stays open.
    pub async fn recover(&self) -> Result<(), StepError> {
        let intents = self.state.read(|s| s.intents(self.mirror))?;
        if !intents.is_empty() {
            tracing::info!(count = intents.len(), "finishing what was begun earlier");
        }
        for (id, intent, _) in intents {
            self.finish(id, intent).await?;
        }
        for upload in self.state.read(|s| s.uploads(self.mirror))? {
            self.finish_upload(upload.key).await?;
        }
        Ok(())
    }

    async fn finish(&self, id: IntentId, intent: Intent) -> Result<(), StepError> {
        match intent {
            Intent::MakeFolder { path, .. } => {
                // Making it again finds it, if it is there; that much the step itself knows.
                self.state.write(|w| w.resolve(id))?;
                self.dirty.mark(path);
                Ok(())
            }
            Intent::MoveFolder { folder, to, .. } => self.finish_folder_move(id, folder, &to).await,
            Intent::Rename { urls } => self.give_names_back(id, &urls).await,
            Intent::Move { then } => self.finish_moves(id, then).await,
            Intent::Copy { from, into, name, to } => {
                self.finish_copy(id, &from, into, &name, &to).await
            }
            Intent::Retire { version } => self.finish_retiring(id, version).await,
            Intent::RetireFolder { folder, id: remote, into, until_s } => {
                self.finish_retiring_folder(id, folder, remote, into, until_s).await
            }
            Intent::Remove { urls, .. } => {
                self.client.remove_files(&urls).await?;
                Ok(self.state.write(|w| w.resolve(id))?)
            }
        }
    }

    /// A file that stepped aside in a swap, or waits under a temporary name, gets the name that
    /// its record has.
    async fn give_names_back(
        &self,
        id: IntentId,
        urls: &[(FileUrl, RemoteName)],
    ) -> Result<(), StepError> {
        let mut names = Vec::new();
        for (url, _) in urls {
            if let Some(entry) = self.state.read(|s| s.entry_of_url(url))? {
                let kept = entry.remote().and_then(|copy| copy.remote_name.clone());
                let name = kept.unwrap_or_else(|| RemoteName::encode(&entry.name));
                names.push((url.clone(), name));
            }
        }
        if !names.is_empty() {
            self.client.rename_files(&names).await?;
        }
        Ok(self.state.write(|w| w.resolve(id))?)
    }

    /// Takes files that were on their way to where they were going; back to where their record
    /// has them, if something else is on record there.
    async fn finish_moves(&self, id: IntentId, moves: Vec<Moved>) -> Result<(), StepError> {
        let mut on_their_way = Vec::new();
        for moved in moves {
            self.dirty.mark(moved.from.clone());
            self.dirty.mark(moved.to.clone());
            on_their_way.extend(self.forwards_or_back(moved)?);
        }
        // Over names that nothing else has: how far each of them came is not known.
        let aside: Vec<_> =
            on_their_way.iter().map(|moved| (moved.url.clone(), temporary_name())).collect();
        let mut missing = self.rename(&aside).await?.missing;
        let mut by_folder: BTreeMap<FolderId, Vec<FileUrl>> = BTreeMap::new();
        for moved in on_their_way.iter().filter(|moved| !missing.contains(&moved.url)) {
            by_folder.entry(moved.into).or_default().push(moved.url.clone());
        }
        for (folder, urls) in by_folder {
            missing.extend(self.client.move_files(&urls, folder).await?.missing);
        }
        on_their_way.retain(|moved| !missing.contains(&moved.url));
        let names: Vec<_> =
            on_their_way.iter().map(|moved| (moved.url.clone(), moved.name.clone())).collect();
        let missing = self.rename(&names).await?.missing;
        for moved in on_their_way.iter().filter(|moved| !missing.contains(&moved.url)) {
            self.follow(moved)?;
        }
        Ok(self.state.write(|w| w.resolve(id))?)
    }

    fn forwards_or_back(&self, moved: Moved) -> Result<Option<Moved>, StepError> {
        let Some(entry) = self.state.read(|s| s.entry_of_url(&moved.url))? else {
            return Ok(None);
        };
        let there = match self.folder_of(&moved.to)? {
            Some(folder) => self.state.read(|s| s.entry(folder, moved.to.name()))?,
            None => None,
        };
        if there.is_none() {
            return Ok(Some(moved));
        }
        let folder = self.state.read(|s| s.folder(entry.folder))?;
        let Some(spot) = folder.and_then(|folder| folder.remote) else { return Ok(None) };
        let name = entry.remote().and_then(|copy| copy.remote_name.clone());
        let name = name.unwrap_or_else(|| RemoteName::encode(&entry.name));
        Ok(Some(Moved { into: spot.id, name, ..moved }))
    }

    /// Puts the record of a file where the file is now, if nothing is on record there.
    pub(crate) fn follow(&self, moved: &Moved) -> Result<(), StepError> {
        let Some(entry) = self.state.read(|s| s.entry_of_url(&moved.url))? else { return Ok(()) };
        let Some(folder) = self.folder_of(&moved.to)? else { return Ok(()) };
        let Content::File(copy) = &entry.content else { return Ok(()) };
        let remote_name = other_name(&moved.name, &moved.to);
        let copy = RemoteCopy { remote_name, ..copy.clone() };
        Ok(self.state.write(|w| {
            if w.entry(folder, moved.to.name())?.is_none() {
                w.remove_entry(entry.folder, &entry.name)?;
                let (name, content) = (moved.to.name().to_vec(), Content::File(copy));
                w.put_entry(&Entry { folder, name, content, ..entry })?;
            }
            Ok(())
        })?)
    }

    /// A copy is not repeated blindly: it is looked for under its name and hash.
    async fn finish_copy(
        &self,
        id: IntentId,
        from: &FileUrl,
        into: fichier_api::FolderId,
        name: &RemoteName,
        to: &RelPath,
    ) -> Result<(), StepError> {
        let source = self.state.read(|s| s.entry_of_url(from))?;
        let listing = self.client.list_folder(into).await?;
        let known =
            self.state.read(|s| s.known_urls(listing.files.iter().map(|file| &file.url)))?;
        let copy = source.as_ref().and_then(|entry| entry.remote()).and_then(|source| {
            let found = listing.files.iter().find(|file| {
                file.name == *name
                    && file.whirlpool == Some(source.whirlpool)
                    && !known.contains(&file.url)
            })?;
            Some(RemoteCopy {
                url: found.url.clone(),
                origin: Origin::Copied,
                remote_name: None,
                ..source.clone()
            })
        });
        if let (Some(copy), Ok(Some(seen)), Some(row)) =
            (copy, self.scanner.look(to), self.folder_of(to)?)
            && self.is_content(to, &copy)
        {
            let entry = self.entry(to, row, &seen, Content::File(copy));
            self.state.write(|w| w.put_entry(&entry))?;
        }
        self.dirty.mark(to.clone());
        Ok(self.state.write(|w| w.resolve(id))?)
    }

    fn is_content(&self, path: &RelPath, copy: &RemoteCopy) -> bool {
        let Ok(file) = self.scanner.open_file(path) else { return false };
        let hashed = tokio::task::block_in_place(|| hash_file(file, false));
        hashed.is_ok_and(|hashed| hashed.fingerprint == copy.fingerprint)
    }

    async fn finish_retiring(&self, id: IntentId, version: NewVersion) -> Result<(), StepError> {
        let into = self.versions_folder(1, None).await?;
        let urls = [version.url.clone()];
        let outcome = self.client.move_files(&urls, into).await?;
        let current = self.state.read(|s| s.entry_of_url(&version.url))?;
        self.state.write(|w| {
            if outcome.missing.is_empty() {
                w.add_version(&NewVersion { folder: into, ..version.clone() })?;
                w.count_retired(into, 1, None)?;
            }
            if let Some(entry) = &current {
                w.remove_entry(entry.folder, &entry.name)?;
            }
            w.resolve(id)
        })?;
        self.dirty.mark(version.path);
        Ok(())
    }

    async fn finish_retiring_folder(
        &self,
        id: IntentId,
        key: fichier_state::FolderKey,
        remote: fichier_api::FolderId,
        into: fichier_api::FolderId,
        until_s: i64,
    ) -> Result<(), StepError> {
        let Some(folder) = self.state.read(|s| s.folder(key))? else {
            return Ok(self.state.write(|w| w.resolve(id))?);
        };
        let listing = self.client.list_folder(into).await?;
        if listing.folders.iter().any(|folder| folder.id == remote) {
            let name = folder.remote_name.clone();
            let name = name.unwrap_or_else(|| RemoteName::encode(&folder.name));
            let files = self.state.read(|s| s.count_below(key))?.files;
            self.confirm_retired_folder(&folder, &name, into, until_s, files)?;
        } else {
            let path = self.state.read(|s| s.path_of(key))?;
            self.dirty.mark(path);
        }
        Ok(self.state.write(|w| w.resolve(id))?)
    }
}
