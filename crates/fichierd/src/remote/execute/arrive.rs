//! Finds out whether an upload arrived, by one piece of code for the usual case, a lost reply and a
//! crash (I12).
//!
//! The node is asked first (`end.pl`), then the staging folder is listed; only files that neither
//! shows are sent again. Files that arrived are matched by name, size and hash, never by order.

use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_api::{ErrorKind, FileUrl, MAX_LINKS_PER_CALL, UploadResult, UploadSlot, Whirlpool};
use fichier_state::{
    Intent, IntentId, MirrorId, PendingFile, PendingUpload, UploadKey, Writing, failpoint,
};

use super::Leaving;
use super::delivery::{Delivery, DeliveryVerdict, Heard, Todo};
use crate::base::Fact;
use crate::base::state::blocking;
use crate::base::words::counted;
use crate::disk::hash::hash_file;
use crate::disk::seen::is_unchanged;
use crate::remote::error::{RemoteError, stops_everything};
use crate::remote::execute::Executor;
use crate::remote::target::orphan;
use crate::remote::{Remote, ledger};

/// How long a stored file may be missing from listings (C.5 says about two minutes); after that it
/// is sent again.
const VISIBLE_WITHIN: Duration = Duration::from_secs(180);

/// When what was sent at `since_s` is given up and sent again; Unix seconds, with the waiting times
/// of the service divided by `time_scale`.
pub(crate) fn given_up_at_s(since_s: i64, time_scale: u32) -> i64 {
    let wait = VISIBLE_WITHIN / time_scale.max(1);
    // The time is recorded in whole seconds: the first of them may have been almost past.
    since_s.saturating_add(i64::try_from(wait.as_secs()).unwrap_or(0) + 1)
}

/// A remote file that may be one of ours, as `end.pl` or a listing describes it.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The file's link.
    pub url: FileUrl,
    /// The file's name as stored.
    pub name: RemoteName,
    /// The file's size.
    pub size_bytes: u64,
    /// The file's hash, if it was told.
    pub whirlpool: Option<Whirlpool>,
}

impl Executor {
    /// Finds out the outcome of an upload, publishes the files that arrived, and forgets the
    /// others.
    ///
    /// The decisions are made in `delivery`; an upload that is still being scanned stays pending.
    ///
    /// # Errors
    ///
    /// An error that stops the cycle; the upload stays pending then too.
    pub(crate) async fn finish_upload(&self, key: UploadKey) -> Result<Fate, RemoteError> {
        let Some(mut upload) = self.remote.pending(key)? else { return Ok(Fate::Settled) };
        self.hash_unknown(&mut upload)?;
        let files = upload.files.len();
        let (mut delivery, mut todo) = Delivery::begin(files, open_files(&upload));
        loop {
            let heard = match todo {
                Todo::AskNode { after } => {
                    if !after.is_zero() {
                        tokio::time::sleep(after / self.remote.client.pacer().time_scale()).await;
                    }
                    self.remote.ask_node(&upload).await?
                }
                Todo::List => {
                    if let Some(upload) = self.remote.pending(key)? {
                        // Other uploads have files there too, so files that do not match are not
                        // judged here: `finish` does that, when nothing else is under way.
                        let listed = self.remote.staged().await?;
                        let arrived = self.remote.matched(&upload, listed)?.arrived;
                        self.remote.state.write(|w| w.record_arrived(key, &arrived))?;
                    }
                    Heard::Listed
                }
                Todo::Publish => {
                    failpoint::reached("upload:arrived");
                    self.publish(key).await?;
                    let Some(left) = self.remote.pending(key)? else { return Ok(Fate::Settled) };
                    let missing = open_files(&left);
                    let arrived = left.files.len() - missing;
                    Heard::Published {
                        arrived,
                        missing,
                        is_young: self.remote.is_young(left.since_s),
                    }
                }
                Todo::End(verdict) => return self.remote.conclude(key, verdict),
            };
            todo = delivery.next(heard);
            if delivery.goes_on_untold(todo) {
                self.remote.expect_leftovers(upload.since_s)?;
            }
            if heard == Heard::Scanning && matches!(todo, Todo::End(_)) {
                tracing::info!(
                    files,
                    "the service is still scanning an upload of {}; looking again later",
                    counted(files as u64, "file")
                );
            }
        }
    }

