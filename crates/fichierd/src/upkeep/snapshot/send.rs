//! Sends a snapshot into the staging folder, and finds out whether it arrived.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_api::{
    ErrorKind, FileUrl, FolderId, SendError, UploadFile, UploadResult, UploadSlot, Whirlpool,
};
use whirlpool::Digest as _;

use super::CANARY_TEXT;
use crate::base::Form;
use crate::base::words::chain;
use crate::remote::error::stops_everything;
use crate::remote::ledger::{self, CANARY_NAME};
use crate::remote::{
    Arrived, Canary, Ledger, Made, Refusal, Remote, RemoteError, UnderWay, is_refusal,
};

/// How often the node is asked for an upload's outcome before other work goes on.
const POLLS: u32 = 6;

/// Seconds until the next try after a snapshot that failed; doubled with each failure in a row.
const RETRY_S: i64 = 5 * 60;
/// The longest of these times, in seconds.
const LONGEST_RETRY_S: i64 = 24 * 3600;

/// Seconds until a snapshot that may still show up is looked for again; doubled with each look.
const LOOK_AGAIN_S: i64 = 30;
/// The longest of these times, in seconds.
const LONGEST_LOOK_S: i64 = 1800;

impl Remote {
    /// Sends a packed file, with the canary where there is none yet, and moves it to its place.
    /// Costs four calls.
    pub(super) async fn send_snapshot(
        &self,
        made: Made,
        folder: FolderId,
    ) -> Result<(), RemoteError> {
        let Ok(_permit) = self.slots.acquire().await else { return Ok(()) };
        let slot = match self.open_slot().await? {
            Ok(slot) => slot,
            // Nodes refuse uploads; they are tried again when they have rested.
            Err(until_s) => return self.try_snapshot_later((until_s - self.state.now_s()).max(0)),
        };
        let on = self.begin_snapshot(made, &slot)?;
        let files = self.snapshot_bodies(&on)?;
        let sent = self.client.send_files(&slot, self.places.incoming, files, Arc::default()).await;
        match sent {
            Ok(sent) if sent.files.first().is_some_and(|f| f.whirlpool == on.made.whirlpool) => {
                self.note_way(|on| on.xid = Some(sent.xid))?;
            }
            // The file is not what the row says: some other program wrote to it.
            Ok(_) => tracing::debug!("the packed file has changed while it was sent"),
            Err(SendError::File { source, .. }) => {
                tracing::warn!("a snapshot cannot be read back from the state folder: {source}");
                return self.give_up_snapshot(1);
            }
            Err(SendError::Service { error, complete, .. }) => {
                if is_refusal(&error) {
                    let refusal = Refusal {
                        node: &slot.node,
                        words: &chain(&error),
                        files: None,
                        bytes: on.made.size_bytes,
                        weight: 1,
                    };
                    self.node_refused(refusal).await?;
                }
                let took_nothing =
                    matches!(error.kind, ErrorKind::NodeStorage | ErrorKind::NoFileInUpload);
                if !complete || took_nothing {
                    // Nothing is stored (C.3, C.6), so another snapshot, under another name,
                    // repeats nothing.
                    self.give_up_snapshot(1)?;
                    return stop_or_wait(error);
                }
                tracing::debug!("an upload of a snapshot broke off at its end: {error}");
            }
        }
        self.finish_snapshot_into(Some(folder)).await
    }

    /// Finds out whether the snapshot under way has arrived (I12), and moves it to its place.
    pub(super) async fn finish_snapshot(&self) -> Result<(), RemoteError> {
        self.finish_snapshot_into(None).await
    }

    async fn finish_snapshot_into(&self, folder: Option<FolderId>) -> Result<(), RemoteError> {
        let Some(on) = self.snapshot_under_way()? else { return Ok(()) };
        let on = if on.has_arrived { Some(on) } else { self.await_snapshot(&on).await? };
        let Some(on) = on else { return Ok(()) };
        let folder = match folder {
            Some(folder) => folder,
            None => self.state_folder().await?,
        };
        self.place_snapshot(&on, folder).await
    }

    /// Writes the row and the note of the way to disk, before the first byte is sent (I3).
    fn begin_snapshot(&self, made: Made, slot: &UploadSlot) -> Result<UnderWay, RemoteError> {
        Ok(self.state.write(|w| {
            let id = w.add_snapshot(
                self.mirror,
                made.base,
                &made.name,
                made.made_s,
                made.moment,
                made.size_bytes,
                &made.whirlpool,
            )?;
            let since_s = w.now_s();
            let canary_as = CanaryFile::of(&self.form).name;
            let with_canary = ledger::canary(self.mirror).read(w)?.is_none();
            Ledger::change(w, self.mirror, |ledger| {
                let on = UnderWay {
                    id,
                    made,
                    with_canary,
                    canary_as: Some(canary_as),
                    slot: slot.id.clone(),
                    node: slot.node.clone(),
                    xid: None,
                    since_s,
                    has_arrived: false,
                    looks: 0,
                };
                ledger.written = None;
                ledger.under_way = Some(on.clone());
                on
            })
        })?)
    }

