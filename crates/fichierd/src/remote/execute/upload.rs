//! Sends a batch of files into the staging folder.
//!
//! A batch costs three calls, however many files it has: node, files, result. The files that have
//! arrived and were verified are then published. A batch that the service refuses as a whole is
//! halved until the file at fault is alone; after a few refusals in a row uploads rest (`nodes`).

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fichier_api::{ErrorKind, MAX_FILE_BYTES, SendError, SentFile, UploadFile, UploadSlot};
use fichier_state::{PendingFile, RelPath, UploadKey, UploadSlotRow, failpoint};
use rclone_formats::crypt::Encryptor;
use tokio::time::Instant;

use super::{Fate, Look};
use crate::base::Fact;
use crate::base::state::blocking;
use crate::base::words::chain;
use crate::disk::at::is_gone;
use crate::disk::seen::{is_unchanged, stamp_of_mark};
use crate::disk::{Enciphered, Length, WRONG_LENGTH_HINT, WrongLength};
use crate::plan::Placement;
use crate::remote::Remote;
use crate::remote::error::{RemoteError, stops_everything};
use crate::remote::execute::Executor;
use crate::remote::habits::Habits;
use crate::remote::nodes::{Refusal, is_refusal};

/// Bytes of the smallest transfer from which the bandwidth is measured: a smaller one tells more
/// about delays.
const MEASURE_FROM_BYTES: u64 = 4 << 20;

/// The outcome of one attempt, if it does not end the cycle.
enum Attempt {
    /// The outcome is on record, as far as it is known.
    Settled,
    /// One file could not be read; these are to be sent without it.
    Without(Vec<Placement>),
    /// The service refused this batch.
    Refused(fichier_api::Error),
    /// Nodes have refused so often that no upload is begun before this time; Unix seconds.
    Resting { until_s: i64 },
}

impl Executor {
    /// Sends `files`, publishes those that arrived, and retires the files that they replaced.
    pub(super) async fn upload(&self, files: Vec<Placement>) -> Result<(), RemoteError> {
        let mut waiting = self.batches(self.remote.within_limit(files)?)?;
        // The whole batch gets a second try with another node before it is halved.
        let mut second_try = true;
        while let Some(files) = waiting.pop_front() {
            let files = self.still_as_seen(files)?;
            if files.is_empty() {
                continue;
            }
            match self.upload_once(&files).await? {
                Attempt::Settled => {}
                Attempt::Without(rest) => waiting.push_front(rest),
                Attempt::Resting { until_s } => return self.remote.uploads_wait(until_s),
                Attempt::Refused(error)
                    if (files.len() == 1 || !is_too_large(&error))
                        && std::mem::take(&mut second_try) =>
                {
                    waiting.push_front(files);
                }
                Attempt::Refused(error) => {
                    if let [file] = files.as_slice() {
                        let hint = "it is tried again by itself";
                        self.remote.problem(&file.path, &chain(&error), hint)?;
                        continue;
                    }
                    // Of two halves one is taken if a single file is at fault: both are tried
                    // before either is halved again.
                    let mut first = files;
                    let second = first.split_off(first.len() / 2);
                    waiting.extend([first, second]);
                }
            }
        }
        self.remote.tell_refusals()
    }

    /// Divides files into as many as a node is known to take at once. After refusals, those that
    /// have been tried alone come last.
    fn batches(&self, mut files: Vec<Placement>) -> Result<VecDeque<Vec<Placement>>, RemoteError> {
        let habits = self.remote.state.read(|s| Habits::read(s))?;
        let mut most = habits.files_per_upload(self.remote.state.now_s());
        if let Some(most_files) = self.remote.nodes()?.most_files {
            most = most.min(most_files);
            let problems = self.remote.state.read(|s| s.problems(Some(self.remote.mirror)))?;
            let tried: HashSet<RelPath> =
                problems.into_iter().map(|problem| problem.path).collect();
            files.sort_by_key(|file| tried.contains(&file.path));
        }
        let mut batches = VecDeque::new();
        while files.len() > most {
            let rest = files.split_off(most);
            batches.push_back(std::mem::replace(&mut files, rest));
        }
        batches.push_back(files);
        Ok(batches)
    }

