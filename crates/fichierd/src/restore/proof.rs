//! The result of a proof that runs beside the service, on its way into the state.
//!
//! `verify` and `drill` only read the state, so that they may run beside the service; their result
//! is handed to it, or written by the command itself when no service runs. Files that are damaged
//! or gone lose their records (I1) and are sent again, if the local file is still as it was
//! recorded: a damaged copy whose content exists nowhere else stays on record. Until they are sent
//! they are lacking in every restore, which says so (`awaited`).
//!
//! No link travels (I10): a file is named by path and hash, and counts only while its record has
//! that hash.

use std::os::unix::fs::MetadataExt as _;

use fichier_api::Whirlpool;
use fichier_state::{Entry, ForeignFile, MirrorId, Proof, ProofKind, RelPath};
use serde::{Deserialize, Serialize};

use super::awaited;
use crate::base::State;
use crate::config::MirrorConfig;
use crate::disk::DirtyQueue;
use crate::upkeep::unproved::confirmed;

/// The largest number of files of one result that are sent again; the next proof finds the rest.
pub const MOST_BROKEN: usize = 100;

/// The result of one proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proved {
    /// The name of the mirror.
    pub mirror: String,
    /// The command that proved it.
    pub by: ProvedBy,
    /// Whether everything was as recorded.
    pub good: bool,
    /// The number of files that were looked at.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
    /// The result in words, for people.
    pub detail: String,
    /// Files that are damaged or gone; at most [`MOST_BROKEN`].
    #[serde(default)]
    pub broken: Vec<Broken>,
    /// Files that came as recorded, and whose hashes 1fichier has not told; at most
    /// [`MOST_BROKEN`] count. They are confirmed by this.
    #[serde(default)]
    pub confirmed: Vec<Confirmed>,
}

/// One file that a download has proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Its path.
    pub path: RelPath,
    /// The hash that its record has.
    pub whirlpool: Whirlpool,
}

/// Which command proved something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvedBy {
    /// `fichierd verify`.
    Verify,
    /// `fichierd drill`.
    Drill,
}

/// One file that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Its path.
    pub path: RelPath,
    /// The hash that its record has.
    pub whirlpool: Whirlpool,
    /// True if the service does not know the file, or has other bytes.
    pub is_gone: bool,
}

/// Keeps a result, and marks broken files to be sent again. Returns their number.
///
/// # Errors
///
/// Errors of the state file.
pub fn keep(
    state: &State,
    config: &MirrorConfig,
    dirty: Option<&DirtyQueue>,
    proved: &Proved,
) -> Result<u64, fichier_state::Error> {
    let Some(row) = state.read(|s| s.mirror_of(&config.name, &config.source, &config.target))?
    else {
        return Ok(0);
    };
    let kind = match proved.by {
        ProvedBy::Verify => ProofKind::Verify,
        ProvedBy::Drill => ProofKind::Drill,
    };
    let proof = Proof {
        good: proved.good,
        at_s: state.now_s(),
        files: proved.files,
        bytes: proved.bytes,
        detail: proved.detail.clone(),
    };
    state.write(|w| {
        w.put_proof(row.id, kind, &proof)?;
        // Files came, so downloads to this address are not refused any more.
        let refused = w.proofs(row.id, ProofKind::Canary)?.first().is_some_and(|last| !last.good);
        if refused && proved.good && proved.files > 0 {
            w.put_proof(row.id, ProofKind::Canary, &proof)?;
        }
        Ok(())
    })?;
    for proved in proved.confirmed.iter().take(MOST_BROKEN) {
        confirm(state, row.id, proved)?;
    }
    let mut again = 0;
    for broken in proved.broken.iter().take(MOST_BROKEN) {
        if send_again(state, config, row.id, broken)? {
            again += 1;
            tracing::warn!(mirror = %config.name, path = %broken.path,
                "`{}` is {} on 1fichier; sending it again", broken.path,
                if broken.is_gone { "no longer" } else { "damaged" });
            if let Some(dirty) = dirty {
                dirty.mark(broken.path.clone());
            }
        }
    }
    Ok(again)
}

/// Confirms the record of a file that a download has proved, if it is still that of these bytes.
fn confirm(
    state: &State,
    mirror: MirrorId,
    proved: &Confirmed,
) -> Result<(), fichier_state::Error> {
    let Some(entry) = recorded(state, mirror, &proved.path)? else { return Ok(()) };
    match entry.remote() {
        Some(copy) if copy.whirlpool == proved.whirlpool && !copy.is_confirmed() => {
            let now_s = state.now_s();
            state.write(|w| w.put_entry(&confirmed(&entry, copy, now_s)))
        }
        Some(_) | None => Ok(()),
    }
}

fn recorded(
    state: &State,
    mirror: MirrorId,
    path: &RelPath,
) -> Result<Option<Entry>, fichier_state::Error> {
    let parent = path.parent().unwrap_or_else(RelPath::root);
    state.read(|s| match s.folder_at(mirror, &parent)? {
        Some(folder) => s.entry(folder.key, path.name()),
        None => Ok(None),
    })
}

fn send_again(
    state: &State,
    config: &MirrorConfig,
    mirror: MirrorId,
    broken: &Broken,
) -> Result<bool, fichier_state::Error> {
    let Some(entry) = recorded(state, mirror, &broken.path)? else { return Ok(false) };
    let Some(copy) = entry.remote().filter(|copy| copy.whirlpool == broken.whirlpool) else {
        return Ok(false);
    };
    if entry.unmanaged || !is_here(config, &broken.path, &entry) {
        return Ok(false);
    }
    // The record of a foreign file keeps it from being taken for the right one: its hash differs
    // from the one that the service tells.
    let odd = ForeignFile {
        url: copy.url.clone(),
        name: entry.remote_name(),
        size_bytes: entry.object_bytes(),
        whirlpool: None,
    };
    state.write(|w| {
        w.remove_entry(entry.folder, &entry.name)?;
        if broken.is_gone {
            w.count_lost(mirror, &broken.path, &entry.stamp).map(|_| ())
        } else {
            awaited::note_damaged(w, mirror, &broken.path)?;
            w.add_foreign(entry.folder, &odd)
        }
    })?;
    Ok(true)
}

/// Whether the local file is still what was sent, as far as a look can tell.
fn is_here(config: &MirrorConfig, path: &RelPath, entry: &Entry) -> bool {
    let Ok(found) = std::fs::symlink_metadata(config.source.join(path.as_path())) else {
        return false;
    };
    let mtime_ns = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
    found.is_file() && found.len() == entry.stamp.size_bytes && mtime_ns == entry.stamp.mtime_ns
}
