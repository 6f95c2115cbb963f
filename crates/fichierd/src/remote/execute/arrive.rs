//! Finds out whether an upload arrived, by one piece of code for the usual case, a lost reply and a
//! crash (I12).
//!
//! The node is asked first (`end.pl`), then the staging folder is listed; only files that neither
//! shows are sent again. Files that arrived are matched by name, size and hash, never by order.
//!
//! Invariants: nothing is removed unless two looks, one of the node and one of the listing, told
//! the same hash for it, and no file of the upload has that hash. A file without a hash is neither
//! removed nor sent again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_api::{Error, ErrorKind, FileUrl, Source, UploadResult, UploadSlot};
use fichier_state::{PendingFile, PendingUpload, RelPath, UploadKey, failpoint};

use super::delivery::{Delivery, DeliveryVerdict, Heard, Known, Todo};
use super::leftovers::{begin_clearing, leftovers_since_s};
use super::matching::{Arrived, Doubt, MatchedFiles, is_ambiguous, match_arrived};
use super::waiting::{self, OVERDUE_S, Waiting, listed_within_s};
use crate::base::state::blocking;
use crate::base::words::counted;
use crate::disk::Hashed;
use crate::disk::hash::{hash_enciphered, hash_file};
use crate::disk::seen::is_unchanged;
use crate::remote::Remote;
use crate::remote::error::{RemoteError, stops_everything};
use crate::remote::execute::Executor;
use crate::remote::habits::Habits;
use crate::remote::nodes::Refusal;

/// How an upload is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// For the first time, at once: the result may be late.
    First,
    /// For the first time, after the node refused it: there is no result to wait for.
    AfterRefusal,
    /// In a later cycle, if it is time for that.
    Later,
}

/// What one look at an upload has shown so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The links that the node told.
    pub(super) links: HashSet<FileUrl>,
    /// Those with a hash that nothing in the upload has.
    pub(super) doubts: Vec<Doubt>,
    /// The node tells how to remove the files without an account.
    may_be_nobodys: bool,
    /// The node looks for viruses.
    is_being_scanned: bool,
    /// It is noted, because of these alone, that files may be left in the staging folder.
    notes_leftovers: bool,
    /// Files that are in the staging folder without a hash, by their numbers in the upload.
    pub(super) unproved: Vec<(u32, FileUrl)>,
}

impl Executor {
    /// Finds out the outcome of an upload, publishes the files that arrived, and forgets the
    /// others.
    ///
    /// The decisions are made in `delivery`; an upload that is not settled stays pending.
    ///
    /// # Errors
    ///
    /// An error that stops the cycle; the upload stays pending then too.
    pub(crate) async fn finish_upload(
        &self,
        key: UploadKey,
        look: Look,
    ) -> Result<Fate, RemoteError> {
        let Some(mut upload) = self.remote.pending(key)? else { return Ok(Fate::Settled) };
        let note = self.remote.waiting(key)?;
        let (now_s, scale) = (self.remote.state.now_s(), self.remote.client.pacer().time_scale());
        if look == Look::Later && note.is_early(now_s, scale) {
            self.remote.report(|report| report.uploads_pending += 1);
            return Ok(Fate::Waiting);
        }
        self.hash_unknown(&mut upload)?;
        let mut seen = Seen::default();
        let (mut delivery, mut todo) = Delivery::begin(Known {
            files: upload.files.len(),
            open: open_files(&upload),
            asks_once: look == Look::AfterRefusal
                || note.looks > 0
                || self.remote.nodes()?.refuses(),
            is_overdue: self.remote.is_overdue(upload.since_s),
        });
        loop {
            let heard = match todo {
                Todo::AskNode { after } => {
                    if !after.is_zero() {
                        tokio::time::sleep(after / scale).await;
                    }
                    self.remote.ask_node(&upload, &mut seen).await?
                }
                Todo::List => {
                    if let Some(upload) = self.remote.pending(key)? {
                        self.remote.look_into_staging(&upload, &mut seen).await?;
                    }
                    Heard::Listed
                }
                Todo::Publish => {
                    let heard = self.publish_and_count(key, &upload, &seen).await?;
                    if look == Look::Later {
                        self.look_at_published(&upload)?;
                    }
                    heard
                }
                Todo::End(verdict) => return self.remote.conclude(&upload, verdict, &seen).await,
            };
            todo = delivery.next(heard);
            if delivery.goes_on_untold(todo) {
                self.remote.expect_leftovers(upload.since_s)?;
            }
            if heard == Heard::Scanning && matches!(todo, Todo::End(_)) {
                tracing::info!(
                    files = upload.files.len(),
                    "the service is still scanning an upload of {}; looking again later",
                    counted(upload.files.len() as u64, "file")
                );
            }
        }
    }