    /// Makes one attempt to send `files`. It takes one of the slots, and no second one while it has
    /// that: if every attempt held one and waited for another, none would ever go on.
    async fn upload_once(&self, files: &[Placement]) -> Result<Attempt, RemoteError> {
        let Ok(_permit) = self.remote.slots.acquire().await else { return Ok(Attempt::Settled) };
        self.remote.mark_keys().await?;
        failpoint::reached("upload:planned");
        let slot = match self.remote.open_slot().await? {
            Ok(slot) => slot,
            Err(until_s) => return Ok(Attempt::Resting { until_s }),
        };
        failpoint::reached("upload:slot");
        let pending = self.pending_files(files);
        let row = UploadSlotRow { slot: slot.id.clone(), node: slot.node.clone() };
        let key =
            self.remote.state.write(|w| w.begin_upload(self.remote.mirror, &row, &pending))?;
        failpoint::reached("upload:begun");
        let began = Instant::now();
        let progress = Arc::clone(&self.uploads.sent_bytes);
        let bodies = self.bodies(&pending);
        match self
            .remote
            .client
            .send_files(&slot, self.remote.places.incoming, bodies, progress)
            .await
        {
            Ok(sent) => {
                failpoint::reached("upload:replied");
                self.remote.measure(&pending, began.elapsed())?;
                self.remote.record_sent(key, &sent.xid, &sent.files)?;
                self.remote.drop_restless(key, &pending, &sent.files)?;
                self.finish_upload(key, Look::First).await?;
                Ok(Attempt::Settled)
            }
            Err(SendError::File { index, source }) => {
                self.remote.state.write(|w| w.finish_upload(key))?;
                self.remote.unreadable(&files[index].path, &source)?;
                let rest = files.iter().enumerate().filter(|(i, _)| *i != index);
                Ok(Attempt::Without(rest.map(|(_, file)| file.clone()).collect()))
            }
            Err(SendError::Service { error, sent, complete }) => {
                let took_nothing = self.took_nothing(key, &slot, &error, &sent, complete).await?;
                if took_nothing {
                    self.refused(&slot, error, &pending).await
                } else {
                    Ok(Attempt::Settled)
                }
            }
        }
    }

    /// Whether a request that ended with an error has stored nothing: the service is first asked
    /// for the files that it may have (I12). If it has not, the upload is forgotten.
    async fn took_nothing(
        &self,
        key: UploadKey,
        slot: &UploadSlot,
        error: &fichier_api::Error,
        sent: &[SentFile],
        complete: bool,
    ) -> Result<bool, RemoteError> {
        if !complete || refused_whole(error) {
            // The request was cut before its closing boundary, or refused with a page that says so:
            // nothing is stored (C.3, C.6).
            self.remote.state.write(|w| w.finish_upload(key))?;
            return Ok(true);
        }
        self.remote.record_sent(key, &slot.id, sent)?;
        let is_lost = matches!(error.kind, ErrorKind::Unreachable(_));
        let look = if is_lost { Look::First } else { Look::AfterRefusal };
        match self.finish_upload(key, look).await? {
            // The service did answer, and has nothing: there is no reply to wait for.
            Fate::NothingCame { given_up } if !is_lost => {
                if !given_up {
                    self.remote.forget_upload(key)?;
                }
                Ok(true)
            }
            Fate::NothingCame { .. } | Fate::Settled | Fate::Waiting | Fate::GivenUp => Ok(false),
        }
    }

    /// Counts the refusal of an upload that was not stored.
    async fn refused(
        &self,
        slot: &UploadSlot,
        error: fichier_api::Error,
        files: &[PendingFile],
    ) -> Result<Attempt, RemoteError> {
        let words = if let ErrorKind::NodeRefused { status, words } = &error.kind {
            format!("{words} (HTTP {status})")
        } else {
            chain(&error.kind)
        };
        let refusal = Refusal {
            node: &slot.node,
            words: &words,
            files: Some(files.len()),
            bytes: files.iter().map(PendingFile::object_bytes).sum(),
            weight: 1,
        };
        // A connection that breaks while the files are sent may be the node's way to refuse.
        let is_cut = matches!(error.kind, ErrorKind::Unreachable(_));
        if (is_cut || is_refusal(&error)) && self.remote.node_refused(refusal).await? {
            let until_s = self.remote.nodes()?.ends_s(&slot.node);
            return Ok(Attempt::Resting { until_s });
        }
        tracing::debug!(files = files.len(), "an upload was refused: {error}");
        if stops_everything(&error) { Err(error.into()) } else { Ok(Attempt::Refused(error)) }
    }