    /// Hashes local files whose hashes are missing after a crash, if they have not changed since
    /// they were sent.
    fn hash_unknown(&self, upload: &mut PendingUpload) -> Result<(), RemoteError> {
        let mut hashes = Vec::new();
        for file in upload.files.iter_mut().filter(|file| file.whirlpool.is_none()) {
            let Ok(local) = self.source.scanner.open_file(&file.path) else { continue };
            let Ok(hashed) = blocking(|| hash_file(local, true)) else {
                continue;
            };
            let is_same = |stamp| is_unchanged(&file.stamp, stamp);
            if is_same(&hashed.stamp_before)
                && is_same(&hashed.stamp_after)
                && hashed.size_bytes == file.size_bytes
            {
                file.whirlpool = hashed.whirlpool;
                file.fingerprint = Some(hashed.fingerprint);
                hashes.extend(hashed.whirlpool.map(|hash| (file.seq, hash, hashed.fingerprint)));
            }
        }
        let xid = upload.xid.clone().unwrap_or_else(|| upload.slot.clone());
        Ok(self.remote.state.write(|w| w.record_sent(upload.key, &xid, &hashes))?)
    }
}

impl Remote {
    /// Ends an upload for now: files that show up nowhere are sent again, the others are left for
    /// later.
    fn conclude(&self, key: UploadKey, verdict: DeliveryVerdict) -> Result<Fate, RemoteError> {
        if verdict.is_pending {
            self.report(|report| report.uploads_pending += 1);
        }
        let Some(upload) = self.pending(key)? else { return Ok(verdict.fate) };
        let (arrived, missing): (Vec<_>, Vec<_>) =
            upload.files.into_iter().partition(|file| file.url.is_some());
        if verdict.gives_up || !verdict.is_pending {
            self.give_up(key, &missing, arrived.is_empty())?;
        }
        Ok(verdict.fate)
    }

    /// Whether an upload that was sent at `since_s` is so young that the service may not know its
    /// files yet (C.5).
    pub(crate) fn is_young(&self, since_s: i64) -> bool {
        // The time is recorded in whole seconds: the first of them may have been almost past.
        let patience = VISIBLE_WITHIN / self.client.pacer().time_scale() + Duration::from_secs(1);
        let age = Duration::from_secs(u64::try_from(self.state.now_s() - since_s).unwrap_or(0));
        age <= patience
    }

    /// Gives up these files, so that they are sent again; `all` ends the upload.
    fn give_up(&self, key: UploadKey, files: &[PendingFile], all: bool) -> Result<(), RemoteError> {
        for file in files {
            self.dirty.mark(file.path.clone());
        }
        Ok(self.state.write(|w| {
            for file in files {
                w.drop_pending(key, file.seq)?;
            }
            if all { w.finish_upload(key) } else { Ok(()) }
        })?)
    }

    pub(super) fn pending(&self, key: UploadKey) -> Result<Option<PendingUpload>, RemoteError> {
        let uploads = self.state.read(|s| s.uploads(self.mirror))?;
        Ok(uploads.into_iter().find(|upload| upload.key == key))
    }

    /// Asks the node once, and records the files that it tells of.
    async fn ask_node(&self, upload: &PendingUpload) -> Result<Heard, RemoteError> {
        let slot = UploadSlot { id: upload.slot.clone(), node: upload.node.clone() };
        match self.client.upload_result(&slot, upload.xid.as_deref()).await {
            Ok(UploadResult::Ready(files)) => {
                failpoint::reached("upload:told");
                let links = files.into_iter().map(|file| Arrived {
                    url: file.url,
                    name: file.name,
                    size_bytes: file.size_bytes,
                    whirlpool: file.whirlpool,
                });
                let mut links: Vec<Arrived> = links.collect();
                if is_ambiguous(&upload.files, &links) {
                    let staged = self.staged().await?;
                    links.retain(|link| staged.iter().any(|file| file.url == link.url));
                }
                self.take_in(upload, links).await?;
                let left = self.pending(upload.key)?;
                Ok(Heard::Links { open: left.as_ref().map_or(0, open_files) })
            }
            Ok(UploadResult::BeingScanned) => Ok(Heard::Scanning),
            Ok(UploadResult::Nothing) => Ok(Heard::Nothing),
            Err(error) if matches!(error.kind, ErrorKind::Anonymous { .. }) => {
                // The files were stored in no account, and were removed again: as if nothing had
                // been sent.
                self.give_up(upload.key, &upload.files, true)?;
                Err(error.into())
            }
            Err(error) if stops_everything(&error) => Err(error.into()),
            // The result page is gone, or its node is: the listing has to tell.
            Err(_) => Ok(Heard::Lost),
        }
    }