    /// Publishes the files that have arrived, and counts what is left of the upload, which had
    /// these files `before` anything was published.
    async fn publish_and_count(
        &self,
        key: UploadKey,
        before: &PendingUpload,
        seen: &Seen,
    ) -> Result<Heard, RemoteError> {
        failpoint::reached("upload:arrived");
        let note = self.remote.note_first_look(key, before, seen)?;
        self.publish(key).await?;
        let none = Heard::Published { arrived: 0, missing: 0, unproved: 0, is_young: false };
        let Some(left) = self.remote.pending(key)? else { return Ok(none) };
        let (open, unproved) = (open_files(&left), seen.unproved.len());
        let patience_s = note.patience_s(&self.remote.habits()?);
        let is_young = self.remote.is_within(left.since_s, patience_s);
        let arrived = left.files.len() - open;
        Ok(Heard::Published { arrived, missing: open.saturating_sub(unproved), unproved, is_young })
    }

    /// Marks the files of an upload that are published now: what changed about them while they
    /// were awaited was left out of the plans. Where nothing is kept, removals have waited for them
    /// too.
    fn look_at_published(&self, before: &PendingUpload) -> Result<(), RemoteError> {
        let left = self.remote.pending(before.key)?;
        let is_left = |file: &&PendingFile| {
            left.iter().flat_map(|left| &left.files).any(|other| other.seq == file.seq)
        };
        for file in before.files.iter().filter(|file| !is_left(file)) {
            self.remote.dirty.mark(file.path.clone());
            if !self.remote.keep_versions {
                self.remote.dirty.mark(RelPath::root());
            }
        }
        Ok(())
    }

