//! Makes a second file with content that the service has already: one call, no bytes.

use fichier_api::FileUrl;
use fichier_state::{Content, Entry, Intent, NOT_CONFIRMED, Origin, RemoteCopy};

use super::records::other_name;
use crate::plan::Placement;
use crate::remote::Remote;
use crate::remote::bring::is_refusal;
use crate::remote::error::{RemoteError, is_gone};
use crate::remote::execute::Executor;
use crate::remote::habits::NameTaken;
use crate::remote::unconfirmed;

impl Executor {
    /// Copies the remote file of `from` to the path of `place`.
    ///
    /// The new record inherits the hash, and records that no listing has confirmed it yet.
    pub(super) async fn copy(&self, place: Placement, from: &Entry) -> Result<(), RemoteError> {
        let Some(source) = self.remote.current_copy(from)? else {
            self.remote.dirty.mark(place.path.clone());
            return Ok(());
        };
        let (row, folder) = self.remote.ensure_folder(&place.folder()).await?;
        let mut leaving: Vec<_> =
            self.remote.leaving(&place.path, row, place.replaces.as_ref()).into_iter().collect();
        if self.remote.name_taken()? != Some(NameTaken::Twins)
            && !self.remote.make_room(std::mem::take(&mut leaving)).await?.is_empty()
        {
            return Ok(());
        }
        let name = self.remote.form.file_name(place.path.name());
        let intent = Intent::Copy {
            from: source.url.clone(),
            into: folder,
            name: name.clone(),
            to: place.path.clone(),
        };
        let intent = self.remote.state.write(|w| w.begin(self.remote.mirror, &intent))?;
        let mut is_there = false;
        match self
            .remote
            .client
            .copy_files(std::slice::from_ref(&source.url), folder, Some(&name))
            .await
        {
            Ok(copied) => match copied.into_iter().next() {
                Some(copied) => {
                    self.confirm_copy(&place, row, source, copied.to, &mut leaving)?;
                    is_there = true;
                }
                // OK without a link: the copy may be there, and another one would double it (I12).
                None => {
                    return self
                        .remote
                        .finish_copy(intent, &source.url, folder, &name, &place.path)
                        .await;
                }
            },
            Err(error) if is_gone(&error) && self.remote.is_folder_gone(folder).await? => {
                if place.folder().is_root() {
                    return Err(error.into());
                }
                self.remote.forget_gone(row, &place.folder())?;
                self.remote.dirty.mark(place.path.clone());
            }
            // The service may deny what it has: then the file is not sent again beside its copy.
            Err(error) if is_gone(&error) && self.remote.is_lost(&source.url).await? => {
                let path = self.remote.state.read(|s| s.path_of(from.folder))?.join(&from.name);
                self.remote.forget_lost(from, &path)?;
                self.remote.dirty.mark(place.path.clone());
            }
            Err(error) if is_gone(&error) || is_refusal(&error) => {
                let what = format!("the service did not copy the file: {error}");
                self.remote.problem(&place.path, &what, "it is tried again by itself")?;
            }
            Err(error) => return Err(error.into()),
        }
        self.remote.state.write(|w| w.resolve(intent))?;
        if is_there { self.remote.retire_all(leaving).await } else { Ok(()) }
    }

    fn confirm_copy(
        &self,
        place: &Placement,
        row: fichier_state::FolderKey,
        source: RemoteCopy,
        url: FileUrl,
        leaving: &mut [super::remove::Leaving],
    ) -> Result<(), RemoteError> {
        // A copy of a file that is not confirmed is not either.
        let is_confirmed = source.is_confirmed();
        let confirmed_s = if is_confirmed { self.remote.state.now_s() } else { NOT_CONFIRMED };
        let copy = RemoteCopy {
            url,
            remote_name: other_name(&self.remote.form.file_name(place.path.name()), &place.path),
            confirmed_s,
            origin: Origin::Copied,
            unsettled: false,
            ..source
        };
        let entry = self.source.entry(&place.path, row, &place.seen, Content::File(copy));
        self.remote.state.write(|w| {
            for left in leaving.iter_mut() {
                left.begin(w, self.remote.mirror, self.remote.places.retired_to())?;
                left.forget(w)?;
            }
            w.put_entry(&entry)?;
            if !is_confirmed {
                unconfirmed::may_be_there(w, self.remote.mirror)?;
            }
            w.clear_problem(self.remote.mirror, &place.path)
        })?;
        self.remote.report(|report| report.copied += 1);
        Ok(())
    }
}

impl Remote {
    /// The copy that is on record now: an earlier step may have moved or replaced it.
    fn current_copy(&self, from: &Entry) -> Result<Option<RemoteCopy>, RemoteError> {
        let Content::File(planned) = &from.content else { return Ok(None) };
        let size = from.stamp.size_bytes;
        let alike =
            self.state.read(|s| s.with_content(self.mirror, size, &planned.fingerprint, 1))?;
        Ok(alike.into_iter().next().and_then(|entry| entry.remote().cloned()))
    }
}
