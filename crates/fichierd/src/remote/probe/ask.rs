//! The questions of the probe, one after the other; each uses the files and folders of those
//! before.
//!
//! Files are told apart by their sizes, which are all different: links may change.

use std::collections::BTreeSet;
use std::io::{Seek, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fichier_api::names::RemoteName;
use fichier_api::{
    Client, ErrorKind, FileUrl, FolderId, FolderListing, MAX_LINKS_PER_CALL, RemoteFile, SendError,
    UploadFile, UploadResult, UploadSlot, UploadedFile,
};

use super::clean::{PREFIX, is_refused};
use super::{Found, Probe, ProbeError};
use crate::remote::error::is_gone;
use crate::remote::habits::{
    By, Download, FolderTaken, FullFolder, Habits, Learnt, LinkAfterMove, NameTaken, RemoveUnknown,
};

/// Files besides those that are moved together: one is moved alone, one onto a name in use.
const ALONE: usize = 2;
/// The size of the first file in bytes; each later one is a byte longer.
const SMALLEST: u64 = 64;

/// The pause between two looks at something that may come yet.
pub(super) const POLL: Duration = Duration::from_secs(15);
pub(super) const POLLS: u32 = 20;
/// Listings, each 30 s after the one before, after which the probe no longer waits for a change to
/// show.
const LISTINGS: u32 = 6;

impl Probe<'_> {
    /// Asks all questions. The answers before an error are kept in what was found.
    pub(super) async fn ask(
        &self,
        scratch: FolderId,
        Found { habits, said, .. }: &mut Found,
    ) -> Result<(), ProbeError> {
        (self.say)("making folders");
        let from = self.make(scratch, "probe-from").await?;
        self.ask_folder_names(scratch, from, habits).await?;
        let into = self.make(scratch, "probe-into").await?;
        (self.say)("sending 102 tiny files");
        let sent = Instant::now();
        let files: Vec<_> = (0..ALONE + MAX_LINKS_PER_CALL)
            .map(|n| (RemoteName::encode(name_of(n).as_bytes()), SMALLEST + n as u64))
            .collect();
        self.send(from, &files, POLLS).await?;
        let all = self.listed(from, ALONE + MAX_LINKS_PER_CALL, sent).await?;
        let Some((files, lag_s)) = all else { return Ok(()) };
        habits.upload_lag_s = self.learnt(lag_s);
        (self.say)("moving files");
        self.ask_one_move(&files, into, sent, habits).await?;
        self.ask_batch(&files, from, into, habits).await?;
        self.ask_name_taken(from, into, habits).await?;
        self.ask_download(into, habits).await?;
        self.ask_removals(into, habits).await?;
        self.try_names(scratch, said).await
    }

    fn learnt<T>(&self, is: T) -> Option<Learnt<T>> {
        Some(Learnt { is, at_s: self.now_s, by: By::Probe })
    }

    pub(super) async fn make(&self, parent: FolderId, name: &str) -> Result<FolderId, ProbeError> {
        Ok(self.client.make_folder(parent, &RemoteName::encode(name.as_bytes())).await?.id)
    }

    async fn ask_folder_names(
        &self,
        scratch: FolderId,
        first: FolderId,
        habits: &mut Habits,
    ) -> Result<(), ProbeError> {
        let taken = match self.make(scratch, "probe-from").await {
            Ok(id) if id == first => FolderTaken::Existing,
            Ok(_) => FolderTaken::Twins,
            Err(ProbeError::Api(error)) if matches!(error.kind, ErrorKind::NameTaken { .. }) => {
                FolderTaken::Refused
            }
            Err(error) => return Err(error),
        };
        habits.folder_taken = self.learnt(taken);
        if taken == FolderTaken::Twins {
            // `mkdir` makes a second folder anyway, so a name in capital letters would tell
            // nothing.
            return Ok(());
        }
        let is_one = match self.make(scratch, "PROBE-FROM").await {
            Ok(id) => id == first,
            Err(ProbeError::Api(error)) if matches!(error.kind, ErrorKind::NameTaken { .. }) => {
                true
            }
            Err(error) => return Err(error),
        };
        habits.folders_fold_case = self.learnt(is_one);
        Ok(())
    }

    /// Sends files of these names and sizes, and asks `polls` times for the result.
    pub(super) async fn send(
        &self,
        folder: FolderId,
        files: &[(RemoteName, u64)],
        polls: u32,
    ) -> Result<Vec<UploadedFile>, ProbeError> {
        let (slot, xid) = self.hand_over(self.client, folder, files).await?;
        for _ in 0..polls {
            match self.client.upload_result(&slot, Some(&xid)).await? {
                UploadResult::Ready(stored) => return Ok(stored),
                UploadResult::BeingScanned | UploadResult::Nothing | UploadResult::Unclear(_) => {
                    self.wait(POLL).await
                }
            }
        }
        Ok(Vec::new())
    }

    /// Sends files of these names and sizes with the key of `sender`.
    pub(super) async fn hand_over(
        &self,
        sender: &Client,
        folder: FolderId,
        files: &[(RemoteName, u64)],
    ) -> Result<(UploadSlot, String), ProbeError> {
        let files = files.iter().map(|(name, size_bytes)| {
            let mut file = tempfile::tempfile()?;
            file.write_all(&vec![b'p'; usize::try_from(*size_bytes).unwrap_or_default()])?;
            file.rewind()?;
            let file = UploadFile::new(name.clone(), *size_bytes, move || Ok(file));
            Ok(UploadFile { is_trial: *size_bytes == 0, ..file })
        });
        let files = files.collect::<std::io::Result<Vec<_>>>().map_err(ProbeError::Files)?;
        let slot = self.client.open_upload().await?;
        match sender.send_files(&slot, folder, files, Arc::default()).await {
            Ok(sent) => Ok((slot, sent.xid)),
            Err(SendError::File { source, .. }) => Err(ProbeError::Files(source)),
            Err(SendError::Service { error, .. }) => Err(error.into()),
        }
    }

    /// The files of a folder once it shows `count` of ours, and how many seconds that took since
    /// `since`.
    async fn listed(
        &self,
        folder: FolderId,
        count: usize,
        since: Instant,
    ) -> Result<Option<(Vec<RemoteFile>, u64)>, ProbeError> {
        for n in 0..LISTINGS {
            let listing = self.client.list_folder(folder).await?;
            let files = ours(&listing);
            if files.len() >= count {
                // With the first look there was nothing to wait for.
                return Ok(Some((files, if n == 0 { 0 } else { self.since_s(since) })));
            }
        }
        Ok(None)
    }

    /// Asks whether the link of a new file works, and whether a move changes it.
    async fn ask_one_move(
        &self,
        files: &[RemoteFile],
        into: FolderId,
        sent: Instant,
        habits: &mut Habits,
    ) -> Result<(), ProbeError> {
        let Some(file) = files.iter().find(|file| file.size_bytes == SMALLEST) else {
            return Ok(());
        };
        for n in 0..POLLS {
            match self.client.move_files(std::slice::from_ref(&file.url), into).await {
                Ok(outcome) if !outcome.done.is_empty() => {
                    let is_new = outcome.new_urls.contains_key(&file.url);
                    let link = if is_new { LinkAfterMove::New } else { LinkAfterMove::Kept };
                    habits.link_after_move = self.learnt(link);
                    habits.link_lag_s = self.learnt(if n == 0 { 0 } else { self.since_s(sent) });
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error.into()),
            }
            self.wait(POLL).await;
        }
        Ok(())
    }

    /// Asks how many links one call carries out, and when a listing shows the result.
    async fn ask_batch(
        &self,
        files: &[RemoteFile],
        from: FolderId,
        into: FolderId,
        habits: &mut Habits,
    ) -> Result<(), ProbeError> {
        let batch = files.iter().filter(|file| file.size_bytes >= SMALLEST + ALONE as u64);
        let batch: Vec<(FileUrl, u64)> =
            batch.map(|file| (file.url.clone(), file.size_bytes)).collect();
        // The most links that are known to be taken, and the fewest that are known to be refused.
        let (mut taken, mut refused) = (0, batch.len() + 1);
        let (mut at_once, mut there) = (batch.len(), into);
        while at_once > taken {
            let asked: Vec<FileUrl> =
                batch.iter().take(at_once).map(|(url, _)| url.clone()).collect();
            let begun = Instant::now();
            match self.client.move_files(&asked, there).await {
                Ok(outcome) if outcome.done.is_empty() => {
                    // Links that change cannot be told apart in a reply: a listing counts them.
                    taken = self.arrived(from, into, at_once).await?;
                    break;
                }
                Ok(outcome) => {
                    taken = outcome.done.len();
                    let moved = batch.iter().filter(|(url, _)| outcome.done.contains(url));
                    let sizes = moved.map(|(_, size)| *size).collect();
                    if habits.move_lag_s.is_none() {
                        habits.move_lag_s = self.shown(there, &sizes, begun).await?;
                    }
                    if taken < at_once {
                        break;
                    }
                    // The next call moves those that were taken back.
                    there = if there == into { from } else { into };
                }
                Err(error) if is_refused(&error) => refused = at_once,
                Err(error) => return Err(error.into()),
            }
            at_once = taken.midpoint(refused);
        }
        habits.batch = (taken > 0).then_some(taken).and_then(|taken| self.learnt(taken));
        Ok(())
    }

    /// How many seconds it takes until a folder shows files of these sizes.
    async fn shown(
        &self,
        folder: FolderId,
        sizes: &BTreeSet<u64>,
        since: Instant,
    ) -> Result<Option<Learnt<u64>>, ProbeError> {
        for n in 0..LISTINGS {
            let there = ours(&self.client.list_folder(folder).await?);
            let there: BTreeSet<u64> = there.iter().map(|file| file.size_bytes).collect();
            if sizes.is_subset(&there) {
                return Ok(self.learnt(if n == 0 { 0 } else { self.since_s(since) }));
            }
        }
        Ok(None)
    }

    /// How many files of a batch have arrived, where no reply tells: they have left the other
    /// folder.
    async fn arrived(
        &self,
        from: FolderId,
        into: FolderId,
        at_once: usize,
    ) -> Result<usize, ProbeError> {
        let (mut before, mut count) = (0, 0);
        for _ in 0..LISTINGS {
            let there = ours(&self.client.list_folder(into).await?);
            count = there.len().saturating_sub(1);
            if count >= at_once || count > 0 && count == before {
                break;
            }
            before = count;
        }
        let left = ours(&self.client.list_folder(from).await?).len();
        // Both listings must agree; else nothing is known.
        Ok(if count + left >= at_once { count } else { 0 })
    }

    async fn ask_name_taken(
        &self,
        from: FolderId,
        into: FolderId,
        habits: &mut Habits,
    ) -> Result<(), ProbeError> {
        (self.say)("moving a file onto a name in use");
        let (first, second) = (SMALLEST, SMALLEST + 1);
        let there = ours(&self.client.list_folder(from).await?);
        let Some(file) = there.into_iter().find(|file| file.size_bytes == second) else {
            return Ok(());
        };
        let name = RemoteName::encode(name_of(0).as_bytes());
        let renamed = self.client.rename_files(&[(file.url.clone(), name.clone())]).await?;
        if renamed.done.is_empty() {
            return Ok(());
        }
        let moved = match self.client.move_files(std::slice::from_ref(&file.url), into).await {
            Ok(outcome) => !outcome.done.is_empty(),
            Err(error) if is_refused(&error) => false,
            Err(error) => return Err(error.into()),
        };
        for _ in 0..LISTINGS {
            let listing = self.client.list_folder(into).await?;
            let named: BTreeSet<u64> = (listing.files.iter())
                .filter(|file| file.name == name)
                .map(|file| file.size_bytes)
                .collect();
            let is_there = listing.files.iter().any(|file| file.size_bytes == second);
            let found = match (named.contains(&first), named.contains(&second), is_there) {
                (true, true, _) => NameTaken::Twins,
                (true, false, true) => NameTaken::Renamed,
                (false, true, _) => NameTaken::Overwritten,
                (true, false, false) if !moved => NameTaken::Refused,
                (true | false, false, _) => continue,
            };
            habits.name_taken = self.learnt(found);
            break;
        }
        Ok(())
    }

    async fn ask_download(&self, into: FolderId, habits: &mut Habits) -> Result<(), ProbeError> {
        (self.say)("downloading a file");
        let there = ours(&self.client.list_folder(into).await?);
        let Some(file) = there.first() else { return Ok(()) };
        let came = self.client.download(&file.url, None, &mut tokio::io::sink()).await;
        let download = match came {
            Ok(_) => Download::Served,
            Err(error) if matches!(error.kind, ErrorKind::AddressRefused) => Download::NeedsCredits,
            // Another download runs elsewhere, or this one broke off: nothing is learnt.
            Err(_) => return Ok(()),
        };
        habits.download = self.learnt(download);
        Ok(())
    }

    async fn ask_removals(&self, into: FolderId, habits: &mut Habits) -> Result<(), ProbeError> {
        (self.say)("removing files and folders");
        let full = match self.client.remove_folder(into).await {
            Err(error) if is_refused(&error) => FullFolder::Refused,
            Err(error) => return Err(error.into()),
            Ok(()) => FullFolder::Removed,
        };
        habits.full_folder = self.learnt(full);
        if full == FullFolder::Removed {
            // No link is left that was good once.
            return Ok(());
        }
        let there = ours(&self.client.list_folder(into).await?);
        let link: Vec<FileUrl> = there.into_iter().take(1).map(|file| file.url).collect();
        if self.client.remove_files(&link).await?.done.is_empty() {
            return Ok(());
        }
        // The client reports a single link that the service calls unknown as done.
        let again = self.client.remove_files(&link).await?;
        let unknown = match again.done.is_empty() {
            true => RemoveUnknown::LeftOut,
            false => RemoveUnknown::NotFound,
        };
        habits.remove_unknown = self.learnt(unknown);
        Ok(())
    }
}

fn name_of(n: usize) -> String {
    format!("{PREFIX}{n:03}.txt")
}

fn ours(listing: &FolderListing) -> Vec<RemoteFile> {
    let files = listing.files.iter();
    files.filter(|file| file.name.as_str().starts_with(PREFIX)).cloned().collect()
}
