//! "Did my upload arrive?" One piece of code for the usual case, a lost reply and a crash (I12).
//!
//! The node is asked first (`end.pl`), then the staging folder is listed; only what shows up
//! nowhere is sent again. What arrived is matched by name, size and hash, never by order.

use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_api::{ErrorKind, FileUrl, MAX_LINKS_PER_CALL, UploadResult, UploadSlot, Whirlpool};
use fichier_state::{
    Intent, IntentId, MirrorId, PendingFile, PendingUpload, UploadKey, Writing, failpoint,
};

use super::Leaving;
use super::delivery::{Delivery, Heard, Todo, Verdict};
use crate::base::fact::Fact;
use crate::base::state::blocking;
use crate::disk::hash::hash_file;
use crate::remote::Remote;
use crate::remote::error::{RemoteError, stops_everything};
use crate::remote::execute::Executor;
use crate::remote::ledger;
use crate::remote::target::orphan;

/// How long a stored file may stay invisible to listings (C.5 says about two minutes).
const VISIBLE_WITHIN: Duration = Duration::from_secs(180);

/// A remote file that may be one of ours: what `end.pl` or a listing says about it.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Its link.
    pub url: FileUrl,
    /// Its name as stored.
    pub name: RemoteName,
    /// Its size.
    pub size_bytes: u64,
    /// Its hash, if it was told.
    pub whirlpool: Option<Whirlpool>,
}

impl Executor {
    /// Finds out what became of an upload, publishes what arrived, forgets the rest.
    ///
    /// What to do is decided in `delivery`; an upload that is still being scanned stays pending.
    ///
    /// # Errors
    ///
    /// What stops the cycle; the upload stays pending then too.
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
                        // Other uploads have files there too, so what does not match is not ours
                        // to judge here: `recover` does, when nothing else is under way.
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
                    "the service is still scanning an upload; looking again later"
                );
            }
        }
    }

    /// After a crash the hashes of what was sent may be missing: the local file has them, if it
    /// has not changed since.
    fn hash_unknown(&self, upload: &mut PendingUpload) -> Result<(), RemoteError> {
        let mut hashes = Vec::new();
        for file in upload.files.iter_mut().filter(|file| file.whirlpool.is_none()) {
            let Ok(local) = self.source.scanner.open_file(&file.path) else { continue };
            let Ok(hashed) = blocking(|| hash_file(local, true)) else {
                continue;
            };
            if hashed.stamp_before == file.stamp && hashed.stamp_after == file.stamp {
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
    /// Sends again what shows up nowhere, and leaves the rest of an upload for later.
    fn conclude(&self, key: UploadKey, verdict: Verdict) -> Result<Fate, RemoteError> {
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

    /// Whether the service may not know the files of an upload yet that was sent then (C.5).
    pub(crate) fn is_young(&self, since_s: i64) -> bool {
        // It is recorded in whole seconds: one of those may be nearly over already.
        let patience = VISIBLE_WITHIN / self.client.pacer().time_scale() + Duration::from_secs(1);
        let age = Duration::from_secs(u64::try_from(self.state.now_s() - since_s).unwrap_or(0));
        age <= patience
    }

    /// These files are sent again.
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

    /// Asks the node once, and records what it tells.
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
                // Not in the account, and removed again: as if nothing had been sent.
                self.give_up(upload.key, &upload.files, true)?;
                Err(error.into())
            }
            Err(error) if stops_everything(&error) => Err(error.into()),
            // The result page is gone, or its node is: the listing has to tell.
            Err(_) => Ok(Heard::Lost),
        }
    }

    /// Takes an upload for not received, whose files the caller sends again at once.
    pub(super) fn forget_upload(&self, key: UploadKey) -> Result<(), RemoteError> {
        self.report(|report| report.uploads_pending = report.uploads_pending.saturating_sub(1));
        Ok(self.state.write(|w| w.finish_upload(key))?)
    }

    /// Something of an upload that was sent then may show up that is on nobody's record.
    pub(super) fn expect_leftovers(&self, since_s: i64) -> Result<(), RemoteError> {
        let leftovers = self.state.read(|s| leftovers_since_s(self.mirror).read(s))?;
        let latest_s = leftovers.map_or(since_s, |other| other.max(since_s));
        Ok(self.state.write(|w| leftovers_since_s(self.mirror).keep(w, &latest_s))?)
    }

    /// Retires what lies in the staging folder and belongs to no upload, if there may be something
    /// and all of it had time to show up. Only while nothing is under way. Costs one listing then.
    pub(crate) async fn retire_leftovers(&self) -> Result<(), RemoteError> {
        let since_s = self.state.read(|s| leftovers_since_s(self.mirror).read(s))?;
        let Some(since_s) = since_s else { return Ok(()) };
        if self.is_young(since_s) {
            // Then the next cycle comes soon.
            self.report(|report| report.uploads_pending += 1);
            return Ok(());
        }
        let listing = self.client.list_folder(self.places.incoming).await?;
        let known =
            self.state.read(|s| s.known_urls(listing.files.iter().map(|file| &file.url)))?;
        let mut leftovers = Vec::new();
        for file in listing.files.iter().filter(|file| !known.contains(&file.url)) {
            // That one is looked for by name.
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

    /// What lies in the staging folder and is not on record. Costs one listing.
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

    /// Which of the found files that are on nobody's record belong to an upload.
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

    /// Records what the node told of an upload, and removes what is not as it was sent: damaged, or
    /// nobody knows any more what was sent, or dropped because the file changed while it was read.
    ///
    /// Both are on record at once: with all files known nobody asks the node again, which alone
    /// knows of the others.
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

    /// Removes what one of our uploads left in the staging folder besides what it should (I2).
    pub(crate) async fn clear_staged(&self, urls: &[FileUrl]) -> Result<(), RemoteError> {
        let clearing = self.state.write(|w| begin_clearing(w, self.mirror, urls))?;
        self.clear_begun(clearing).await
    }

    async fn clear_begun(&self, clearing: Vec<(IntentId, &[FileUrl])>) -> Result<(), RemoteError> {
        for (intent, urls) in clearing {
            let removal = self.remove_all(urls).await?;
            // What the service left stays begun, and is removed by a later cycle (`recover`).
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

/// Since when something may lie in the staging folder of a mirror that is on nobody's record; Unix
/// seconds.
fn leftovers_since_s(mirror: MirrorId) -> Fact<i64> {
    Fact::about(format!("leftovers of mirror {}", mirror.0))
}

/// How far an upload came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// What came is published, or waits to be.
    Settled,
    /// Some or all of it may still show up.
    Waiting,
    /// Nothing of it can be seen, now or for so long that it will be sent again.
    NothingCame {
        /// The latter.
        given_up: bool,
    },
    /// Some of it will be sent again.
    GivenUp,
}

/// Which of the found files are the pending ones.
#[derive(Debug, Default)]
pub struct MatchedFiles {
    /// By the file's number in its upload.
    pub arrived: Vec<(u32, FileUrl)>,
    /// Those whose name came back with other content.
    pub damaged: Vec<PendingFile>,
    /// Found, and no pending file has this content.
    pub surplus: Vec<FileUrl>,
}

/// Matches as a multiset by name, size and hash; then, for names that the service changed, by
/// size and hash alone (N06, U06, U07).
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

/// Whether a content has more links than it was sent times: one of them leads nowhere, and only a
/// listing tells which.
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
