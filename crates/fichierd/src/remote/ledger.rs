//! The note, in the state, of the facts about a mirror's snapshots besides their rows.
//!
//! It also holds the progress of the snapshot under way, which is the intent (I3) of its upload and
//! of the move that follows. It is written before the first byte is sent, and removed when the file
//! is in its place.

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, FolderId, RemoteFile, Whirlpool};
use fichier_state::{MirrorId, Moment, Records, Result, SnapshotId, Writing};
use serde::{Deserialize, Serialize};

use crate::base::Fact;

/// The folder of the snapshots, in `.fichierd`.
pub const STATE_FOLDER: &str = "state";

/// The name of the tiny file beside the snapshots.
pub const CANARY_NAME: &str = "canary.txt";

/// The facts about the tiny file that is downloaded once a week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The file's link.
    pub link: FileUrl,
    /// The file's length in bytes.
    pub size: u64,
    /// The file's hash.
    pub whirlpool: Whirlpool,
}

/// A packed file that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) name: String,
    /// The name that it has on the service; `None` in notes of older releases, which stored it
    /// under its own.
    #[serde(default)]
    pub(crate) stored_as: Option<RemoteName>,
    /// The whole snapshot that this one is laid over; `None` for a whole one.
    pub(crate) base: Option<SnapshotId>,
    pub(crate) made_s: i64,
    pub(crate) moment: Moment,
    pub(crate) size_bytes: u64,
    pub(crate) whirlpool: Whirlpool,
    pub(crate) digest: u64,
}

/// The note of a mirror's tiny file, once the service has confirmed the file
/// ([`crate::upkeep::canary`]).
pub fn canary(mirror: MirrorId) -> Fact<Canary> {
    Fact::about(format!("canary of mirror {}", mirror.0))
}

/// Remembers the folder `.fichierd`, and `state` in it if a listing has shown it.
pub(crate) fn remember_folders(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    own: fichier_api::FolderId,
    state: Option<fichier_api::FolderId>,
) -> Result<()> {
    Ledger::change(w, mirror, |ledger| {
        ledger.own_folder = Some(own);
        ledger.state_folder = state;
    })
}

/// Forgets the folders `.fichierd` and `state`: somebody removed them.
pub(crate) fn forget_folders(w: &mut Writing<'_>, mirror: MirrorId) -> Result<()> {
    Ledger::change(w, mirror, |ledger| {
        ledger.state_folder = None;
        ledger.own_folder = None;
    })
}

/// The folder `.fichierd`, if a look at the target has found it.
pub(crate) fn own_folder(
    records: &Records,
    mirror: MirrorId,
) -> fichier_state::Result<Option<fichier_api::FolderId>> {
    Ok(Ledger::read(records, mirror)?.own_folder)
}

/// Whether a file in the staging folder is a snapshot of ours, or the tiny file beside it, whose
/// arrival is not on record yet: such a file is not a leftover.
pub(crate) fn is_awaited(records: &Records, mirror: MirrorId, file: &RemoteFile) -> Result<bool> {
    let under_way = Ledger::read(records, mirror)?.under_way;
    Ok(under_way.is_some_and(|on| {
        // The service may have changed the name.
        let has_content =
            file.size_bytes == on.made.size_bytes && file.whirlpool == Some(on.made.whirlpool);
        let canary =
            on.canary_as.clone().unwrap_or_else(|| RemoteName::encode(CANARY_NAME.as_bytes()));
        let is_canary = on.with_canary && file.name == canary;
        file.name == on.name() || has_content || is_canary
    }))
}

/// The note of one mirror.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ledger {
    /// Bytes of files sent so far.
    pub(crate) sent_bytes: u64,
    /// Bytes of snapshots sent so far.
    pub(crate) spent_bytes: u64,
    /// Size of the last snapshot.
    pub(crate) last_bytes: u64,
    /// Digest of the last snapshot's contents.
    pub(crate) last_digest: Option<u64>,
    /// The moment up to which nothing has changed that a snapshot would have to record; and when
    /// that was seen, Unix seconds.
    pub(crate) looked_at: Option<(Moment, i64)>,
    /// The time before which no snapshot is tried; Unix seconds.
    pub(crate) not_before_s: Option<i64>,
    /// The folders `.fichierd`, and `state` in it, at the service.
    pub(crate) own_folder: Option<FolderId>,
    pub(crate) state_folder: Option<FolderId>,
    /// The snapshot that was written at a stop, and not sent yet.
    pub(crate) written: Option<Made>,
    pub(crate) under_way: Option<UnderWay>,
    /// Snapshots in a row that were sent and did not arrive.
    pub(crate) failures: u32,
}

/// A snapshot on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UnderWay {
    pub(crate) id: SnapshotId,
    pub(crate) made: Made,
    /// Whether the canary is sent with it.
    pub(crate) with_canary: bool,
    /// The name of the canary on the service; `None` in notes of older releases.
    #[serde(default)]
    pub(crate) canary_as: Option<RemoteName>,
    pub(crate) slot: String,
    pub(crate) node: String,
    pub(crate) xid: Option<String>,
    pub(crate) since_s: i64,
    /// Whether the service has confirmed the snapshot, which is still in the staging folder.
    pub(crate) has_arrived: bool,
    /// How often it was looked for in vain.
    #[serde(default)]
    pub(crate) looks: u32,
}

impl Made {
    /// The name that it has on the service.
    pub(crate) fn stored_name(&self) -> RemoteName {
        let own = || RemoteName::encode(self.name.as_bytes());
        self.stored_as.clone().unwrap_or_else(own)
    }
}

impl UnderWay {
    pub(crate) fn name(&self) -> RemoteName {
        self.made.stored_name()
    }
}

impl Ledger {
    pub(crate) fn read(records: &Records, mirror: MirrorId) -> Result<Ledger> {
        // A note that cannot be read is begun anew: nothing in it is needed to be safe.
        Ok(fact(mirror).read(records)?.unwrap_or_default())
    }

    /// Changes the note, within a transaction.
    pub(crate) fn change<R>(
        w: &mut Writing<'_>,
        mirror: MirrorId,
        change: impl FnOnce(&mut Ledger) -> R,
    ) -> Result<R> {
        fact(mirror).change(w, change)
    }
}

fn fact(mirror: MirrorId) -> Fact<Ledger> {
    Fact::about(format!("snapshots of mirror {}", mirror.0))
}
