//! The pacer with real time, scaled, and several tasks and processes' worth of pacers.

use std::time::Instant;

use super::*;
use crate::types::FolderId;

/// A second is a millisecond.
const SCALED: PaceConfig = PaceConfig { calls_per_second: 1.0, time_scale: 1_000 };
const FLOOD: ErrorKind = ErrorKind::Throttled { retry_after: None };
const FOLDER: Lane = Lane::Listing(FolderId(7));

fn owner_locked() -> ErrorKind {
    ErrorKind::OwnerLocked { message: "Owner locked #620".to_owned() }
}

/// A pacer whose hold-offs and lanes do not end while a test runs.
fn unscaled() -> Pacer {
    Pacer::in_memory(PaceConfig::default())
}

/// The hold-off that a turn runs into.
async fn refusal(pacer: &Pacer) -> String {
    match pacer.turn(Lane::Call).await {
        Err(ErrorKind::HeldOff { reason, .. }) => reason,
        other => panic!("no hold-off: {other:?}"),
    }
}

/// What is known about the account, or nothing, at the cost of a turn.
async fn read(pacer: &Pacer) -> Option<String> {
    match pacer.account_turn("key").await.unwrap() {
        TurnOr::Known(reply) => Some(reply),
        TurnOr::Turn(_) => None,
    }
}

#[tokio::test]
async fn each_turn_of_a_call_is_counted() {
    let pacer = Pacer::in_memory(SCALED);
    for lane in [Lane::Call, FOLDER, FOLDER, Lane::Account, Lane::SmallDownload] {
        drop(pacer.turn(lane).await.unwrap());
    }
    assert_eq!(pacer.calls_made(), 4);
}

#[tokio::test]
async fn the_time_that_calls_wait_is_counted() {
    let pacer = Pacer::in_memory(SCALED);
    drop(pacer.turn(FOLDER).await.unwrap());
    let began = pacer.counts().waited;
    // The same folder again has to wait.
    drop(pacer.turn(FOLDER).await.unwrap());
    assert!(pacer.counts().waited - began >= Duration::from_millis(10));
    let next = Pacer::in_memory(SCALED).counting_on(&pacer);
    assert_eq!((next.counts(), next.calls_made()), (pacer.counts(), 2));
}

#[tokio::test]
async fn a_hold_off_is_counted_once() {
    let pacer = unscaled();
    pacer.note_failure("file/mv.cgi", &ErrorKind::NotFound);
    assert_eq!(pacer.counts().hold_offs, 0);
    pacer.note_failure("file/mv.cgi", &FLOOD);
    pacer.note_failure("file/mv.cgi", &FLOOD);
    assert_eq!(pacer.counts().hold_offs, 1, "the second answer found it in force");
}

#[tokio::test]
async fn an_answered_call_makes_room_for_others() {
    let pacer = Pacer::in_memory(PaceConfig { calls_per_second: 3.0, time_scale: 1 });
    for _ in 0..2 {
        drop(pacer.turn(Lane::Call).await.unwrap());
    }
    let rules = pacer.shared.rules;
    let later = pacer.update(|kept, now| {
        let later = now + 2_000_000;
        [(); 2].map(|()| kept.schedule.claim(Lane::Call, later, &rules))
    });
    assert_eq!(later.unwrap(), [Ok(()), Ok(())]);
}

#[tokio::test]
async fn after_a_reading_that_met_nobody_the_next_may_come_after_a_minute() {
    let pacer = unscaled();
    drop(pacer.turn(Lane::Account).await.unwrap());
    let rules = pacer.shared.rules;
    let free_after = |seconds: Micros| {
        let claim = |kept: &mut Kept, now| {
            kept.schedule.clone().claim(Lane::Account, now + seconds * 1_000_000, &rules).is_ok()
        };
        pacer.update(claim).unwrap()
    };
    assert!(!free_after(75));
    pacer.account_unread();
    assert!(!free_after(60) && free_after(75));
}

