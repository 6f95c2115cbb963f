//! What is wrong while no service runs: what is on record, and what the service remembered last.

use fichier_state::Store;
use jiff::Timestamp;

use super::{Facts, Found, Remembered, found};
use crate::status::{DegradedStatus, Status};

/// The note with the episodes that go on, as JSON.
pub(crate) const NOTE: &str = "degraded";

/// What an earlier process, or this one, remembered.
pub fn remembered(store: &Store) -> Vec<Remembered> {
    let text = store.note(NOTE).ok().flatten().unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// What is wrong as the state file tells it, while no service runs: what is on record, and what
/// the service remembered last of everything else.
pub fn at_rest(status: &Status, remembered: &[Remembered], now_s: i64) -> Vec<DegradedStatus> {
    let now = Timestamp::from_second(now_s).unwrap_or(Timestamp::UNIX_EPOCH);
    let since = |found: &Found| {
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
    for it in remembered.iter().filter(is_known).filter(|it| !it.kind.is_on_record()) {
        let (kind, mirror, cause) = (it.kind, it.mirror.clone(), it.cause.clone());
        let found = Found { kind, mirror, cause, next_try: None };
        all.push(found.entry(Some(it.since_s), now_s));
    }
    all.sort_by_key(|it| !it.stops);
    all
}
