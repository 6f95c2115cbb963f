//! Makes verified files visible: from the staging folder into their folders, one call a folder.
//!
//! What a file replaces is looked up here, in the state, and not handed down from the plan, so
//! that an upload which a crash interrupted is published by the very same code.
//!
//! What the service does when a name is taken is not documented. The first time it happens both
//! files are asked about, and the answer is remembered: if old and new can stand side by side,
//! the old copy goes afterwards; if not, it goes to the versions first, where it is safe.

use std::collections::{BTreeMap, HashSet};

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, FolderId, MAX_LINKS_PER_CALL};
use fichier_state::{
    Content, Entry, FolderKey, Intent, Origin, PendingFile, RelPath, RemoteCopy, Retired, UploadKey,
};

use super::notes::other_name;
use super::remove::Leaving;
use super::{Executor, StepError, now_s};

/// The note that remembers what the service does when a name is taken.
const NAME_TAKEN: &str = "name_taken";

/// What happens when a file is given a name that its folder has already (G.1, 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameTaken {
    Unknown,
    /// Both stand side by side.
    Twins,
    /// Refused, renamed or overwritten: the name must be free first.
    MustBeFree,
}

impl Executor {
    /// Publishes what has arrived of an upload, and retires what it replaces.
    pub(super) async fn publish(&self, key: UploadKey) -> Result<(), StepError> {
        let Some(upload) = self.pending(key)? else { return Ok(()) };
        let arrived: Vec<PendingFile> =
            upload.files.into_iter().filter(|file| file.url.is_some()).collect();
        let mut folders: BTreeMap<RelPath, Vec<PendingFile>> = BTreeMap::new();
        for file in arrived {
            let folder = file.path.parent().unwrap_or_else(RelPath::root);
            folders.entry(folder).or_default().push(file);
        }
        let under_other_name = self.give_final_names(folders.values().flatten()).await?;
        let mut replaced = Vec::new();
        for (folder, files) in folders {
            for files in files.chunks(MAX_LINKS_PER_CALL) {
                match self.publish_into(key, &folder, files, &under_other_name).await {
                    Ok(leaving) => replaced.extend(leaving),
                    Err(StepError::Api(error)) if Executor::is_local(&error) => {
                        self.problem(
                            &folder,
                            &format!("its new files are sent but not in place: {error}"),
                            "they are put in place as soon as the folder takes them",
                        )?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.retire_all(replaced).await
    }

    /// Renames twins that travelled under temporary names. Returns those that could not be, to
    /// be renamed in their own folders.
    async fn give_final_names<'a>(
        &self,
        files: impl Iterator<Item = &'a PendingFile>,
    ) -> Result<HashSet<FileUrl>, StepError> {
        let twins: Vec<(FileUrl, RemoteName)> = files
            .filter(|file| file.sent_as != file.name)
            .filter_map(|file| Some((file.url.clone()?, file.name.clone())))
            .collect();
        let mut left = HashSet::new();
        for chunk in twins.chunks(MAX_LINKS_PER_CALL) {
            match self.client.rename_files(chunk).await {
                Ok(outcome) => left.extend(outcome.missing),
                Err(error) if Executor::is_local(&error) => {
                    left.extend(chunk.iter().map(|(url, _)| url.clone()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(left)
    }

    /// Moves files of one upload into one folder. Returns what they replaced.
    async fn publish_into(
        &self,
        key: UploadKey,
        folder: &RelPath,
        files: &[PendingFile],
        under_other_name: &HashSet<FileUrl>,
    ) -> Result<Vec<Leaving>, StepError> {
        let (row, id) = self.ensure_folder(folder).await?;
        let mut leaving = Vec::new();
        for file in files {
            leaving.extend(self.occupants(row, file)?);
        }
        let behaviour = self.name_taken()?;
        if !leaving.is_empty() && behaviour == NameTaken::MustBeFree {
            self.retire_all(std::mem::take(&mut leaving)).await?;
        }
        let urls: Vec<FileUrl> = files.iter().filter_map(|file| file.url.clone()).collect();
        let outcome = self.client.move_files(&urls, id).await?;
        let (moved, refused): (Vec<&PendingFile>, Vec<&PendingFile>) = files
            .iter()
            .partition(|file| file.url.as_ref().is_some_and(|url| !outcome.missing.contains(url)));
        let has_moved = |left: &Leaving| moved.iter().any(|file| file.path == left.path);
        let (mut going, staying): (Vec<Leaving>, Vec<Leaving>) =
            leaving.into_iter().partition(has_moved);
        if behaviour == NameTaken::Unknown
            && let (Some(first), Some(old)) =
                (moved.iter().find(|f| going.iter().any(|l| l.path == f.path)), going.first())
        {
            self.learn_name_taken(first, old).await?;
        }
        self.confirm(key, row, &moved, &outcome.new_urls, &mut going)?;
        let misnamed: Vec<&PendingFile> = moved
            .iter()
            .copied()
            .filter(|file| file.url.as_ref().is_some_and(|url| under_other_name.contains(url)))
            .collect();
        self.rename_in_place(&misnamed).await?;
        if !refused.is_empty() {
            self.publish_refused(key, row, id, &refused, staying).await?;
        }
        Ok(going)
    }

    /// Some files did not move. Where a name was taken it is freed first; others wait.
    async fn publish_refused(
        &self,
        key: UploadKey,
        row: FolderKey,
        id: FolderId,
        refused: &[&PendingFile],
        in_the_way: Vec<Leaving>,
    ) -> Result<(), StepError> {
        let mut left = Vec::new();
        if !in_the_way.is_empty() {
            self.set_name_taken(NameTaken::MustBeFree)?;
            self.retire_all(in_the_way).await?;
            let urls: Vec<FileUrl> = refused.iter().filter_map(|file| file.url.clone()).collect();
            let outcome = self.client.move_files(&urls, id).await?;
            let (moved, rest): (Vec<&PendingFile>, Vec<&PendingFile>) =
                refused.iter().partition(|file| {
                    file.url.as_ref().is_some_and(|url| !outcome.missing.contains(url))
                });
            self.confirm(key, row, &moved, &outcome.new_urls, &mut [])?;
            left.extend(rest);
        } else {
            left.extend(refused);
        }
        for file in left {
            // Gone from the staging folder, or held back by the service: send it again.
            self.state.write(|w| w.drop_pending(key, file.seq))?;
            self.problem(
                &file.path,
                "the service did not put the sent file in its place",
                "it is sent again by itself",
            )?;
        }
        Ok(())
    }

    /// Writes the records of what is in place now (I1), and the intents to retire what was there
    /// before (I4), in one transaction.
    fn confirm(
        &self,
        key: UploadKey,
        row: FolderKey,
        moved: &[&PendingFile],
        new_urls: &std::collections::HashMap<FileUrl, FileUrl>,
        leaving: &mut [Leaving],
    ) -> Result<(), StepError> {
        let now_s = now_s();
        let entries: Vec<(&PendingFile, Entry)> = moved
            .iter()
            .filter_map(|file| Some((*file, self.confirmed_entry(file, row, new_urls, now_s)?)))
            .collect();
        self.state.write(|w| {
            for left in leaving.iter_mut() {
                left.begin(w, self.mirror, self.places.versions)?;
                left.forget(w)?;
            }
            for (file, entry) in &entries {
                w.put_entry(entry)?;
                w.drop_pending(key, file.seq)?;
                w.clear_problem(self.mirror, &file.path)?;
            }
            Ok(())
        })?;
        self.report(|report| {
            report.uploaded_files += entries.len() as u64;
            report.uploaded_bytes += entries.iter().map(|(file, _)| file.size_bytes).sum::<u64>();
        });
        Ok(())
    }

    fn confirmed_entry(
        &self,
        file: &PendingFile,
        folder: FolderKey,
        new_urls: &std::collections::HashMap<FileUrl, FileUrl>,
        now_s: i64,
    ) -> Option<Entry> {
        let url = file.url.as_ref()?;
        let copy = RemoteCopy {
            url: new_urls.get(url).unwrap_or(url).clone(),
            whirlpool: file.whirlpool?,
            fingerprint: file.fingerprint?,
            remote_name: other_name(&file.name, &file.path),
            confirmed_s: now_s,
            origin: Origin::Sent,
            unsettled: file.unsettled,
        };
        let metadata = self.with_xattrs(&file.path, &file.metadata);
        let racy = crate::hash::is_racy(&file.stamp, self.started);
        let (name, stamp) = (file.path.name().to_vec(), file.stamp);
        let content = Content::File(copy);
        Some(Entry { folder, name, stamp, metadata, content, racy, unmanaged: false })
    }

    /// Our earlier copy, or a file that was there before us, where `file` belongs.
    fn occupants(&self, row: FolderKey, file: &PendingFile) -> Result<Vec<Leaving>, StepError> {
        let ours = self.state.read(|s| s.entry(row, file.path.name()))?;
        let ours = ours.and_then(|was| Leaving::of_entry(&file.path, was, Retired::Replaced));
        let foreign = self.state.read(|s| s.foreign(row))?;
        let foreign = foreign.into_iter().find(|foreign| foreign.name == file.name);
        let foreign = foreign.map(|foreign| Leaving::of_foreign(&file.path, row, foreign));
        Ok(ours.into_iter().chain(foreign).collect())
    }

    pub(super) async fn rename_in_place(&self, files: &[&PendingFile]) -> Result<(), StepError> {
        let names: Vec<(FileUrl, RemoteName)> =
            files.iter().filter_map(|file| Some((file.url.clone()?, file.name.clone()))).collect();
        for chunk in names.chunks(MAX_LINKS_PER_CALL) {
            let intent = Intent::Rename { urls: chunk.to_vec() };
            let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
            self.client.rename_files(chunk).await?;
            self.state.write(|w| w.resolve(intent))?;
        }
        Ok(())
    }

    /// Asks about both files, once in the life of a state file: two calls.
    async fn learn_name_taken(&self, new: &PendingFile, old: &Leaving) -> Result<(), StepError> {
        let Some(url) = &new.url else { return Ok(()) };
        let now = self.client.file_info(url).await?;
        let before = match self.client.file_info(&old.url).await {
            Ok(before) => Some(before),
            Err(error) if super::is_gone(&error) => None,
            Err(error) => return Err(error.into()),
        };
        let twins = now.name == new.name && before.is_some_and(|file| file.name == new.name);
        let behaviour = if twins { NameTaken::Twins } else { NameTaken::MustBeFree };
        tracing::debug!(?behaviour, "learnt what the service does when a name is taken");
        self.set_name_taken(behaviour)?;
        if now.name != new.name {
            // The service chose another name: free the right one, then take it.
            self.retire_all(vec![old.clone()]).await?;
            self.rename_in_place(&[new]).await?;
        }
        Ok(())
    }

    pub(super) fn name_taken(&self) -> Result<NameTaken, StepError> {
        Ok(match self.state.read(|s| s.note(NAME_TAKEN))?.as_deref() {
            Some("twins") => NameTaken::Twins,
            Some("must be free") => NameTaken::MustBeFree,
            Some(_) | None => NameTaken::Unknown,
        })
    }

    pub(super) fn set_name_taken(&self, behaviour: NameTaken) -> Result<(), StepError> {
        let text = match behaviour {
            NameTaken::Unknown => None,
            NameTaken::Twins => Some("twins"),
            NameTaken::MustBeFree => Some("must be free"),
        };
        Ok(self.state.write(|w| w.set_note(NAME_TAKEN, text))?)
    }
}