#[tokio::test]
async fn a_lock_of_the_owner_is_written_down_once() {
    let (pacer, other) = (unscaled(), unscaled());
    other.note_failure("file/mv.cgi", &owner_locked());
    assert_eq!(refusal(&other).await, owner_locked().to_string());
    // Nothing of it is owed when it was written down.
    pacer.note_failure("file/mv.cgi", &owner_locked());
    pacer.end_hold_off();
    drop(pacer.turn(Lane::Call).await.unwrap());
}

#[tokio::test]
async fn ordinary_answers_long_after_a_flood_make_the_next_hold_off_short() {
    // A quarter of an hour is a millisecond.
    let pacer = Pacer::in_memory(PaceConfig { calls_per_second: 1.0, time_scale: 900_000 });
    let is_troubled = || lock(&pacer.shared.memory).last_seen().schedule.is_troubled();
    pacer.note_failure("file/mv.cgi", &FLOOD);
    assert!(is_troubled());
    let begun = Instant::now();
    while is_troubled() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is never calm again");
        tokio::task::yield_now().await;
        pacer.note_ok("folder/ls.cgi");
    }
}

#[test]
fn the_scale_of_time_is_that_of_the_settings() {
    assert_eq!((unscaled().time_scale(), Pacer::in_memory(SCALED).time_scale()), (1, 1_000));
}

#[tokio::test]
async fn many_tasks_share_one_pace() {
    let pacer = Pacer::in_memory(SCALED);
    let begun = Instant::now();
    let tasks = (0..20).map(|_| {
        let pacer = pacer.clone();
        async move { drop(pacer.turn(Lane::Call).await.unwrap()) }
    });
    futures_util::future::join_all(tasks).await;
    // Two at once, then 18 intervals: a lower bound that no slow machine can break.
    assert!(begun.elapsed() >= Duration::from_millis(18), "{:?}", begun.elapsed());
    assert_eq!(pacer.calls_made(), 20);
}

#[tokio::test]
async fn requests_without_an_answer_leave_less_room_for_those_of_all_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pace");
    // Intervals of a microsecond: only the window is felt.
    let config = PaceConfig { calls_per_second: 3.0, time_scale: 300_000 };
    let (one, other) = (Pacer::at(&path, config).unwrap(), Pacer::at(&path, config).unwrap());
    let mut turns = Vec::new();
    for pacer in [&one, &other, &one] {
        turns.push(pacer.turn(Lane::Call).await.unwrap());
    }
    let fourth = other.claim(Lane::Call).unwrap();
    assert!(matches!(&fourth, Err(wait) if wait.in_queue), "it could arrive with the others");
    turns.clear();
    drop(other.turn(Lane::Call).await.unwrap());
}

#[tokio::test]
async fn in_a_hold_off_each_turn_fails_at_once_with_its_reason_and_is_not_counted() {
    let pacer = unscaled();
    pacer.note_failure("file/mv.cgi", &FLOOD);
    assert_eq!(refusal(&pacer).await, FLOOD.to_string());
    assert_eq!(pacer.calls_made(), 0);
    let hold_off = pacer.hold_off().unwrap();
    let left = hold_off.until.duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(30) && left <= Duration::from_secs(60), "{left:?}");
}

#[tokio::test]
async fn who_already_waits_is_turned_away_when_a_hold_off_begins() {
    for lane in [FOLDER, Lane::SmallDownload] {
        let pacer = unscaled();
        drop(pacer.turn(lane).await.unwrap());
        let waiting = tokio::spawn({
            let pacer = pacer.clone();
            async move { pacer.turn(lane).await }
        });
        tokio::task::yield_now().await;
        pacer.note_failure("file/mv.cgi", &FLOOD);
        // Before it would have looked again by itself.
        let turn = tokio::time::timeout(LOOK_AGAIN / 2, waiting).await.unwrap().unwrap();
        assert!(matches!(turn, Err(ErrorKind::HeldOff { .. })), "{turn:?}");
    }
}