    fn snapshot_bodies(&self, on: &UnderWay) -> Result<Vec<UploadFile>, RemoteError> {
        let rows = self.state.read(|s| s.mirrors())?;
        let row = rows.into_iter().find(|row| row.id == self.mirror);
        let row = row.ok_or(RemoteError::State(fichier_state::Error::Missing("mirror")))?;
        let packed = self.snapshot_files(&row)?.packed();
        let open = move || File::open(packed);
        let mut bodies = vec![UploadFile::new(on.name(), on.made.size_bytes, open)];
        if on.with_canary {
            let canary = CanaryFile::of(&self.form);
            let (name, size) = (canary.name.clone(), canary.size_bytes());
            bodies.push(UploadFile::new(name, size, move || canary.open()));
        }
        Ok(bodies)
    }

    /// Asks the node, then lists the staging folder. `None`: the snapshot has not arrived, or not
    /// yet.
    async fn await_snapshot(&self, on: &UnderWay) -> Result<Option<UnderWay>, RemoteError> {
        let told = self.ask_node_for(on).await?;
        let found = match &told {
            Some(told) if told.iter().any(|file| is_snapshot(on, file)) => told.clone(),
            Some(_) | None => self.staged().await?,
        };
        if let Some(file) = found.iter().find(|file| is_snapshot(on, file)) {
            return self.confirm_snapshot(on, file, &found).map(Some);
        }
        let named = || found.iter().filter(|file| file.name == on.name());
        // Without a hash its size decides in the end: each reader checks it as a whole.
        let is_unproved =
            |file: &&Arrived| file.whirlpool.is_none() && file.size_bytes == on.made.size_bytes;
        if let Some(file) = named().find(is_unproved) {
            if self.is_overdue(on.since_s) {
                return self.confirm_snapshot(on, file, &found).map(Some);
            }
            return self.look_for_snapshot_later(on).map(|()| None);
        }
        // A file with our name and other bytes is removed, so that nothing takes it for the
        // snapshot, if the node and the listing tell the same of it.
        let is_told = |file: &&Arrived| {
            let told = told.iter().flatten();
            file.whirlpool.is_some()
                && told.into_iter().any(|t| t.url == file.url && t.whirlpool == file.whirlpool)
        };
        let damaged: Vec<FileUrl> = named().filter(is_told).map(|file| file.url.clone()).collect();
        if !damaged.is_empty() {
            tracing::warn!("the service stored a snapshot with other bytes than were sent");
            self.clear_staged(&damaged).await?;
            self.give_up_snapshot(1)?;
        } else if self.is_young(on.since_s) {
            self.look_for_snapshot_later(on)?;
        } else {
            // It had enough time to show up (C.5). The next snapshot has another name.
            self.snapshot_is_lost()?;
        }
        Ok(None)
    }

    /// Gives up a snapshot that shows up nowhere. The next one is sent at once, if the one before
    /// had arrived.
    fn snapshot_is_lost(&self) -> Result<(), RemoteError> {
        let is_first = self.state.read(|s| Ledger::read(s, self.mirror))?.failures == 0;
        self.give_up_snapshot(1)?;
        if !is_first {
            return Ok(());
        }
        Ok(self
            .state
            .write(|w| Ledger::change(w, self.mirror, |ledger| ledger.not_before_s = None))?)
    }

    fn look_for_snapshot_later(&self, on: &UnderWay) -> Result<(), RemoteError> {
        self.note_way(|on| on.looks = on.looks.saturating_add(1))?;
        let wait_s = (LOOK_AGAIN_S << on.looks.min(10)).min(LONGEST_LOOK_S);
        self.try_snapshot_later(wait_s / i64::from(self.client.pacer().time_scale().max(1)))
    }