    /// Leaves out files that have changed or gone since they were found, and marks them for another
    /// look; and files that cannot be read to the length that is announced, so that no upload
    /// begins because of them.
    fn still_as_seen(&self, files: Vec<Placement>) -> Result<Vec<Placement>, RemoteError> {
        let mut same = Vec::with_capacity(files.len());
        for file in files {
            match blocking(|| self.source.check_length(&file.path, &file.seen.stamp)) {
                Ok(Length::AsTold) => same.push(file),
                // What changes all the time is sent as it is read.
                Ok(Length::Changed) if self.source.restless.contains(&file.path) => same.push(file),
                Ok(Length::Changed) => self.remote.look_again(&file.path),
                Ok(Length::Wrong(length)) => {
                    self.remote.problem(&file.path, &length.to_string(), WRONG_LENGTH_HINT)?;
                }
                Err(error) if is_gone(&error) => self.remote.look_again(&file.path),
                // It is something else than a file by now.
                Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                    self.remote.look_again(&file.path);
                }
                Err(error) => self.remote.cannot_be_read(&file.path, &error)?,
            }
        }
        Ok(same)
    }
}

impl Remote {
    fn record_sent(&self, key: UploadKey, xid: &str, sent: &[SentFile]) -> Result<(), RemoteError> {
        let hashes: Vec<_> =
            (0u32..).zip(sent).map(|(seq, file)| (seq, file.whirlpool, file.fingerprint)).collect();
        Ok(self.state.write(|w| w.record_sent(key, xid, &hashes))?)
    }

    /// Drops files that changed while they were read, so that they are not published, unless they
    /// are known to keep changing.
    fn drop_restless(
        &self,
        key: UploadKey,
        pending: &[PendingFile],
        sent: &[SentFile],
    ) -> Result<(), RemoteError> {
        for (file, sent) in pending.iter().zip(sent) {
            let (before, after) = (stamp_of_mark(&sent.at_open), stamp_of_mark(&sent.at_end));
            let is_same = is_unchanged(&file.stamp, &before) && before == after;
            if is_same && sent.at_end_of_file {
                if file.unsettled {
                    self.has_rested(key, file.seq)?;
                }
                continue;
            }
            if is_same && before.size_bytes == file.size_bytes {
                // Nobody wrote to it, and it has more bytes than were announced.
                let length = WrongLength { told: file.size_bytes, is_longer: true };
                self.problem(&file.path, &length.to_string(), WRONG_LENGTH_HINT)?;
            } else {
                self.look_again(&file.path);
                if file.unsettled {
                    continue;
                }
            }
            self.state.write(|w| w.drop_pending(key, file.seq))?;
        }
        Ok(())
    }

    /// Notes that a file which used to change did not while it was read.
    fn has_rested(&self, key: UploadKey, seq: u32) -> Result<(), RemoteError> {
        let files = self.pending(key)?.map(|upload| upload.files).unwrap_or_default();
        let Some(file) = files.into_iter().find(|file| file.seq == seq) else { return Ok(()) };
        let file = PendingFile { unsettled: false, ..file };
        Ok(self.state.write(|w| w.put_pending(key, &file))?)
    }

    /// Marks a file that is not as it was when it was found.
    fn look_again(&self, path: &RelPath) {
        self.dirty.mark(path.clone());
        self.report(|report| {
            report.restless.insert(path.clone());
        });
    }

