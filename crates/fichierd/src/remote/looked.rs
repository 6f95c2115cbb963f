//! What the last looks at a mirror have left open, on record, and from that whether the mirror is
//! complete: the only place that fills a [`Completeness`].
//!
//! What was sent and is not confirmed, what has a problem and what is in doubt is in the records of
//! the state anyway. What a cycle put off or found being written is known to the cycle alone, so
//! each cycle keeps the numbers here, for `status` while no service runs.

use fichier_state::{Intent, Mirror, MirrorId, Records, Result, Writing};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::Fact;
use crate::remote::execute::given_up_at_s;
use crate::remote::{claims, unconfirmed};
use crate::status::Completeness;

/// What the cycles until now have left open, besides what is in the records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Left {
    /// Whether everything was looked at, and nothing has been missed since.
    pub(crate) whole: bool,
    /// Files that are being written.
    pub(crate) unsettled: u64,
    /// Files and folders that were left for the next cycle.
    pub(crate) put_off: u64,
    /// When a cycle last ended as it should; Unix seconds.
    pub(crate) ended_s: Option<i64>,
}

/// Whether the mirror is complete at `now_s`, as far as the records tell. The waiting times of the
/// service are divided by `time_scale`.
///
/// # Errors
///
/// The state file's.
pub fn completeness(
    records: &Records,
    mirror: MirrorId,
    time_scale: u32,
    now_s: i64,
) -> Result<Completeness> {
    let left = left(mirror).read(records)?.unwrap_or_default();
    let uploads = records.uploads(mirror)?;
    let sent = uploads.iter().map(|upload| upload.files.len() as u64).sum::<u64>();
    let mut until_s = None;
    for upload in &uploads {
        let at_s = given_up_at_s(records, upload, time_scale)?.filter(|at_s| *at_s > now_s);
        until_s = [until_s, at_s].into_iter().flatten().min();
    }
    let intents = records.intents(mirror)?;
    let begun = intents.iter().map(|(_, intent, _)| unconfirmed(intent)).sum::<u64>();
    let misnamed = intents.iter().map(|(_, intent, _)| misnamed(intent)).sum::<u64>();
    let missed = records.missed(mirror)?;
    let not_confirmed = unconfirmed::unconfirmed(records, mirror)?;
    let unsettled = records.unsettled(mirror, u32::MAX)?.len() as u64;
    Ok(Completeness {
        looked: left.whole,
        pending: sent + begun + not_confirmed.files,
        unproved: not_confirmed.files,
        by_size: not_confirmed.large_files,
        pending_until: until_s.and_then(|at_s| Timestamp::from_second(at_s).ok()),
        doubted: missed + claims::left_to_look_at(records, mirror)?.unwrap_or(0),
        unsettled: unsettled.max(left.unsettled),
        put_off: left.put_off + misnamed,
        problems: records.problems(Some(mirror))?.len() as u64,
    })
}

/// Whether a cycle of the mirror has ever ended as it should.
///
/// # Errors
///
/// The state file's.
pub fn has_looked(records: &Records, mirror: &Mirror) -> Result<bool> {
    let ended_s = left(mirror.id).read(records)?.and_then(|left| left.ended_s);
    Ok(mirror.last_success_s.is_some() || ended_s.is_some())
}

/// Notes that a cycle has found something to do. Until it has ended, the mirror is not complete.
///
/// # Errors
///
/// The state file's.
pub(crate) fn begin(w: &mut Writing<'_>, mirror: MirrorId) -> Result<()> {
    left(mirror).change(w, |left| left.whole = false)
}

/// Keeps what the cycles until now have left open.
///
/// # Errors
///
/// The state file's.
pub(crate) fn keep(w: &mut Writing<'_>, mirror: MirrorId, now: &Left) -> Result<()> {
    unconfirmed::note(w, mirror)?;
    left(mirror).change(w, |left| {
        let ended_s = now.ended_s.or(left.ended_s);
        *left = Left { ended_s, ..now.clone() };
    })
}

/// How many files an intent leaves without certainty where they are. What leaves the mirror is not
/// among them.
fn unconfirmed(intent: &Intent) -> u64 {
    match intent {
        Intent::Move { then } => then.len() as u64,
        Intent::MoveFolder { .. } | Intent::Copy { .. } => 1,
        // The content of a file under a temporary name is confirmed.
        Intent::Rename { .. }
        | Intent::MakeFolder { .. }
        | Intent::Retire { .. }
        | Intent::RetireFolder { .. }
        | Intent::Remove { .. } => 0,
    }
}

/// How many files an intent leaves under temporary names.
fn misnamed(intent: &Intent) -> u64 {
    match intent {
        Intent::Rename { urls } => urls.len() as u64,
        Intent::Move { .. }
        | Intent::MoveFolder { .. }
        | Intent::Copy { .. }
        | Intent::MakeFolder { .. }
        | Intent::Retire { .. }
        | Intent::RetireFolder { .. }
        | Intent::Remove { .. } => 0,
    }
}

fn left(mirror: MirrorId) -> Fact<Left> {
    Fact::about(format!("left open in mirror {}", mirror.0))
}
