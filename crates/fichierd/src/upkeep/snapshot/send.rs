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
use crate::base::words::chain;
use crate::remote::error::stops_everything;
use crate::remote::ledger::{self, CANARY_NAME};
use crate::remote::{Arrived, Canary, Ledger, Made, Remote, RemoteError, UnderWay};

/// How often the node is asked for an upload's outcome before other work goes on.
const POLLS: u32 = 6;

/// Seconds until the next try after a snapshot that failed.
const RETRY_S: i64 = 5 * 60;

/// Seconds until a snapshot that may still show up is looked for again.
const LOOK_AGAIN_S: i64 = 20;

impl Remote {
    /// Sends a packed file, with the canary where there is none yet, and moves it to its place.
    /// Costs four calls.
    pub(super) async fn send_snapshot(
        &self,
        made: Made,
        folder: FolderId,
    ) -> Result<(), RemoteError> {
        let Ok(_permit) = self.slots.acquire().await else { return Ok(()) };
        let slot = self.client.open_upload().await?;
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
                return self.give_up_snapshot(RETRY_S);
            }
            Err(SendError::Service { error, complete, .. }) => {
                let took_nothing =
                    matches!(error.kind, ErrorKind::NodeStorage | ErrorKind::NoFileInUpload);
                if !complete || took_nothing {
                    // Nothing is stored (C.3, C.6), so another snapshot, under another name,
                    // repeats nothing.
                    self.give_up_snapshot(RETRY_S)?;
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
            let with_canary = ledger::canary(self.mirror).read(w)?.is_none();
            Ledger::change(w, self.mirror, |ledger| {
                let on = UnderWay {
                    id,
                    made,
                    with_canary,
                    slot: slot.id.clone(),
                    node: slot.node.clone(),
                    xid: None,
                    since_s,
                    has_arrived: false,
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
            let name = RemoteName::encode(CANARY_NAME.as_bytes());
            bodies.push(UploadFile::new(name, CANARY_TEXT.len() as u64, canary_file));
        }
        Ok(bodies)
    }

    /// Asks the node, then lists the staging folder. `None`: the snapshot has not arrived, or not
    /// yet.
    async fn await_snapshot(&self, on: &UnderWay) -> Result<Option<UnderWay>, RemoteError> {
        let found = match self.ask_node_for(on).await? {
            Some(found) if found.iter().any(|file| is_snapshot(on, file)) => found,
            Some(_) | None => self.staged().await?,
        };
        if let Some(file) = found.iter().find(|file| is_snapshot(on, file)) {
            return self.confirm_snapshot(on, file, &found).map(Some);
        }
        // A file with our name and other bytes is removed, so that nothing takes it for the
        // snapshot.
        let damaged: Vec<FileUrl> =
            found.iter().filter(|file| file.name == on.name()).map(|f| f.url.clone()).collect();
        if !damaged.is_empty() {
            tracing::warn!("the service stored a snapshot with other bytes than were sent");
            self.clear_staged(&damaged).await?;
            self.give_up_snapshot(RETRY_S)?;
        } else if self.is_young(on.since_s) {
            let scale = i64::from(self.client.pacer().time_scale().max(1));
            self.try_snapshot_later(LOOK_AGAIN_S / scale)?;
        } else {
            // It had enough time to show up (C.5). The next snapshot has another name.
            self.give_up_snapshot(0)?;
        }
        Ok(None)
    }

    /// The files that the node knows; `None` if it knows none, or not yet, or not any more.
    async fn ask_node_for(&self, on: &UnderWay) -> Result<Option<Vec<Arrived>>, RemoteError> {
        let slot = UploadSlot { id: on.slot.clone(), node: on.node.clone() };
        let mut wait = Duration::from_secs(2);
        for poll in 0..POLLS {
            if poll > 0 {
                tokio::time::sleep(wait / self.client.pacer().time_scale()).await;
                wait = (wait * 2).min(Duration::from_secs(30));
            }
            match self.client.upload_result(&slot, on.xid.as_deref()).await {
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
                Err(error) if matches!(error.kind, ErrorKind::Anonymous { .. }) => {
                    // It was stored in no account, and is removed again: as if nothing had been
                    // sent.
                    self.give_up_snapshot(RETRY_S)?;
                    return Err(error.into());
                }
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
        let canary = found.iter().find(|file| on.with_canary && is_canary(file));
        let canary = canary.map(|file| Canary {
            link: file.url.clone(),
            size: file.size_bytes,
            whirlpool: canary_hash(),
        });
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
    /// name is not used again.
    pub(super) fn give_up_snapshot(&self, wait_s: i64) -> Result<(), RemoteError> {
        let Some(on) = self.snapshot_under_way()? else { return Ok(()) };
        Ok(self.state.write(|w| {
            w.forget_snapshots(&[on.id])?;
            let not_before_s = (wait_s > 0).then(|| w.now_s() + wait_s);
            Ledger::change(w, self.mirror, |ledger| {
                ledger.under_way = None;
                ledger.not_before_s = not_before_s;
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
    file.name == on.name()
        && file.size_bytes == on.made.size_bytes
        && file.whirlpool == Some(on.made.whirlpool)
}

fn is_canary(file: &Arrived) -> bool {
    file.name.as_str() == CANARY_NAME
        && file.size_bytes == CANARY_TEXT.len() as u64
        && file.whirlpool == Some(canary_hash())
}

/// The hash of the tiny file.
pub(crate) fn canary_hash() -> Whirlpool {
    Whirlpool::from_bytes(whirlpool::Whirlpool::digest(CANARY_TEXT).into())
}

fn canary_file() -> io::Result<File> {
    use std::io::Seek as _;
    let mut file = tempfile::tempfile()?;
    file.write_all(CANARY_TEXT)?;
    file.rewind()?;
    Ok(file)
}