#[tokio::test]
async fn a_hold_off_binds_all_who_share_the_memory_also_later_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pace");
    let open = || Pacer::at(&path, PaceConfig::default()).unwrap();
    let (one, other) = (open(), open());
    one.note_failure("file/mv.cgi", &ErrorKind::Locked);
    assert_eq!(refusal(&other).await, ErrorKind::Locked.to_string());
    assert_eq!(refusal(&open()).await, ErrorKind::Locked.to_string());
    other.end_hold_off();
    assert_eq!(one.hold_off(), None);
    drop(one.turn(Lane::Call).await.unwrap());
}

#[tokio::test]
async fn only_floods_and_locks_begin_a_hold_off() {
    for (kind, holds) in [
        (FLOOD, true),
        (ErrorKind::Locked, true),
        (owner_locked(), true),
        (ErrorKind::KeyRefused, false),
        (ErrorKind::NotFound, false),
        (ErrorKind::Maintenance, false),
        (ErrorKind::Failing { status: 502, words: String::new() }, false),
    ] {
        let pacer = unscaled();
        pacer.note_failure("file/mv.cgi", &kind);
        assert_eq!(pacer.hold_off().is_some(), holds, "{kind}");
    }
}

#[tokio::test]
async fn a_lane_that_waits_does_not_hold_up_the_others() {
    let pacer = unscaled();
    drop(pacer.turn(FOLDER).await.unwrap());
    let waiting = tokio::spawn({
        let pacer = pacer.clone();
        async move { pacer.turn(FOLDER).await }
    });
    tokio::task::yield_now().await;
    drop(pacer.turn(Lane::Call).await.unwrap());
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn the_accounts_description_is_shared_and_only_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pace");
    let open = || Pacer::at(&path, PaceConfig::default()).unwrap();
    let one = open();
    assert_eq!(read(&one).await, None);
    one.remember_account("key", "{}");
    assert_eq!(read(&open()).await.as_deref(), Some("{}"));
    assert_eq!(open().remembered_account("another"), None);
    one.forget_account();
    assert_eq!(open().remembered_account("key"), None);
}

#[tokio::test]
async fn who_waits_to_read_the_account_takes_what_another_has_read() {
    let pacer = unscaled();
    assert_eq!(read(&pacer).await, None);
    let waiting = tokio::spawn({
        let pacer = pacer.clone();
        async move { read(&pacer).await }
    });
    tokio::task::yield_now().await;
    pacer.remember_account("key", "{}");
    let known = tokio::time::timeout(LOOK_AGAIN / 2, waiting).await.unwrap().unwrap();
    assert_eq!(known.as_deref(), Some("{}"));
    assert_eq!(pacer.calls_made(), 1);
}

#[test]
fn the_configured_pace_is_kept_within_what_the_service_publishes() {
    for (asked, interval_ms) in [(1.0, 1_000), (9.0, 333), (0.0, 100_000), (f64::NAN, 1_000)] {
        let rules = rules(PaceConfig { calls_per_second: asked, time_scale: 0 });
        assert_eq!((rules.interval.as_millis(), rules.time_scale), (interval_ms, 1), "{asked}");
    }
}

#[tokio::test]
async fn a_flood_that_could_not_be_written_down_is_not_forgotten() {
    // A device on which every write fails as on a full disk.
    let full = Pacer::at(std::path::Path::new("/dev/full"), PaceConfig::default()).unwrap();
    full.note_failure("file/mv.cgi", &FLOOD);
    let owed = lock(&full.shared.owed).take().unwrap();
    let pacer = unscaled();
    *lock(&pacer.shared.owed) = Some(owed);
    assert_eq!(refusal(&pacer).await, FLOOD.to_string());
}