    /// The files that the node knows; `None` if it knows none, or not yet, or not any more.
    async fn ask_node_for(&self, on: &UnderWay) -> Result<Option<Vec<Arrived>>, RemoteError> {
        let slot = UploadSlot { id: on.slot.clone(), node: on.node.clone() };
        let mut wait = Duration::from_secs(2);
        let polls = if on.looks == 0 { POLLS } else { 1 };
        for poll in 0..polls {
            if poll > 0 {
                tokio::time::sleep(wait / self.client.pacer().time_scale()).await;
                wait = (wait * 2).min(Duration::from_secs(30));
            }
            match self.client.upload_result(&slot, on.xid.as_deref()).await {
                // Only the listing tells of files that are said to be in no account.
                Ok(UploadResult::Ready(files)) if files.iter().any(|f| f.removal.is_some()) => {
                    return Ok(None);
                }
                Ok(UploadResult::Ready(files)) => {
                    let files = files.into_iter().map(|file| Arrived {
                        url: file.url,
                        name: file.name,
                        size_bytes: file.size_bytes,
                        whirlpool: file.whirlpool,
                    });
                    return Ok(Some(files.collect()));
                }
                Ok(UploadResult::BeingScanned | UploadResult::Nothing) => {}
                Ok(UploadResult::Unclear(_)) => return Ok(None),
                Err(error) if stops_everything(&error) => return Err(error.into()),
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Records that the service has the snapshot as it was sent (I1); the link is on record before
    /// anything is done with it (I2).
    fn confirm_snapshot(
        &self,
        on: &UnderWay,
        file: &Arrived,
        found: &[Arrived],
    ) -> Result<UnderWay, RemoteError> {
        let sent = CanaryFile::of(&self.form);
        let is_canary = |file: &&Arrived| sent.is(file.size_bytes, file.whirlpool);
        let canary = found.iter().find(|file| on.with_canary && is_canary(file));
        let canary = canary.map(|file| sent.at(&file.url));
        let on = UnderWay { has_arrived: true, with_canary: canary.is_some(), ..on.clone() };
        self.state.write(|w| {
            w.confirm_snapshot(on.id, &file.url)?;
            if let Some(canary) = &canary {
                ledger::canary(self.mirror).keep(w, canary)?;
            }
            Ledger::change(w, self.mirror, |ledger| {
                ledger.under_way = Some(on.clone());
                ledger.last_digest = Some(on.made.digest);
                ledger.last_bytes = on.made.size_bytes;
                ledger.spent_bytes = ledger.spent_bytes.saturating_add(on.made.size_bytes);
            })
        })?;
        Ok(on)
    }

    /// Forgets the snapshot under way, of which nothing is at the service: its row goes, and its
    /// name is not used again. The next one waits, for longer with each of so many `failures`.
    pub(super) fn give_up_snapshot(&self, failures: u32) -> Result<(), RemoteError> {
        let Some(on) = self.snapshot_under_way()? else { return Ok(()) };
        Ok(self.state.write(|w| {
            w.forget_snapshots(&[on.id])?;
            let now_s = w.now_s();
            Ledger::change(w, self.mirror, |ledger| {
                ledger.under_way = None;
                ledger.failures = ledger.failures.saturating_add(failures);
                let doubled = RETRY_S << ledger.failures.saturating_sub(1).min(10);
                let wait_s = doubled.min(LONGEST_RETRY_S);
                ledger.not_before_s = (failures > 0).then_some(now_s + wait_s);
            })
        })?)
    }

    fn note_way(&self, change: impl FnOnce(&mut UnderWay)) -> Result<(), RemoteError> {
        Ok(self
            .state
            .write(|w| {
                Ledger::change(w, self.mirror, |ledger| ledger.under_way.as_mut().map(change))
            })
            .map(drop)?)
    }

    fn snapshot_under_way(&self) -> Result<Option<UnderWay>, RemoteError> {
        Ok(self.state.read(|s| Ledger::read(s, self.mirror))?.under_way)
    }
}

/// Returns an error that concerns the account or the network, which ends the round; after any other
/// the snapshot is tried again.
fn stop_or_wait(error: fichier_api::Error) -> Result<(), RemoteError> {
    if stops_everything(&error) {
        return Err(error.into());
    }
    tracing::info!("a snapshot could not be sent and is tried again: {}", chain(&error));
    Ok(())
}

fn is_snapshot(on: &UnderWay, file: &Arrived) -> bool {
    // Whatever name the service gave it.
    file.size_bytes == on.made.size_bytes && file.whirlpool == Some(on.made.whirlpool)
}

/// The canary as a form stores it: always the same bytes for the same keys.
pub(crate) struct CanaryFile {
    pub(crate) name: RemoteName,
    content: Vec<u8>,
}

impl CanaryFile {
    pub(crate) fn of(form: &Form) -> CanaryFile {
        let name = form.file_name(CANARY_NAME.as_bytes());
        CanaryFile { name, content: form.seal_fixed("fichierd 2026-11 canary", CANARY_TEXT) }
    }

    /// Whether a file with this size and hash is one.
    pub(crate) fn is(&self, size_bytes: u64, whirlpool: Option<Whirlpool>) -> bool {
        size_bytes == self.size_bytes() && whirlpool == Some(self.whirlpool())
    }

    /// The facts to keep of the one that has this link.
    pub(crate) fn at(&self, url: &FileUrl) -> Canary {
        Canary { link: url.clone(), size: self.size_bytes(), whirlpool: self.whirlpool() }
    }

    fn size_bytes(&self) -> u64 {
        self.content.len() as u64
    }

    fn whirlpool(&self) -> Whirlpool {
        Whirlpool::from_bytes(whirlpool::Whirlpool::digest(&self.content).into())
    }

    fn open(&self) -> io::Result<File> {
        use std::io::Seek as _;
        let mut file = tempfile::tempfile()?;
        file.write_all(&self.content)?;
        file.rewind()?;
        Ok(file)
    }
}
