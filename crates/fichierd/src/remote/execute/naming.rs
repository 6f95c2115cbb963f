//! Compares the names that the service stored with those that were sent.
//!
//! A service may compose, cut or escape a name. A file that has another name than it was sent
//! under is renamed once; then it is recorded under the name that it has, so that later looks and
//! a walk without records find it.

use fichier_api::FileUrl;
use fichier_api::names::RemoteName;
use fichier_state::{PendingFile, PendingUpload};

use crate::remote::Remote;
use crate::remote::bring::is_refusal;
use crate::remote::error::RemoteError;

impl Remote {
    /// Gives files in the staging folder the names that they were sent under, once, and records the
    /// names that they then have. Costs a call or more and a listing, if there are such files.
    pub(super) async fn name_as_sent(
        &self,
        upload: &PendingUpload,
        misnamed: &[(u32, FileUrl, RemoteName)],
    ) -> Result<(), RemoteError> {
        let mut wanted = Vec::new();
        for (seq, url, name) in misnamed {
            let Some(file) = upload.files.iter().find(|file| file.seq == *seq) else { continue };
            if self.is_known_as(file, name)? {
                self.record_name(upload, file, name)?;
            } else {
                wanted.push((file, url, name));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let names: Vec<(FileUrl, RemoteName)> =
            wanted.iter().map(|(file, url, _)| ((*url).clone(), file.sent_as.clone())).collect();
        for chunk in names.chunks(self.links_per_call()?) {
            match self.client.rename_files(chunk).await {
                Ok(_) => {}
                Err(error) if is_refusal(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let staged = self.staged().await?;
        for (file, url, before) in wanted {
            let now = staged.iter().find(|found| found.url == *url).map(|found| &found.name);
            let now = now.unwrap_or(before);
            if *now != file.sent_as {
                tracing::warn!(path = %file.path, "1fichier keeps `{}` as `{}`",
                    file.path, now.as_str());
                self.record_name(upload, file, now)?;
            }
        }
        Ok(())
    }

    /// Whether the copy on record of the same path has this name too: then the service is known to
    /// change it so.
    fn is_known_as(&self, file: &PendingFile, name: &RemoteName) -> Result<bool, RemoteError> {
        let Some(folder) = self.folder_of(&file.path)? else { return Ok(false) };
        let entry = self.state.read(|s| s.entry(folder, file.path.name()))?;
        Ok(entry.is_some_and(|entry| entry.remote().is_some() && entry.remote_name() == *name))
    }

    fn record_name(
        &self,
        upload: &PendingUpload,
        file: &PendingFile,
        name: &RemoteName,
    ) -> Result<(), RemoteError> {
        // A file with a temporary name gets its own one when it is in its place.
        let is_temporary = file.sent_as != file.name;
        let Some(now) = self.pending(upload.key)? else { return Ok(()) };
        let is_free = now.files.iter().all(|other| other.sent_as != *name);
        let Some(file) = now.files.into_iter().find(|other| other.seq == file.seq) else {
            return Ok(());
        };
        // Two files of one upload cannot be told apart by one name: the second one keeps the name
        // under which it was sent in its record.
        let sent_as = if is_free { name.clone() } else { file.sent_as.clone() };
        let name = if is_temporary { file.name.clone() } else { name.clone() };
        let file = PendingFile { name, sent_as, ..file };
        Ok(self.state.write(|w| w.put_pending(upload.key, &file))?)
    }
}
