//! The part of the status that follows from the records alone.

mod proofs;

use std::time::SystemTime;

use fichier_api::HoldOff;
use fichier_state::{Mirror, Store};
use jiff::Timestamp;

pub(super) use self::proofs::account;
use super::kept::encryption;
use crate::config::MirrorConfig;
use crate::mirror::{Held, kind_of_hold_off};
use crate::remote::{looked, nodes_refuse, trust, unconfirmed};
use crate::status::{
    BurstStatus, EncryptionStatus, HeldStatus, HoldOffStatus, MOST_LISTED, MirrorState,
    MirrorStatus, ProblemStatus, WatchStatus,
};
use crate::upkeep::burst::burst;

/// The status of a mirror of which nothing is on record.
pub(super) fn blank(config: &MirrorConfig) -> MirrorStatus {
    MirrorStatus {
        name: config.name.clone(),
        source: config.source.clone(),
        target: config.target.clone(),
        what: "not mirrored yet".to_owned(),
        watch: WatchStatus { mode: "off".to_owned(), ..WatchStatus::default() },
        alarm_after_s: config.alarm_after.map(|after| after.as_secs()),
        encryption: config.encrypt.as_ref().map(|_| EncryptionStatus::default()),
        ..MirrorStatus::default()
    }
}

/// The state of a mirror on which nothing works now, with nothing held and no error.
pub(super) fn at_rest(mirror: &MirrorStatus, paused: bool) -> (MirrorState, String) {
    let open = mirror.completeness.open();
    match (paused, open) {
        (true, Some(open)) => (MirrorState::Waiting, format!("paused, and not complete: {open}")),
        (true, None) => (MirrorState::Waiting, "paused".to_owned()),
        (false, _) if mirror.state == MirrorState::Never => {
            (MirrorState::Never, "not mirrored yet".to_owned())
        }
        (false, Some(open)) => (MirrorState::Waiting, format!("not complete: {open}")),
        (false, None) => (MirrorState::Idle, "up to date".to_owned()),
    }
}

pub(super) fn mirror_on_record(
    store: &Store,
    config: &MirrorConfig,
    time_scale: u32,
) -> Result<MirrorStatus, fichier_state::Error> {
    let mut status = blank(config);
    let row = store.mirror_of(&config.name, &config.source, &config.target)?;
    status.encryption = encryption(store, config, row.as_ref())?;
    let Some(row) = row else { return Ok(status) };
    let totals = store.totals(row.id)?;
    let (versions_files, versions_bytes) = store.version_totals(row.id)?;
    let uploads = store.uploads(row.id)?;
    let pending = uploads.iter().flat_map(|upload| &upload.files);
    let problems = store.problems(Some(row.id))?;
    let now_s = store.clock().now_s();
    if looked::has_looked(store, &row)? {
        status.state = MirrorState::Idle;
    }
    status.completeness = looked::completeness(store, row.id, time_scale, now_s)?;
    // The records tell nothing about a source that was configured since.
    status.completeness.looked &= row.source == config.source;
    status.complete = status.completeness.is_complete();
    status.held = held_status(&row, now_s);
    status.removals_wait = trust::holds_removals(store, row.id)?;
    status.last_success = row.last_success_s.and_then(|at| Timestamp::from_second(at).ok());
    status.overdue_since = overdue_since(config, &row, time_scale, now_s);
    status.last_success_age_s =
        row.last_success_s.map(|at| u64::try_from(store.clock().now_s() - at).unwrap_or(0));
    let open = unconfirmed::unconfirmed(store, row.id)?;
    status.files = totals.files.saturating_sub(open.files + open.large_files);
    status.bytes = totals.bytes.saturating_sub(open.bytes + open.large_bytes);
    status.pending_files = pending.clone().count() as u64 + open.files;
    status.pending_bytes = pending.map(|file| file.size_bytes).sum::<u64>() + open.bytes;
    status.unmanaged = totals.unmanaged_files;
    status.foreign = totals.foreign;
    let unsettled = store.unsettled(row.id, u32::try_from(MOST_LISTED).unwrap_or(u32::MAX))?;
    status.unsettled = unsettled.iter().map(ToString::to_string).collect();
    status.versions_files = versions_files;
    status.versions_bytes = versions_bytes;
    let a_day_ago_s = store.clock().now_s() - 24 * 3600;
    status.replaced_in_24_h = store.replaced_since(row.id, a_day_ago_s)?;
    status.burst = burst(store, row.id)?.map(|burst| BurstStatus {
        since: Timestamp::from_second(burst.since_s).unwrap_or(Timestamp::UNIX_EPOCH),
        files: burst.files,
    });
    status.problem_count = problems.len() as u64;
    status.uploads_wait = nodes_refuse(store)?;
    status.problems = problems
        .into_iter()
        .take(MOST_LISTED)
        .map(|problem| ProblemStatus {
            path: problem.path.to_string(),
            what: problem.what,
            hint: problem.hint,
            tries: problem.tries,
            next_try: Timestamp::from_second(problem.next_try_s).ok(),
        })
        .collect();
    proofs::add(&mut status, store, &row, config)?;
    Ok(status)
}

/// Since when the mirror is overdue. One that was never complete counts from its first record.
fn overdue_since(
    config: &MirrorConfig,
    row: &Mirror,
    time_scale: u32,
    now_s: i64,
) -> Option<Timestamp> {
    let after = config.alarm_after? / time_scale.max(1);
    let after_s = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
    let due_s = row.last_success_s.unwrap_or(row.created_s).saturating_add(after_s);
    (due_s <= now_s).then(|| Timestamp::from_second(due_s).ok()).flatten()
}

fn held_status(row: &Mirror, now_s: i64) -> Option<HeldStatus> {
    let held = Held::of(row)?;
    let since = row.last_success_s.unwrap_or(now_s);
    let since = Timestamp::from_second(since).unwrap_or(Timestamp::UNIX_EPOCH);
    Some(HeldStatus {
        reason: held.text(&row.name),
        cause: held.to_string(),
        removals: held.removals(),
        since,
    })
}

/// The hold-off for the status: until when nothing is sent, and why.
pub fn hold_off_status(hold_off: HoldOff) -> HoldOffStatus {
    let kind = kind_of_hold_off(hold_off.cause);
    HoldOffStatus { until: timestamp(hold_off.until), reason: hold_off.reason, kind }
}

pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}
