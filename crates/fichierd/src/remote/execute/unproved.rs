//! Files of an upload that are in the staging folder, and whose hashes the service does not tell.
//!
//! They are waited for; then the service is asked for a few of them by their links. If it does not
//! tell the hashes either, small files are downloaded and compared, so many in an hour. The others
//! take their places, and their records say that they are not confirmed until the audit, or a later
//! download, has compared them.

use std::collections::{HashMap, HashSet};

use fichier_api::FileUrl;
use fichier_api::names::RemoteName;
use fichier_state::PendingUpload;

use super::arrive::Seen;
use super::waiting;
use crate::remote::Remote;
use crate::remote::error::{RemoteError, stops_everything};
use crate::remote::unconfirmed::{self, Downloaded, PROVED_UP_TO};

/// Files of one upload that are asked for by link, in one look: many such calls lead to a lock
/// (A.5).
const MOST_ASKED: usize = 5;

impl Remote {
    /// Leaves out files without a hash that the node has not told, and that may be others: another
    /// upload has a file of that name and size too, or more of them are there than were sent, such
    /// as one that changed while it was read. `alike` counts those that are there.
    pub(super) fn only_ours(
        &self,
        upload: &PendingUpload,
        unproved: &[(u32, FileUrl)],
        seen: &Seen,
        alike: &HashMap<(RemoteName, u64), usize>,
    ) -> Result<Vec<(u32, FileUrl)>, RemoteError> {
        let uploads = self.state.read(|s| s.uploads(self.mirror))?;
        let others = uploads.iter().filter(|other| other.key != upload.key);
        let others: HashSet<_> = others
            .flat_map(|other| &other.files)
            .map(|file| (file.sent_as.clone(), file.object_bytes()))
            .collect();
        let is_ours = |(seq, url): &&(u32, FileUrl)| {
            let file = upload.files.iter().find(|file| file.seq == *seq);
            let is_alone =
                file.map(|file| (file.sent_as.clone(), file.object_bytes())).is_some_and(|name| {
                    !others.contains(&name) && alike.get(&name).is_none_or(|count| *count <= 1)
                });
            seen.links.contains(url) || is_alone
        };
        Ok(unproved.iter().filter(is_ours).cloned().collect())
    }

    /// Asks for the hashes of a few files by their links. If the service does not tell these either,
    /// small files are downloaded and compared. The others count as arrived, and their hashes as not
    /// confirmed: the audit confirms them, or a later download.
    pub(super) async fn prove(
        &self,
        upload: &PendingUpload,
        seen: &mut Seen,
    ) -> Result<(), RemoteError> {
        let (mut proved, mut told_other) = (Vec::new(), HashSet::new());
        for (seq, url) in seen.unproved.iter().take(MOST_ASKED) {
            let told = match self.client.file_info(url).await {
                Ok(told) => told.whirlpool,
                Err(error) if stops_everything(&error) => return Err(error.into()),
                Err(_) => return Ok(()),
            };
            let Some(told) = told else { break };
            let sent = upload.files.iter().find(|file| file.seq == *seq);
            if sent.is_some_and(|sent| sent.whirlpool == Some(told)) {
                proved.push((*seq, url.clone()));
            } else {
                told_other.insert(*seq);
            }
        }
        self.state.write(|w| w.record_arrived(upload.key, &proved))?;
        seen.unproved.retain(|(seq, _)| proved.iter().all(|(other, _)| other != seq));
        self.download_untold(upload, seen, &mut told_other).await?;
        // What was told another hash waits for the listing.
        let (other, untold): (Vec<_>, Vec<_>) = std::mem::take(&mut seen.unproved)
            .into_iter()
            .partition(|(seq, _)| told_other.contains(seq));
        seen.unproved = untold;
        self.take_unproved(upload, seen)?;
        seen.unproved.extend(other);
        Ok(())
    }

    /// Downloads the small files whose hashes are not told, as far as that is allowed now. Those that
    /// came as they were sent are recorded as arrived.
    async fn download_untold(
        &self,
        upload: &PendingUpload,
        seen: &mut Seen,
        told_other: &mut HashSet<u32>,
    ) -> Result<(), RemoteError> {
        for (seq, url) in seen.unproved.clone() {
            let sent = upload.files.iter().find(|file| file.seq == seq);
            let sent = sent.filter(|sent| sent.object_bytes() <= PROVED_UP_TO);
            let Some((sent, hash)) = sent.and_then(|sent| Some((sent, sent.whirlpool?))) else {
                continue;
            };
            if told_other.contains(&seq) {
                continue;
            }
            match self.prove_by_download(&url, sent.object_bytes(), hash).await? {
                Downloaded::Same => {
                    self.state.write(|w| w.record_arrived(upload.key, &[(seq, url)]))?;
                    seen.unproved.retain(|(other, _)| *other != seq);
                }
                Downloaded::Other => {
                    told_other.insert(seq);
                    self.problem(
                        &sent.path,
                        "1fichier tells no hash of it and gave other bytes back than were sent",
                        "it is not counted as safe, and downloaded again later; to send it again, \
                         change it",
                    )?;
                }
                Downloaded::NotNow => break,
            }
        }
        Ok(())
    }

    fn take_unproved(&self, upload: &PendingUpload, seen: &mut Seen) -> Result<(), RemoteError> {
        let (taken, doubted): (Vec<_>, Vec<_>) =
            std::mem::take(&mut seen.unproved).into_iter().partition(|(seq, url)| {
                let is_doubted = seen.doubts.iter().any(|(other, _)| other == url);
                !is_doubted && self.may_go_unproved(upload, *seq).unwrap_or(false)
            });
        seen.unproved = doubted;
        if taken.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            files = taken.len(),
            "1fichier does not tell the hashes of files that were sent; they are not counted as \
             safe until it does, or until a download has proved them"
        );
        Ok(self.state.write(|w| {
            unconfirmed::may_be_there(w, self.mirror)?;
            waiting::change(w, self.mirror, upload.key, |note| {
                note.unproved.extend(taken.iter().map(|(seq, _)| *seq));
            })?;
            w.record_arrived(upload.key, &taken)
        })?)
    }

    /// Whether a file may take its place before its hash is confirmed: not if the one that it
    /// replaces would be removed for good (I4).
    fn may_go_unproved(&self, upload: &PendingUpload, seq: u32) -> Result<bool, RemoteError> {
        if self.keep_versions {
            return Ok(true);
        }
        let Some(file) = upload.files.iter().find(|file| file.seq == seq) else { return Ok(false) };
        let Some(folder) = self.folder_of(&file.path)? else { return Ok(true) };
        Ok(self.state.read(|s| s.entry(folder, file.path.name()))?.is_none())
    }
}
