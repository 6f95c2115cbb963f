//! What an encrypted mirror still has in a former form, plain or enciphered with a former password:
//! tells of it, and removes it at once where a person wants that.
//!
//! Versions expire by their age, and so may be readable by the host for as long as they are kept.
//! Once every file of the mirror was sent again, `status` asks; `fichierd approve --remove-plain`
//! answers. Then the trees of the past that need such versions are forgotten, the versions are
//! removed, a hundred in one call, and the snapshots that were made in a former form are removed as
//! soon as a later whole one is at the service.
//!
//! No clock is asked: what goes is told by its keys, not by its age. As in `expiry`, only links on
//! our own records are removed, none that is current and none that was foreign (I2), and each batch
//! is an intent first (I3).

use std::time::Duration;

use fichier_api::MAX_LINKS_PER_CALL;
use fichier_state::{KeysId, Mirror, MirrorId, Records, SnapshotRow, Version, Writing};
use serde::{Deserialize, Serialize};

use crate::base::words::{count, counted};
use crate::base::{Fact, RecordedForm, when};
use crate::remote::{Remote, RemoteError};
use crate::status::{FormerNext, FormerStatus};
use crate::upkeep::{Situation, burst};

/// Seconds until versions that the service did not remove are tried again.
const TRY_AGAIN_S: i64 = 24 * 3600;

/// A removal that a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wanted {
    /// Trees up to this time need versions that go; Unix seconds.
    past_until_s: i64,
    /// The service removed nothing, and is not asked before this time; Unix seconds.
    #[serde(default)]
    not_before_s: i64,
}

/// Remembers that the form of a mirror changes now.
pub(crate) fn form_changes(w: &mut Writing<'_>, mirror: MirrorId) -> fichier_state::Result<()> {
    let now_s = w.now_s();
    wanted(mirror).forget(w)?;
    changed_s(mirror).keep(w, &now_s)
}

/// The versions in a former form; `None` if there are none, or the mirror is not encrypted.
///
/// # Errors
///
/// The state file's.
pub fn former(records: &Records, mirror: &Mirror) -> fichier_state::Result<Option<FormerStatus>> {
    let Some(keys) = keys_of(mirror) else { return Ok(None) };
    let totals = records.former_totals(mirror.id, Some(keys))?;
    if totals.files == 0 {
        return Ok(None);
    }
    let changed_s = changed_s(mirror.id).read(records)?.unwrap_or_default();
    let next = if wanted(mirror.id).is_there(records)? {
        FormerNext::Going
    } else if mirror.last_success_s.is_some_and(|complete_s| complete_s >= changed_s) {
        FormerNext::Asks
    } else {
        FormerNext::Sending
    };
    Ok(Some(FormerStatus { files: totals.files, bytes: totals.bytes, next }))
}

/// Wants the versions in a former form to be removed at once. Returns what was done, `None` if
/// there are none, or in `Err` why nothing was done.
///
/// # Errors
///
/// The state file's.
pub fn want_removed(
    w: &mut Writing<'_>,
    mirror: &Mirror,
) -> fichier_state::Result<Result<Option<String>, String>> {
    let name = &mirror.name;
    let Some(keys) = keys_of(mirror) else {
        return Ok(Err(format!(
            "nothing was approved: `{name}` is not encrypted, and its versions expire by `keep`"
        )));
    };
    let files = w.former_files(mirror.id, Some(keys))?;
    if files.current > 0 {
        return Ok(Err(format!(
            "nothing was approved: `{name}` has {} to send again in the form that is configured \
             now, and needs the former ones until then; see: fichierd status",
            counted(files.current, "file"),
        )));
    }
    if burst::burst(w, mirror.id)?.is_some() {
        return Ok(Err(format!(
            "nothing was approved: very many files of `{name}` were replaced within a day, and \
             nothing is removed until you have looked: fichierd history {name}; if it is right: \
             fichierd approve {name}"
        )));
    }
    let totals = w.former_totals(mirror.id, Some(keys))?;
    if totals.files == 0 && former_snapshots(w, mirror.id)?.is_empty() {
        return Ok(Ok(None));
    }
    let want = Wanted { past_until_s: totals.until_s, not_before_s: 0 };
    wanted(mirror.id).keep(w, &want)?;
    let mut said = format!(
        "approved: {} in a former form, plain or with a former password, and the copies of the \
         records of that time are removed now",
        counted(totals.files, "version"),
    );
    if totals.files > 0 {
        let until = when::told(totals.until_s);
        said.push_str(&format!("; how the mirror was before {until} can no longer be restored"));
    }
    if files.unmanaged > 0 {
        let files = counted(files.unmanaged, "excluded or rejected file");
        said.push_str(&format!("; kept until fichierd prune {name}: {files}"));
    }
    Ok(Ok(Some(said)))
}