    /// Leaves out files that are too large for the service (F09), without asking it.
    fn within_limit(&self, files: Vec<Placement>) -> Result<Vec<Placement>, RemoteError> {
        let (within, above): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|file| self.form.object_bytes(file.size_bytes()) <= MAX_FILE_BYTES);
        for file in above {
            self.problem(
                &file.path,
                "the service takes no file above 300 GB",
                "split it, or exclude it",
            )?;
        }
        Ok(within)
    }

    fn unreadable(&self, path: &RelPath, source: &std::io::Error) -> Result<(), RemoteError> {
        use std::io::ErrorKind::{NotFound, UnexpectedEof};
        if matches!(source.kind(), NotFound | UnexpectedEof) {
            // The file was removed or shortened while it was read: it is looked at again.
            self.look_again(path);
            return Ok(());
        }
        self.cannot_be_read(path, source)
    }

    /// Notes the problem of a file that cannot be read.
    pub(crate) fn cannot_be_read(
        &self,
        path: &RelPath,
        error: &std::io::Error,
    ) -> Result<(), RemoteError> {
        self.problem(
            path,
            &format!("cannot be read: {error}"),
            "check its permissions and the disk; it is tried again by itself",
        )
    }

    /// Keeps a running mean of the bandwidth, which bounds the batches to come.
    fn measure(&self, pending: &[PendingFile], took: Duration) -> Result<(), RemoteError> {
        let bytes: u64 = pending.iter().map(PendingFile::object_bytes).sum();
        if bytes < MEASURE_FROM_BYTES {
            return Ok(());
        }
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let now = bytes.saturating_mul(1000) / millis;
        let before = self.state.read(|s| BANDWIDTH.read(s))?;
        let mean = before.map_or(now, |before| (before.saturating_mul(3) + now) / 4);
        Ok(self.state.write(|w| BANDWIDTH.keep(w, &mean))?)
    }
}

impl Executor {
    fn bodies(&self, pending: &[PendingFile]) -> Vec<UploadFile> {
        let body = |file: &PendingFile| {
            let (scanner, path) = (Arc::clone(&self.source.scanner), file.path.clone());
            let open = move || {
                failpoint::reached("upload:opens");
                scanner.open_file(&path)
            };
            let (name, plain_bytes) = (file.sent_as.clone(), file.size_bytes);
            match (self.remote.form.crypt(), &file.cipher) {
                (Some(crypt), Some(cipher)) => {
                    let (keys, nonce) = (crypt.keys().clone(), cipher.nonce());
                    let open = move || {
                        // Not before its turn: it holds a block, and an upload has many files.
                        let encryptor = Encryptor::new(&keys, nonce);
                        Ok(Enciphered::new(open()?, plain_bytes, encryptor))
                    };
                    UploadFile::new(name, file.object_bytes(), open)
                }
                _ => UploadFile::new(name, plain_bytes, open),
            }
        };
        pending.iter().map(body).collect()
    }

    /// Rows for the files of one upload. Names in one upload are unique: a file whose name is in it
    /// already is sent under a temporary name and gets its own before it is published.
    fn pending_files(&self, files: &[Placement]) -> Vec<PendingFile> {
        let form = &self.remote.form;
        let mut taken = HashSet::new();
        let mut rows = Vec::with_capacity(files.len());
        for (seq, file) in (0u32..).zip(files) {
            let name = form.file_name(file.path.name());
            let sent_as = if taken.insert(name.clone()) {
                name.clone()
            } else {
                super::relocate::temporary_name(&self.remote.random)
            };
            rows.push(PendingFile {
                seq,
                path: file.path.clone(),
                sent_as,
                name,
                stamp: file.seen.stamp,
                metadata: file.seen.metadata.clone(),
                size_bytes: file.size_bytes(),
                whirlpool: None,
                fingerprint: None,
                url: None,
                unsettled: self.source.restless.contains(&file.path),
                cipher: form.new_cipher(),
            });
        }
        rows
    }
}

/// The measured bandwidth, in bytes a second.
pub(crate) const BANDWIDTH: Fact<u64> = Fact::named("bandwidth");

/// Whether the node said that the request is too large: another node would hardly take it.
fn is_too_large(error: &fichier_api::Error) -> bool {
    matches!(error.kind, ErrorKind::NodeRefused { status: 413, .. })
}

/// Whether the node said that it took nothing (C.3): then there is no doubt, whatever the reply's
/// form.
fn refused_whole(error: &fichier_api::Error) -> bool {
    matches!(error.kind, ErrorKind::NodeStorage | ErrorKind::NoFileInUpload)
}
