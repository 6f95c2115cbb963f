//! The place of snapshots at the service: makes the folder `.fichierd/state`, moves snapshots
//! there, and removes those that are no longer needed.

use fichier_api::names::RemoteName;
use fichier_api::{ErrorKind, FileUrl, FolderId, MAX_LINKS_PER_CALL};
use fichier_state::{Intent, SnapshotRow};

use super::keep::removable;
use crate::remote::error::is_gone;
use crate::remote::ledger::{self, STATE_FOLDER};
use crate::remote::{Ledger, Remote, RemoteError, SubFolder, UnderWay};
use crate::upkeep::expiry::horizon_s;
use crate::upkeep::{Situation, burst, former};

/// Removable snapshots that are enough for a call: from this number on they are removed together.
const WORTH_A_CALL: usize = 10;

/// The age after which removable snapshots are removed although they are fewer than
/// [`WORTH_A_CALL`].
const REMOVED_WITHIN_S: i64 = 24 * 3600;

/// Seconds until a move that the service did not make is tried again.
const MOVE_AGAIN_S: i64 = 60;

impl Remote {
    /// The folder of the snapshots, made if it is not there. Costs a call the first time.
    pub(super) async fn state_folder(&self) -> Result<FolderId, RemoteError> {
        let ledger = self.state.read(|s| Ledger::read(s, self.mirror))?;
        if let Some(folder) = ledger.state_folder {
            return Ok(folder);
        }
        let own = self.own_folder().await?;
        let name = RemoteName::encode(STATE_FOLDER.as_bytes());
        let folder = match self.sub_folder(own, &name).await.and_then(SubFolder::id) {
            // Somebody removed `.fichierd`; the next preparation of the target makes it again.
            Err(RemoteError::Api(error)) if is_gone(&error) => {
                self.own_folder_is_gone()?;
                return Err(error.into());
            }
            other => other?,
        };
        self.state.write(|w| {
            Ledger::change(w, self.mirror, |ledger| ledger.state_folder = Some(folder))
        })?;
        Ok(folder)
    }

    /// Moves a snapshot that has arrived out of the staging folder. Its note on disk ([`UnderWay`])
    /// is the intent: after a crash the move is simply made again.
    pub(super) async fn place_snapshot(
        &self,
        on: &UnderWay,
        folder: FolderId,
    ) -> Result<(), RemoteError> {
        let rows = self.state.read(|s| s.snapshots(self.mirror))?;
        let url = rows.into_iter().find(|row| row.id == on.id).and_then(|row| row.url);
        let Some(url) = url else { return self.give_up_snapshot(0) };
        let canary = self.state.read(|s| ledger::canary(self.mirror).read(s))?;
        let canary = canary.filter(|_| on.with_canary).map(|canary| canary.link);
        let urls: Vec<FileUrl> = [url.clone()].into_iter().chain(canary).collect();
        match self.client.move_files(&urls, folder).await {
            Ok(outcome) if !outcome.missing.contains(&url) => {
                let url = outcome.new_urls.get(&url).unwrap_or(&url);
                self.snapshot_is_placed(on, url)
            }
            Ok(_) => self.look_for_snapshot(on, folder).await,
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => {
                self.look_for_snapshot(on, folder).await
            }
            Err(error) => Err(error.into()),
        }
    }

    fn snapshot_is_placed(&self, on: &UnderWay, url: &FileUrl) -> Result<(), RemoteError> {
        self.state.write(|w| {
            w.confirm_snapshot(on.id, url)?;
            Ledger::change(w, self.mirror, |ledger| {
                ledger.under_way = None;
                ledger.not_before_s = None;
                ledger.failures = 0;
            })
        })?;
        let rows = self.state.read(|s| s.mirrors())?;
        if let Some(row) = rows.iter().find(|row| row.id == self.mirror) {
            let files = self.snapshot_files(row)?;
            let whole = fichier_state::facts_of(&files.whole());
            if on.made.base.is_none()
                && whole.is_ok_and(|facts| facts.name == on.made.name)
                && let Err(error) = files.keep_as_base()
            {
                tracing::debug!("the next snapshot will be a whole one: {error}");
            }
            files.clear(true);
        }
        tracing::debug!(name = %on.made.name, bytes = on.made.size_bytes, "sent a snapshot");
        Ok(())
    }

    /// Looks for a snapshot that the service did not report as moved: somebody may have removed the
    /// folder, or the file, or it was moved all the same.
    async fn look_for_snapshot(&self, on: &UnderWay, folder: FolderId) -> Result<(), RemoteError> {
        let listing = match self.client.list_folder(folder).await {
            Ok(listing) => listing,
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => {
                self.own_folder_is_gone()?;
                return self.try_snapshot_later(MOVE_AGAIN_S);
            }
            Err(error) => return Err(error.into()),
        };
        let is_it = |name: &RemoteName, size: u64| *name == on.name() && size == on.made.size_bytes;
        if let Some(file) = listing.files.iter().find(|file| is_it(&file.name, file.size_bytes)) {
            return self.snapshot_is_placed(on, &file.url);
        }
        let staged = self.staged().await?;
        if staged.iter().any(|file| is_it(&file.name, file.size_bytes)) || !listing.complete {
            return self.try_snapshot_later(MOVE_AGAIN_S);
        }
        if self.is_young(on.since_s) {
            return self.try_snapshot_later(MOVE_AGAIN_S);
        }
        tracing::warn!("a snapshot was removed on 1fichier by somebody else; another one is sent");
        self.give_up_snapshot(0)
    }

    /// Removes the snapshots that are no longer needed, once they are many or old enough.
    pub(crate) async fn remove_snapshots(&self, at: Situation<'_>) -> Result<(), RemoteError> {
        if self.state.read(|s| burst::keeps_all(s, self.mirror))? {
            return Ok(());
        }
        let rows = self.state.read(|s| s.snapshots(self.mirror))?;
        let now_s = self.state.now_s();
        let removable = removable(&rows, horizon_s(at.config, now_s));
        let former = self.state.read(|s| former::snapshots_to_go(s, self.mirror))?;
        let mut going: Vec<&SnapshotRow> =
            removable.iter().filter_map(|id| rows.iter().find(|row| row.id == *id)).collect();
        going.retain(|row| !former.iter().any(|it| it.id == row.id));
        going.extend(&former);
        let is_late = !former.is_empty()
            || going.first().is_some_and(|row| row.made_s < now_s - REMOVED_WITHIN_S);
        if going.len() < WORTH_A_CALL && !is_late {
            return Ok(());
        }
        for chunk in going.chunks(MAX_LINKS_PER_CALL) {
            let urls: Vec<FileUrl> = chunk.iter().filter_map(|row| row.url.clone()).collect();
            let intent = Intent::Remove { urls: urls.clone(), paths: Vec::new() };
            let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
            let still_there = self.remove_all(&urls).await?.still_there;
            let gone = chunk
                .iter()
                .filter(|row| row.url.as_ref().is_none_or(|url| !still_there.contains(url)));
            let gone: Vec<_> = gone.map(|row| row.id).collect();
            self.state.write(|w| {
                w.forget_snapshots(&gone)?;
                w.resolve(intent)
            })?;
        }
        Ok(())
    }
}
