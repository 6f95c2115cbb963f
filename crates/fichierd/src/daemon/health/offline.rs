//! The status while no service runs: the records, and the states that the service remembered last.

use fichier_state::{Clock, Store};
use jiff::Timestamp;

use super::recorded::{account, at_rest, blank, mirror_on_record};
use super::{Facts, FoundState, Remembered, found};
use crate::base::Fact;
use crate::config::{MirrorConfig, NotifyConfig};
use crate::daemon::alerts::notified;
use crate::status::{DegradedStatus, HoldOffStatus, MirrorState, MirrorStatus, Status};

/// The status as the state file tells it, while no service runs.
///
/// # Errors
///
/// Those of the state file.
pub fn offline(
    store: &Store,
    mirrors: &[MirrorConfig],
    notify: &[NotifyConfig],
    time_scale: u32,
    hold_off: Option<HoldOffStatus>,
) -> Result<Status, fichier_state::Error> {
    let (paused, account) = (store.paused()?, account(store)?);
    let notified = notified(store, notify)?;
    let mut status = Status { paused, account, hold_off, notified, ..Status::default() };
    for config in mirrors {
        let mut mirror = mirror_on_record(store, config, time_scale)?;
        (mirror.state, mirror.what) = state_of(&mirror, paused);
        status.mirrors.push(mirror);
    }
    let remembered = remembered(store);
    let degraded = degraded(&status, &remembered, store.clock().now_s());
    status.set_degraded(degraded);
    Ok(status)
}

/// The status of mirrors of which nothing is on record.
pub fn never(mirrors: &[MirrorConfig], hold_off: Option<HoldOffStatus>) -> Status {
    let mirrors = mirrors.iter().map(blank).collect();
    let mut status = Status { hold_off, mirrors, ..Status::default() };
    let degraded = degraded(&status, &[], Clock::default().now_s());
    status.set_degraded(degraded);
    status
}

/// The state of a mirror that no process works on, by its records.
fn state_of(mirror: &MirrorStatus, paused: bool) -> (MirrorState, String) {
    if let Some(held) = &mirror.held {
        return (MirrorState::Held, held.reason.clone());
    }
    at_rest(mirror, paused)
}

/// The episodes that go on; the fact is missing while there are none.
pub(crate) const REMEMBERED: Fact<Vec<Remembered>> = Fact::named("degraded");

/// The episodes that an earlier process, or this one, remembered.
pub fn remembered(store: &Store) -> Vec<Remembered> {
    REMEMBERED.read(store).ok().flatten().unwrap_or_default()
}

/// The degraded states while no service runs: those that follow from the records, and of the others
/// those that the service remembered last.
fn degraded(status: &Status, remembered: &[Remembered], now_s: i64) -> Vec<DegradedStatus> {
    let now = Timestamp::from_second(now_s).unwrap_or(Timestamp::UNIX_EPOCH);
    let since = |found: &FoundState| {
        let same = |it: &&Remembered| it.kind == found.kind && it.mirror == found.mirror;
        remembered.iter().find(same).map(|it| it.since_s)
    };
    let on_record = found(status, &Facts::default(), now);
    let mut all: Vec<DegradedStatus> =
        on_record.iter().map(|found| found.entry(since(found), now_s)).collect();
    let is_known = |it: &&Remembered| {
        let name = it.mirror.as_deref();
        name.is_none_or(|name| status.mirrors.iter().any(|mirror| mirror.name == name))
    };
    // A state that only a running service can be in has ended with it.
    let lasts = |it: &&Remembered| !it.kind.about().on_record && !it.kind.is_of_a_process();
    let is_found = |it: &&Remembered| {
        on_record.iter().any(|found| found.kind == it.kind && found.mirror == it.mirror)
    };
    for it in remembered.iter().filter(is_known).filter(lasts).filter(|it| !is_found(it)) {
        let (kind, mirror, cause) = (it.kind, it.mirror.clone(), it.cause.clone());
        let found = FoundState { kind, mirror, cause, next_try: None };
        all.push(found.entry(Some(it.since_s), now_s));
    }
    all.sort_by_key(|it| !it.stops);
    all
}