    /// Forgets an upload as not received; the caller sends its files again at once.
    pub(super) fn forget_upload(&self, key: UploadKey) -> Result<(), RemoteError> {
        self.report(|report| report.uploads_pending = report.uploads_pending.saturating_sub(1));
        Ok(self.state.write(|w| w.finish_upload(key))?)
    }

    /// Notes that files of an upload that was sent at `since_s` may still show up without being on
    /// record.
    pub(super) fn expect_leftovers(&self, since_s: i64) -> Result<(), RemoteError> {
        let leftovers = self.state.read(|s| leftovers_since_s(self.mirror).read(s))?;
        let latest_s = leftovers.map_or(since_s, |other| other.max(since_s));
        Ok(self.state.write(|w| leftovers_since_s(self.mirror).keep(w, &latest_s))?)
    }

    /// Retires the files in the staging folder that belong to no upload, if there may be some and
    /// all of them had enough time to show up. Only while nothing is under way. Costs one listing
    /// then.
    pub(crate) async fn retire_leftovers(&self) -> Result<(), RemoteError> {
        let since_s = self.state.read(|s| leftovers_since_s(self.mirror).read(s))?;
        let Some(since_s) = since_s else { return Ok(()) };
        if self.is_young(since_s) {
            // This makes the next cycle come soon.
            self.report(|report| report.uploads_pending += 1);
            return Ok(());
        }
        let listing = self.client.list_folder(self.places.incoming).await?;
        let known =
            self.state.read(|s| s.known_urls(listing.files.iter().map(|file| &file.url)))?;
        let mut leftovers = Vec::new();
        for file in listing.files.iter().filter(|file| !known.contains(&file.url)) {
            // An awaited file is looked for by name.
            if !self.state.read(|s| ledger::is_awaited(s, self.mirror, &file.name))? {
                leftovers.push(file);
            }
        }
        let now_s = self.state.now_s();
        let leftovers = leftovers
            .into_iter()
            .map(|file| orphan(self.mirror, file, self.places.versions, now_s));
        self.retire_all(leftovers.map(Leaving::of_version).collect()).await?;
        Ok(self.state.write(|w| leftovers_since_s(self.mirror).forget(w))?)
    }

    /// The files in the staging folder. Costs one listing.
    pub(crate) async fn staged(&self) -> Result<Vec<Arrived>, RemoteError> {
        let listing = self.client.list_folder(self.places.incoming).await?;
        let files = listing.files.into_iter().map(|file| Arrived {
            url: file.url,
            name: file.name,
            size_bytes: file.size_bytes,
            whirlpool: file.whirlpool,
        });
        Ok(files.collect())
    }

    /// Matches an upload with those of the found files that are not on record.
    fn matched(
        &self,
        upload: &PendingUpload,
        found: Vec<Arrived>,
    ) -> Result<MatchedFiles, RemoteError> {
        let known = self.state.read(|s| s.known_urls(found.iter().map(|file| &file.url)))?;
        let found: Vec<_> = found.into_iter().filter(|file| !known.contains(&file.url)).collect();
        let open: Vec<PendingFile> =
            upload.files.iter().filter(|file| file.url.is_none()).cloned().collect();
        Ok(match_arrived(&open, &found))
    }

    /// Records the files of an upload that the node told of, and removes those that are not as they
    /// were sent: a file is damaged, or its hash is not known any more, or it was dropped because
    /// it changed while it was read.
    ///
    /// Files and removals are on record at once: with all files known the node is not asked again,
    /// and only the node knows of the others.
    async fn take_in(&self, upload: &PendingUpload, told: Vec<Arrived>) -> Result<(), RemoteError> {
        let matched = self.matched(upload, told)?;
        let clearing = self.state.write(|w| {
            w.record_arrived(upload.key, &matched.arrived)?;
            matched.damaged.iter().try_for_each(|file| w.drop_pending(upload.key, file.seq))?;
            begin_clearing(w, self.mirror, &matched.surplus)
        })?;
        for file in &matched.damaged {
            if file.whirlpool.is_none() {
                self.dirty.mark(file.path.clone());
                continue;
            }
            self.problem(
                &file.path,
                "the service stored other bytes than were sent",
                "the damaged copy is removed, an earlier one is kept; it is sent again",
            )?;
        }
        self.clear_begun(clearing).await
    }

