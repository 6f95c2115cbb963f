//! A second file with content that the service has already: one call, no bytes.

use fichier_api::FileUrl;
use fichier_state::{Content, Entry, Intent, Origin, RemoteCopy};

use super::bring::is_refusal;
use super::publish::NameTaken;
use super::records::other_name;
use super::{Executor, StepError};
use crate::plan::steps::Placement;

impl Executor {
    /// Copies the remote file of `from` to the path of `place`.
    ///
    /// The new record inherits the hash; that no listing has confirmed it yet is recorded too.
    pub(super) async fn copy(&self, place: Placement, from: &Entry) -> Result<(), StepError> {
        let Some(source) = self.current_copy(from)? else {
            self.dirty.mark(place.path.clone());
            return Ok(());
        };
        let (row, folder) = self.ensure_folder(&place.folder()).await?;
        let mut leaving: Vec<_> =
            self.leaving(&place.path, row, place.replaces.as_ref()).into_iter().collect();
        if self.name_taken()? != NameTaken::Twins {
            self.retire_all(std::mem::take(&mut leaving)).await?;
        }
        let name = place.remote_name();
        let intent = Intent::Copy {
            from: source.url.clone(),
            into: folder,
            name: name.clone(),
            to: place.path.clone(),
        };
        let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
        let mut is_there = false;
        match self.client.copy_files(std::slice::from_ref(&source.url), folder, Some(&name)).await {
            Ok(copied) => match copied.into_iter().next() {
                Some(copied) => {
                    self.confirm_copy(&place, row, source, copied.to, &mut leaving)?;
                    is_there = true;
                }
                None => self.dirty.mark(place.path.clone()),
            },
            Err(error) if super::is_gone(&error) && self.is_folder_gone(folder).await? => {
                if place.folder().is_root() {
                    return Err(error.into());
                }
                self.forget_gone(row, &place.folder())?;
                self.dirty.mark(place.path.clone());
            }
            Err(error) if super::is_gone(&error) => {
                let path = self.state.read(|s| s.path_of(from.folder))?.join(&from.name);
                self.forget_lost(from, &path)?;
                self.dirty.mark(place.path.clone());
            }
            Err(error) if is_refusal(&error) => {
                let what = format!("the service did not copy the file: {error}");
                self.problem(&place.path, &what, "it is tried again by itself")?;
            }
            Err(error) => return Err(error.into()),
        }
        self.state.write(|w| w.resolve(intent))?;
        if is_there { self.retire_all(leaving).await } else { Ok(()) }
    }

    fn confirm_copy(
        &self,
        place: &Placement,
        row: fichier_state::FolderKey,
        source: RemoteCopy,
        url: FileUrl,
        leaving: &mut [super::remove::Leaving],
    ) -> Result<(), StepError> {
        let copy = RemoteCopy {
            url,
            remote_name: other_name(&place.remote_name(), &place.path),
            confirmed_s: self.state.now_s(),
            origin: Origin::Copied,
            unsettled: false,
            ..source
        };
        let entry = self.entry(&place.path, row, &place.seen, Content::File(copy));
        self.state.write(|w| {
            for left in leaving.iter_mut() {
                left.begin(w, self.mirror, self.places.versions)?;
                left.forget(w)?;
            }
            w.put_entry(&entry)?;
            w.clear_problem(self.mirror, &place.path)
        })?;
        self.report(|report| report.copied += 1);
        Ok(())
    }

    /// The copy that the record has now: an earlier step may have moved or replaced it.
    fn current_copy(&self, from: &Entry) -> Result<Option<RemoteCopy>, StepError> {
        let Content::File(planned) = &from.content else { return Ok(None) };
        let size = from.stamp.size_bytes;
        let alike =
            self.state.read(|s| s.with_content(self.mirror, size, &planned.fingerprint, 1))?;
        Ok(alike.into_iter().next().and_then(|entry| entry.remote().cloned()))
    }
}
