//! What is remembered of a mirror's snapshots besides their rows: one note in the state.
//!
//! Also where the one under way stands: it is the intent (I3) of its upload and of the move that
//! follows. It is written before the first byte is sent, and gone when the file is in its place.

use fichier_api::FolderId;
use fichier_api::names::RemoteName;
use fichier_state::{MirrorId, Moment, Records, Result, SnapshotId, Writing};
use serde::{Deserialize, Serialize};

use super::make::Made;

/// The note of one mirror.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ledger {
    /// Bytes of files sent so far.
    pub(super) sent_bytes: u64,
    /// Bytes of snapshots sent so far.
    pub(super) spent_bytes: u64,
    /// How large the last one was.
    pub(super) last_bytes: u64,
    /// What the last one told.
    pub(super) last_digest: Option<u64>,
    /// Up to this moment nothing has changed that a snapshot would have to tell; and when that was
    /// seen, Unix seconds.
    pub(super) looked_at: Option<(Moment, i64)>,
    /// Nothing is tried before this; Unix seconds.
    pub(super) not_before_s: Option<i64>,
    /// `.fichierd`, and `state` in it, at the service.
    pub(super) own_folder: Option<FolderId>,
    pub(super) state_folder: Option<FolderId>,
    /// Written at a stop, and not sent yet.
    pub(super) written: Option<Made>,
    pub(super) under_way: Option<UnderWay>,
}

/// A snapshot on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct UnderWay {
    pub(super) id: SnapshotId,
    pub(super) made: Made,
    /// The canary goes with it.
    pub(super) with_canary: bool,
    pub(super) slot: String,
    pub(super) node: String,
    pub(super) xid: Option<String>,
    pub(super) since_s: i64,
    /// Confirmed by the service, and still in staging.
    pub(super) has_arrived: bool,
}

impl UnderWay {
    pub(super) fn name(&self) -> RemoteName {
        RemoteName::encode(self.made.name.as_bytes())
    }
}

impl Ledger {
    pub(super) fn read(records: &Records, mirror: MirrorId) -> Result<Ledger> {
        let note = records.note(&key(mirror))?;
        // One that cannot be read is begun anew: nothing in it is needed to be safe.
        Ok(note.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Changes the note, within a transaction.
    pub(super) fn change<R>(
        w: &mut Writing<'_>,
        mirror: MirrorId,
        change: impl FnOnce(&mut Ledger) -> R,
    ) -> Result<R> {
        let mut ledger = Ledger::read(w, mirror)?;
        let done = change(&mut ledger);
        let text = serde_json::to_string(&ledger).unwrap_or_default();
        w.set_note(&key(mirror), Some(&text))?;
        Ok(done)
    }
}

fn key(mirror: MirrorId) -> String {
    format!("snapshots of mirror {}", mirror.0)
}