    /// Removes other files that one of our uploads left in the staging folder (I2).
    pub(crate) async fn clear_staged(&self, urls: &[FileUrl]) -> Result<(), RemoteError> {
        let clearing = self.state.write(|w| begin_clearing(w, self.mirror, urls))?;
        self.clear_begun(clearing).await
    }

    async fn clear_begun(&self, clearing: Vec<(IntentId, &[FileUrl])>) -> Result<(), RemoteError> {
        for (intent, urls) in clearing {
            let removal = self.remove_all(urls).await?;
            // The removal of files that the service left stays begun, and a later cycle finishes it
            // (`finish`).
            if removal.still_there.is_empty() {
                self.state.write(|w| w.resolve(intent))?;
            }
        }
        Ok(())
    }
}

/// Writes the intents to remove files from the staging folder, a call's worth in each.
fn begin_clearing<'a>(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    urls: &'a [FileUrl],
) -> Result<Vec<(IntentId, &'a [FileUrl])>, fichier_state::Error> {
    let begin = |urls: &'a [FileUrl]| {
        let intent = Intent::Remove { urls: urls.to_vec(), paths: Vec::new() };
        Ok((w.begin(mirror, &intent)?, urls))
    };
    urls.chunks(MAX_LINKS_PER_CALL).map(begin).collect()
}

/// Since when the staging folder of a mirror may hold files that are not on record; Unix seconds.
fn leftovers_since_s(mirror: MirrorId) -> Fact<i64> {
    Fact::about(format!("leftovers of mirror {}", mirror.0))
}

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The files that came are published, or wait to be.
    Settled,
    /// Some or all files may still show up.
    Waiting,
    /// No file of it can be seen.
    NothingCame {
        /// That was so for so long that the files are sent again.
        given_up: bool,
    },
    /// Some files will be sent again.
    GivenUp,
}

/// The matches between pending files and found ones.
#[derive(Debug, Default)]
pub struct MatchedFiles {
    /// Files that arrived: their numbers in the upload, and their links.
    pub arrived: Vec<(u32, FileUrl)>,
    /// Pending files whose name came back with other content.
    pub damaged: Vec<PendingFile>,
    /// Found files whose content no pending file has.
    pub surplus: Vec<FileUrl>,
}

/// Matches the files as a multiset by name, size and hash; then, for names that the service
/// changed, by size and hash alone (N06, U06, U07).
pub fn match_arrived(pending: &[PendingFile], found: &[Arrived]) -> MatchedFiles {
    let mut matched = MatchedFiles::default();
    let mut free: Vec<&Arrived> = found.iter().collect();
    let (mut open, mut missing) = (Vec::new(), Vec::new());
    for file in pending {
        match free.iter().position(|f| f.name == file.sent_as && is_content(file, f)) {
            Some(at) => matched.arrived.push((file.seq, free.swap_remove(at).url.clone())),
            None => open.push(file),
        }
    }
    for file in open {
        match free.iter().position(|f| is_content(file, f)) {
            Some(at) => matched.arrived.push((file.seq, free.swap_remove(at).url.clone())),
            None => missing.push(file),
        }
    }
    let is_damaged = |file: &&PendingFile| free.iter().any(|f| f.name == file.sent_as);
    matched.damaged = missing.into_iter().filter(is_damaged).cloned().collect();
    matched.surplus = free.into_iter().map(|file| file.url.clone()).collect();
    matched
}

/// Whether some content has more links than it was sent times: one of them leads nowhere, and only
/// a listing tells which.
fn is_ambiguous(pending: &[PendingFile], links: &[Arrived]) -> bool {
    pending.iter().any(|file| {
        let is_alike = |link: &&Arrived| link.name == file.sent_as && is_content(file, link);
        let sent = pending.iter().filter(|other| {
            other.sent_as == file.sent_as
                && (other.size_bytes, other.whirlpool) == (file.size_bytes, file.whirlpool)
        });
        links.iter().filter(is_alike).count() > sent.count()
    })
}

/// How many files of an upload have not shown up yet.
fn open_files(upload: &PendingUpload) -> usize {
    upload.files.iter().filter(|file| file.url.is_none()).count()
}

fn is_content(file: &PendingFile, found: &Arrived) -> bool {
    file.size_bytes == found.size_bytes
        && file.whirlpool.is_some()
        && file.whirlpool == found.whirlpool
}