/// How long until there is something to remove; `None` while nothing is wanted, or can go yet.
pub(super) fn due_in(at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
    let want = at.state.read(|s| wanted(at.mirror.id).read(s))?;
    let Some(want) = want else { return Ok(None) };
    // What was changed since may have made it moot, or a longer wait is from a wrong clock.
    let wait_s = (want.not_before_s - at.state.now_s()).clamp(0, TRY_AGAIN_S);
    let has_some = at.state.read(|s| has_some(s, at.mirror))?;
    Ok(has_some.then(|| Duration::from_secs(wait_s.unsigned_abs())))
}

/// The snapshots that were made in a former form, if they are wanted away and can go: a later whole
/// one is at the service.
pub(super) fn snapshots_to_go(
    records: &Records,
    mirror: MirrorId,
) -> fichier_state::Result<Vec<SnapshotRow>> {
    if !wanted(mirror).is_there(records)? {
        return Ok(Vec::new());
    }
    former_snapshots(records, mirror)
}

impl Remote {
    /// Does a bounded part of the removal that is wanted; none if none is.
    pub(super) async fn remove_former(
        &self,
        at: Situation<'_>,
        calls: &mut usize,
    ) -> Result<(), RemoteError> {
        if due_in(at)? != Some(Duration::ZERO) {
            return Ok(());
        }
        let Some(want) = self.state.read(|s| wanted(self.mirror).read(s))? else { return Ok(()) };
        self.state.write(|w| w.forget_past(self.mirror, want.past_until_s))?;
        let mut removed = 0;
        while *calls > 0 {
            *calls -= 1;
            match self.remove_some(at.mirror).await? {
                None => break,
                Some(0) => {
                    tracing::warn!(mirror = %at.config.name,
                        "1fichier does not remove versions in a former form, or does not know \
                         them any more; it is asked again in a day");
                    return Ok(self.state.write(|w| {
                        let not_before_s = w.now_s() + TRY_AGAIN_S;
                        wanted(self.mirror).keep(w, &Wanted { not_before_s, ..want })
                    })?);
                }
                Some(gone) => removed += gone as u64,
            }
        }
        if removed > 0 {
            let (name, files) = (&at.config.name, count(removed));
            tracing::info!(mirror = %name, files = removed,
                "`{name}`: {files} versions in a former form were removed");
        }
        if self.state.read(|s| Ok(!former_versions(s, at.mirror, 1)?.is_empty()))? {
            return Ok(());
        }
        self.remove_snapshots(at).await?;
        Ok(self.state.write(|w| {
            // A snapshot that is all that there is waits for the next one.
            let is_done = !has_snapshots_of_before(w, at.mirror.id)?;
            if is_done { wanted(self.mirror).forget(w) } else { Ok(()) }
        })?)
    }

    /// Removes at most a hundred versions in a former form. Returns how many are gone; `None` if
    /// there were none.
    async fn remove_some(&self, mirror: &Mirror) -> Result<Option<usize>, RemoteError> {
        let batch = self.state.read(|s| former_versions(s, mirror, MAX_LINKS_PER_CALL))?;
        if batch.is_empty() {
            return Ok(None);
        }
        self.remove_versions(&batch, |_, gone| Ok(gone.files)).await.map(Some)
    }
}

fn has_some(records: &Records, mirror: &Mirror) -> fichier_state::Result<bool> {
    let has_versions = !former_versions(records, mirror, 1)?.is_empty();
    Ok(has_versions || !snapshots_to_go(records, mirror.id)?.is_empty())
}

fn former_versions(
    records: &Records,
    mirror: &Mirror,
    limit: usize,
) -> fichier_state::Result<Vec<Version>> {
    match keys_of(mirror) {
        None => Ok(Vec::new()),
        keys => records.former_versions(mirror.id, keys, limit),
    }
}

/// Whether a snapshot of before the last change of the form is on record.
fn has_snapshots_of_before(records: &Records, mirror: MirrorId) -> fichier_state::Result<bool> {
    let Some(changed_s) = changed_s(mirror).read(records)? else { return Ok(false) };
    Ok(records.snapshots(mirror)?.iter().any(|row| row.made_s <= changed_s))
}

/// The snapshots of before the last change of the form; none while they are all that there is.
fn former_snapshots(
    records: &Records,
    mirror: MirrorId,
) -> fichier_state::Result<Vec<SnapshotRow>> {
    let Some(changed_s) = changed_s(mirror).read(records)? else { return Ok(Vec::new()) };
    let (former, later): (Vec<_>, Vec<_>) =
        records.snapshots(mirror)?.into_iter().partition(|row| row.made_s <= changed_s);
    let has_whole = later.iter().any(|row| row.base.is_none() && row.url.is_some());
    Ok(if has_whole { former } else { Vec::new() })
}

/// The keys that files of the mirror have by now; `None` if they are plain.
fn keys_of(mirror: &Mirror) -> Option<KeysId> {
    RecordedForm::of(mirror).map(|form| form.keys)
}

/// When the form of a mirror was changed; Unix seconds.
fn changed_s(mirror: MirrorId) -> Fact<i64> {
    Fact::about(format!("change of the form of mirror {}", mirror.0))
}

fn wanted(mirror: MirrorId) -> Fact<Wanted> {
    Fact::about(format!("removal of former versions of mirror {}", mirror.0))
}