    /// Hashes local files whose hashes are missing after a crash, if they have not changed since
    /// they were sent.
    fn hash_unknown(&self, upload: &mut PendingUpload) -> Result<(), RemoteError> {
        let mut hashes = Vec::new();
        for file in upload.files.iter_mut().filter(|file| file.whirlpool.is_none()) {
            let Ok(local) = self.source.scanner.open_file(&file.path) else { continue };
            let Some(hashed) = blocking(|| self.hash_as_sent(file, local)) else { continue };
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

impl Executor {
    /// Hashes a file and the object that it was sent as. `None` if it cannot be read, or was
    /// enciphered with other keys.
    fn hash_as_sent(&self, file: &PendingFile, local: impl Source) -> Option<Hashed> {
        match (&file.cipher, self.remote.form.crypt()) {
            (None, _) => hash_file(local, true).ok(),
            (Some(cipher), Some(crypt)) if self.remote.form.is_of(Some(cipher)) => {
                hash_enciphered(local, crypt.encryptor(cipher)).ok()
            }
            (Some(_), _) => None,
        }
    }
}

impl Remote {
    /// Ends an upload for now: files that show up nowhere are sent again, the others are left for
    /// later.
    async fn conclude(
        &self,
        before: &PendingUpload,
        verdict: DeliveryVerdict,
        seen: &Seen,
    ) -> Result<Fate, RemoteError> {
        let key = before.key;
        if verdict.is_pending {
            self.report(|report| report.uploads_pending += 1);
        }
        let Some(upload) = self.pending(key)? else { return Ok(verdict.fate) };
        let note = self.waiting(key)?;
        let is_unproved =
            |file: &PendingFile| seen.unproved.iter().any(|(seq, _)| *seq == file.seq);
        let (kept, missing): (Vec<_>, Vec<_>) =
            upload.files.into_iter().partition(|file| file.url.is_some() || is_unproved(file));
        if verdict.gives_up || !verdict.is_pending {
            if let Some((first, all)) = note.first_came
                && first + missing.len() == all
            {
                let now_s = self.state.now_s();
                tracing::warn!(
                    first,
                    all,
                    "an upload node stored the first files of an upload \
                    only; the others are sent again, fewer at a time"
                );
                self.state.write(|w| Habits::met_upload_limit(first, now_s).keep(w))?;
            }
            self.give_up(key, &missing, kept.is_empty())?;
            if seen.may_be_nobodys && !missing.is_empty() {
                let (endpoint, kind) = ("end.pl", ErrorKind::Anonymous);
                return Err(Error { endpoint, attempts: 1, kind }.into());
            }
            if missing.len() == before.files.len() && !missing.is_empty() {
                let refusal = Refusal {
                    node: &before.node,
                    words: "it took the files and stored none of them",
                    files: None,
                    bytes: missing.iter().map(PendingFile::object_bytes).sum(),
                    weight: 3,
                };
                self.node_refused(refusal).await?;
            }
        }
        if verdict.is_pending {
            let now_s = self.state.now_s();
            self.change_waiting(key, |note| {
                note.looked(now_s);
                note.is_being_scanned = seen.is_being_scanned;
                note.unhashed = seen.unproved.iter().map(|(seq, _)| *seq).collect();
            })?;
        }
        Ok(verdict.fate)
    }

    /// Whether an upload that was sent at `since_s` is so young that the service may not know its
    /// files yet (C.5).
    pub(crate) fn is_young(&self, since_s: i64) -> bool {
        self.is_within(since_s, listed_within_s(&self.habits().unwrap_or_default()))
    }

    fn habits(&self) -> Result<Habits, RemoteError> {
        Ok(self.state.read(|s| Habits::read(s))?)
    }

    /// Whether it is not `within_s` of the service's seconds since a moment.
    fn is_within(&self, since_s: i64, within_s: i64) -> bool {
        // The time is recorded in whole seconds: the first of them may have been almost past.
        let within = Duration::from_secs(within_s.unsigned_abs());
        let patience = within / self.client.pacer().time_scale() + Duration::from_secs(1);
        let age = Duration::from_secs(u64::try_from(self.state.now_s() - since_s).unwrap_or(0));
        age <= patience
    }

    /// Whether an upload that was sent at `since_s` should have been scanned and hashed by now.
    pub(crate) fn is_overdue(&self, since_s: i64) -> bool {
        !self.is_within(since_s, OVERDUE_S)
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

    pub(super) fn waiting(&self, key: UploadKey) -> Result<Waiting, RemoteError> {
        Ok(self.state.read(|s| waiting::read(s, self.mirror, key))?)
    }

    fn change_waiting(
        &self,
        key: UploadKey,
        change: impl FnOnce(&mut Waiting),
    ) -> Result<(), RemoteError> {
        Ok(self.state.write(|w| waiting::change(w, self.mirror, key, change))?)
    }

    /// Notes, before anything is published, whether the node has told of a part of the files, and
    /// whether that is exactly the first of them.
    fn note_first_look(
        &self,
        key: UploadKey,
        before: &PendingUpload,
        seen: &Seen,
    ) -> Result<Waiting, RemoteError> {
        let note = self.waiting(key)?;
        let Some(now) = self.pending(key)? else { return Ok(note) };
        let has_come = |file: &PendingFile| {
            file.url.is_some() || seen.unproved.iter().any(|(seq, _)| *seq == file.seq)
        };
        let came = now.files.iter().filter(|file| has_come(file)).count();
        let all = now.files.len();
        if came == all || note.looks > 0 || all < before.files.len() {
            return Ok(note);
        }
        let is_first = now.files.iter().take(came).all(has_come);
        self.change_waiting(key, |note| {
            note.is_partly_told = !seen.links.is_empty();
            note.first_came = (is_first && came > 0).then_some((came, all));
        })?;
        self.waiting(key)
    }

    /// Asks the node once, and records the files that it tells of.
    async fn ask_node(
        &self,
        upload: &PendingUpload,
        seen: &mut Seen,
    ) -> Result<Heard, RemoteError> {
        let slot = UploadSlot { id: upload.slot.clone(), node: upload.node.clone() };
        seen.is_being_scanned = false;
        let files = match self.client.upload_result(&slot, upload.xid.as_deref()).await {
            Ok(UploadResult::Ready(files)) => files,
            Ok(UploadResult::BeingScanned) => {
                seen.is_being_scanned = true;
                return Ok(Heard::Scanning);
            }
            Ok(UploadResult::Nothing) => return Ok(Heard::Nothing),
            Ok(UploadResult::Unclear(words)) => {
                tracing::debug!("the upload node told nothing of an upload: {words}");
                return Ok(Heard::Lost);
            }
            Err(error) if stops_everything(&error) => return Err(error.into()),
            // The result page is gone, or its node is: the listing has to tell.
            Err(_) => return Ok(Heard::Lost),
        };
        failpoint::reached("upload:told");
        seen.links = files.iter().map(|file| file.url.clone()).collect();
        seen.may_be_nobodys = files.iter().any(|file| file.removal.is_some())
            && !self.state.read(|s| Habits::read(s))?.removal_links_mean_nothing();
        let links: Vec<Arrived> = files
            .into_iter()
            .map(|file| Arrived {
                url: file.url,
                name: file.name,
                size_bytes: file.size_bytes,
                whirlpool: file.whirlpool,
            })
            .collect();
        if seen.may_be_nobodys || is_ambiguous(&upload.files, &links) {
            // Only what is in the folder that it was sent to is ours.
            return Ok(Heard::Links { open: open_files(upload), is_doubtful: true });
        }
        let matched = self.matched(upload, links, &seen.links)?;
        if matched.has_untold_rest {
            // It changed while it was read, and is sent again under the same name.
            self.expect_leftovers(upload.since_s)?;
        }
        seen.doubts = matched.doubts().cloned().collect();
        // Until the listing was asked, only the node knows of the files that are doubted.
        seen.notes_leftovers = !seen.doubts.is_empty() && self.may_leave(upload.since_s)?;
        self.name_as_sent(upload, &matched.misnamed).await?;
        self.record(upload, &matched)?;
        let left = self.pending(upload.key)?;
        let open = left.as_ref().map_or(0, open_files);
        Ok(Heard::Links { open, is_doubtful: !seen.doubts.is_empty() })
    }

    /// Lists the staging folder, and records the files of the upload that are in it.
    ///
    /// Other uploads have files there too, so files that do not match are not judged here, unless
    /// the node has told them for this upload: `finish` does that, when nothing else is under way.
    async fn look_into_staging(
        &self,
        upload: &PendingUpload,
        seen: &mut Seen,
    ) -> Result<(), RemoteError> {
        let mut listed = self.staged().await?;
        // Of files that only their names and sizes tell apart, those are ours that the node told.
        listed.sort_by_key(|file| !seen.links.contains(&file.url));
        let alike = untold(&listed);
        let doubted: Vec<Doubt> = listed
            .iter()
            .filter_map(|file| Some((file.url.clone(), file.whirlpool?)))
            .filter(|(url, hash)| {
                let is_doubted = seen.doubts.iter().any(|(other, was)| other == url && was == hash);
                is_doubted && upload.files.iter().all(|file| file.whirlpool != Some(*hash))
            })
            .collect();
        let matched = self.matched(upload, listed, &seen.links)?;
        // First, since the name is not compared again once the file is on record as arrived.
        self.name_as_sent(upload, &matched.misnamed).await?;
        self.record(upload, &matched)?;
        if seen.may_be_nobodys && !matched.arrived.is_empty() {
            let now_s = self.state.now_s();
            self.state.write(|w| Habits::met_removal_links(now_s).keep(w))?;
        }
        self.remove_others(upload, &matched, &doubted).await?;
        if seen.notes_leftovers && doubted.len() == seen.doubts.len() {
            self.state.write(|w| leftovers_since_s(self.mirror).forget(w))?;
        }
        seen.unproved = self.only_ours(upload, &matched.unproved, seen, &alike)?;
        if !seen.unproved.is_empty() && self.is_overdue(upload.since_s) {
            self.prove(upload, seen).await?;
        }
        Ok(())
    }

    /// Forgets an upload as not received; the caller sends its files again at once.
    pub(super) fn forget_upload(&self, key: UploadKey) -> Result<(), RemoteError> {
        self.report(|report| report.uploads_pending = report.uploads_pending.saturating_sub(1));
        Ok(self.state.write(|w| w.finish_upload(key))?)
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
        told: &HashSet<FileUrl>,
    ) -> Result<MatchedFiles, RemoteError> {
        let known = self.state.read(|s| s.known_urls(found.iter().map(|file| &file.url)))?;
        let found: Vec<_> = found.into_iter().filter(|file| !known.contains(&file.url)).collect();
        let open: Vec<PendingFile> =
            upload.files.iter().filter(|file| file.url.is_none()).cloned().collect();
        Ok(match_arrived(&open, &found, told))
    }

    /// Records the files of an upload that have arrived, and gives up those of which it cannot be
    /// told.
    fn record(&self, upload: &PendingUpload, matched: &MatchedFiles) -> Result<(), RemoteError> {
        self.state.write(|w| {
            w.record_arrived(upload.key, &matched.arrived)?;
            matched.unknown.iter().try_for_each(|file| w.drop_pending(upload.key, file.seq))
        })?;
        for file in &matched.unknown {
            self.dirty.mark(file.path.clone());
        }
        if !matched.unknown.is_empty() {
            self.expect_leftovers(upload.since_s)?;
        }
        if matched.arrived.is_empty() {
            Ok(())
        } else {
            self.node_took(&upload.node, matched.arrived.len())
        }
    }

    /// Removes files of an upload that are not as they were sent: both the node and the listing
    /// have told the same other hash. A file is damaged, or it was dropped because it changed while
    /// it was read.
    async fn remove_others(
        &self,
        upload: &PendingUpload,
        matched: &MatchedFiles,
        doubted: &[Doubt],
    ) -> Result<(), RemoteError> {
        if doubted.is_empty() {
            return Ok(());
        }
        let damaged: Vec<&PendingFile> = matched
            .damaged
            .iter()
            .filter(|(_, doubt)| doubted.contains(doubt))
            .map(|(file, _)| file)
            .collect();
        let urls: Vec<FileUrl> = doubted.iter().map(|(url, _)| url.clone()).collect();
        let clearing = self.state.write(|w| {
            damaged.iter().try_for_each(|file| w.drop_pending(upload.key, file.seq))?;
            begin_clearing(w, self.mirror, &urls)
        })?;
        for file in damaged {
            self.problem(
                &file.path,
                "the service stored other bytes than were sent",
                "the damaged copy is removed, an earlier one is kept; it is sent again",
            )?;
        }
        self.clear_begun(clearing).await
    }
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

/// How many files of each name and size are there without a hash.
fn untold(listed: &[Arrived]) -> HashMap<(RemoteName, u64), usize> {
    let mut alike = HashMap::new();
    for file in listed.iter().filter(|file| file.whirlpool.is_none()) {
        *alike.entry((file.name.clone(), file.size_bytes)).or_default() += 1;
    }
    alike
}

/// How many files of an upload have not shown up yet.
fn open_files(upload: &PendingUpload) -> usize {
    upload.files.iter().filter(|file| file.url.is_none()).count()
}
