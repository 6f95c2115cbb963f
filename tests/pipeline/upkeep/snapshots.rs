//! Copies of the records go to the service: what they cost, when they are made, which are kept. No
//! fault leaves one twice, in part, or without a record of it.

use std::fs;
use std::time::{Duration, Instant};

use fichier_emulator::{Action, Fault, StoredFile};
use fichier_state::{SnapshotFacts, examine};
use fichier_testkit::{Bench, TARGET, crypt};
use fichierd::config::Keep;
use fichierd::remote::ledger::{self, CANARY_NAME};
use fichierd::upkeep::snapshot::{self, CANARY_TEXT};

const FIRST: [&str; 5] =
    ["folder/mkdir.cgi", "upload/get_upload_server.cgi", "upload.cgi", "end.pl", "file/mv.cgi"];
const LATER: &[&str] = FIRST.split_at(1).1;
const QUARTER: Duration = Duration::from_secs(15 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The snapshots at the service, by name.
fn snapshots(world: &Bench) -> Vec<StoredFile> {
    in_state_folder(world, |name| name != CANARY_NAME)
}

fn canaries(world: &Bench) -> Vec<StoredFile> {
    in_state_folder(world, |name| name == CANARY_NAME)
}

fn in_state_folder(world: &Bench, is_one: impl Fn(&str) -> bool) -> Vec<StoredFile> {
    let mut files = world.emulator.files();
    let folder = format!("{TARGET}/.fichierd/state");
    files.retain(|file| file.path == folder);
    files.iter_mut().for_each(|file| file.name = crypt::plain_file(&file.name));
    files.retain(|file| is_one(&file.name));
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// The facts in a snapshot at the service; panics if it is not sound.
fn look_into(world: &Bench, file: &StoredFile) -> SnapshotFacts {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records");
    let packed = world.content(&file.link);
    fs::write(&path, zstd::decode_all(&*packed).unwrap()).unwrap();
    examine(&path).unwrap()
}

/// A settled mirror with many small files, and its first snapshot.
async fn with_snapshot(files: usize) -> Bench {
    with_snapshot_and(Keep::Forever, files).await
}

async fn with_snapshot_and(keep: Keep, files: usize) -> Bench {
    let mut world = Bench::with(|_| {}, |config| config.keep = keep).await;
    world.write_many((0..files).map(|n| format!("{}/file-{n}", n % 5)));
    world.settle().await;
    world.chores().await;
    world
}

/// The calls of the work between cycles, without those that look into versions folders, or at the
/// account, or download the canary.
async fn calls_of_chores(world: &mut Bench) -> Vec<String> {
    let folders = world.emulator.folders();
    let versions = folders.iter().filter(|path| path.contains("/.fichierd/versions"));
    let versions: Vec<_> = versions.filter_map(|path| world.emulator.folder_id(path)).collect();
    let before = world.emulator.calls();
    let end = world.chores().await;
    assert!(end.trouble.is_none(), "{:?}", end.trouble);
    let made = world.emulator.requests().split_off(before).into_iter();
    made.filter(|made| !made.folder_id.is_some_and(|id| versions.contains(&id)))
        .map(|made| made.endpoint)
        .filter(|name| !["user/info.cgi", "download/get_token.cgi"].contains(&name.as_str()))
        .collect()
}

/// Lets time pass.
fn advance(world: &Bench, by: Duration) {
    world.shared.state.clock().advance(by);
}

/// Changes a file, and mirrors the change.
async fn change(world: &mut Bench, content: &str) {
    world.write("changing", content);
    world.settle().await;
}

/// Panics unless the snapshots on record are those at the service, and nothing waits.
fn assert_snapshots_known(world: &Bench) {
    let rows = world.shared.state.read(|s| s.snapshots(world.worker.id)).unwrap();
    let mut known: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    known.sort();
    let there: Vec<String> = snapshots(world).into_iter().map(|file| file.name).collect();
    assert_eq!(known, there);
    assert!(rows.iter().all(|row| row.url.is_some()));
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_snapshot_costs_five_calls_and_brings_the_canary() {
    let mut world = Bench::new().await;
    let secret = world.emulator.api_key().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    fs::write(&config, format!("# {secret}\nstate_dir = \"/s\"\n")).unwrap();
    world.shared.state.write(|w| snapshot::remember_config(w, &config)).unwrap();
    world.write("a", "content");
    world.settle().await;
    assert_eq!(calls_of_chores(&mut world).await, FIRST);
    let [file] = &snapshots(&world)[..] else { panic!("{:?}", snapshots(&world)) };
    assert!(file.name.ends_with("-000001-full.zst"), "{}", file.name);
    let facts = look_into(&world, file);
    assert_eq!((&*facts.name, &*facts.mirror, &*facts.target), (&*file.name, "photos", TARGET));
    assert_eq!(facts.installation.as_deref(), Some("installation-1"));
    assert_eq!(facts.config.unwrap(), "# ***\nstate_dir = \"/s\"\n");

    let [canary] = &canaries(&world)[..] else { panic!("{:?}", canaries(&world)) };
    assert_eq!(world.content(&canary.link), CANARY_TEXT);
    let known =
        world.shared.state.read(|s| ledger::canary(world.worker.id).read(s)).unwrap().unwrap();
    assert_eq!((known.size, known.link.as_str()), (crypt::stored_bytes(64), &*canary.link));

    assert_eq!(calls_of_chores(&mut world).await, Vec::<String>::new());
    advance(&world, DAY * 3);
    assert_eq!(calls_of_chores(&mut world).await, Vec::<String>::new(), "nothing has changed");
    assert_snapshots_known(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_snapshot_waits_for_something_to_tell() {
    let mut world = Bench::new().await;
    world.settle().await;
    assert_eq!(calls_of_chores(&mut world).await, Vec::<String>::new());
    fs::create_dir(world.path("empty")).unwrap();
    world.settle().await;
    assert_eq!(calls_of_chores(&mut world).await, FIRST);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_changes_are_sent_alone_and_laid_over_the_last_whole_one() {
    let mut world = with_snapshot(300).await;
    let whole = snapshots(&world).remove(0);
    for round in 0..2 {
        change(&mut world, &format!("round {round}")).await;
        advance(&world, DAY);
        assert_eq!(calls_of_chores(&mut world).await, LATER);
        let part = snapshots(&world).pop().unwrap();
        assert!(part.name.ends_with("-part.zst"), "{}", part.name);
        assert!(part.size * 4 < whole.size, "{} of {}", part.size, whole.size);
        assert_eq!(look_into(&world, &part).base.unwrap(), whole.name, "never chained");
    }
    world.write_many((0..300).map(|n| format!("more/{n}")));
    world.settle().await;
    advance(&world, DAY);
    world.chores().await;
    assert!(snapshots(&world).pop().unwrap().name.ends_with("-full.zst"), "most is new");

    change(&mut world, "a week later").await;
    advance(&world, DAY * 7);
    world.chores().await;
    assert!(snapshots(&world).pop().unwrap().name.ends_with("-full.zst"), "once a week");
    assert_snapshots_known(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_come_daily_and_more_often_where_they_cost_little() {
    let mut world = with_snapshot(3).await;
    change(&mut world, "little").await;
    advance(&world, DAY - QUARTER);
    assert_eq!(calls_of_chores(&mut world).await, Vec::<String>::new(), "too dear for now");
    advance(&world, QUARTER);
    assert_eq!(calls_of_chores(&mut world).await, LATER, "a day has passed");

    world.write("large", vec![5; 8 << 20]);
    world.settle().await;
    for minutes in [5, 14] {
        advance(&world, Duration::from_secs(5 * 60));
        assert_eq!(calls_of_chores(&mut world).await, Vec::<String>::new(), "{minutes} minutes");
    }
    advance(&world, Duration::from_secs(5 * 60));
    assert_eq!(calls_of_chores(&mut world).await, LATER, "8 MiB pay for many");
    assert_snapshots_known(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_each_day_is_kept_within_the_retention_and_whole_ones_that_others_need() {
    let mut world = with_snapshot_and(Keep::For(DAY * 4), 300).await;
    world.write("large", vec![5; 8 << 20]);
    world.settle().await;
    for step in 0..40 {
        change(&mut world, &format!("step {step}")).await;
        advance(&world, DAY / 4);
        world.chores().await;
        assert_snapshots_known(&world);
        for part in snapshots(&world) {
            let base = look_into(&world, &part).base;
            assert!(base.is_none_or(|base| snapshots(&world).iter().any(|f| f.name == base)));
        }
    }
    let days: Vec<String> =
        snapshots(&world).iter().map(|file| file.name[..8].to_owned()).collect();
    let newest_days: std::collections::BTreeSet<&String> = days.iter().rev().take(8).collect();
    assert!(newest_days.len() >= 4, "one a day is kept: {days:?}");
    assert!(days.len() < 20, "of 41 are left: {days:?}");
    assert_eq!(canaries(&world).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_whose_reply_is_lost_is_asked_for_and_not_sent_again() {
    for (endpoint, action, calls) in [
        ("upload.cgi", Action::DoItThenReset, &["end.pl", "file/mv.cgi"][..]),
        ("end.pl", Action::DoItThenReset, &["end.pl", "end.pl", "file/mv.cgi"]),
        ("upload.cgi", Action::EmptyLinks(99), &["end.pl", "folder/ls.cgi", "file/mv.cgi"]),
        ("end.pl", Action::Scanning(2), &["end.pl", "end.pl", "end.pl", "file/mv.cgi"]),
        ("file/mv.cgi", Action::DoItThenReset, &["end.pl", "file/mv.cgi", "file/mv.cgi"]),
    ] {
        let mut world = Bench::new().await;
        world.write("a", "content");
        world.settle().await;
        world.emulator.inject(Fault::once(endpoint, action.clone()));
        let mut made = calls_of_chores(&mut world).await;
        let after: Vec<String> = made.split_off(3);
        let mut distinct = after.clone();
        if matches!(action, Action::EmptyLinks(_)) {
            distinct.dedup();
        }
        assert_eq!(distinct, calls, "{endpoint} {action:?}");
        assert_eq!((snapshots(&world).len(), canaries(&world).len()), (1, 1));
        assert_snapshots_known(&world);
        world.emulator.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_not_taken_is_made_anew_under_another_name() {
    for action in [Action::NodeStorage, Action::ResetAfter(200)] {
        let mut world = Bench::new().await;
        world.write("a", "content");
        world.settle().await;
        world.emulator.inject(Fault::once("upload.cgi", action.clone()));
        let _trouble = world.worker.chores(&world.shared).await;
        assert_eq!(snapshots(&world).len(), 0);
        assert_eq!(calls_of_chores(&mut world).await, Vec::<String>::new(), "not at once");
        advance(&world, QUARTER);
        if matches!(action, Action::ResetAfter(_)) {
            // All of it was handed to the network: the node and the staging folder are asked.
            let asked = calls_of_chores(&mut world).await;
            assert_eq!((&*asked[0], asked.last().unwrap().as_str()), ("end.pl", "folder/ls.cgi"));
        }
        assert_eq!(calls_of_chores(&mut world).await, LATER, "{action:?}");
        let [file] = &snapshots(&world)[..] else { panic!() };
        assert!(file.name.contains("-000002-"), "{}", file.name);
        assert_snapshots_known(&world);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_arrived_damaged_goes_and_another_one_comes() {
    let mut world = Bench::new().await;
    world.write("a", "content");
    world.settle().await;
    world.emulator.inject(Fault::once("end.pl", Action::WrongWhirlpool));
    // Only the listing counts.
    world.chores().await;
    assert_eq!(snapshots(&world).len(), 1);
    assert_snapshots_known(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_comes_to_its_place_once_whenever_the_process_dies() {
    for n in 0..FIRST.len() {
        for carried_out in [false, true] {
            let mut world = Bench::new().await;
            world.write("a", "content");
            world.settle().await;
            assert!(world.kill_chores_at(n, carried_out).await, "there is no request {n}");
            let mut world = world.restart();
            let deadline = Instant::now() + Duration::from_secs(20);
            while snapshots(&world).is_empty() {
                assert!(Instant::now() < deadline, "{n} {carried_out}: none is sent");
                world.settle().await;
                world.chores().await;
            }
            world.settle().await;
            eprintln!("killed at {n}, carried out: {carried_out}");
            assert_snapshots_known(&world);
            assert_eq!((snapshots(&world).len(), canaries(&world).len()), (1, 1));
            assert_eq!(world.versions().len(), 0, "none is taken for a leftover");
            let versions = world.shared.state.read(|s| s.version_totals(world.worker.id));
            assert_eq!(versions.unwrap(), (0, 0), "nor is it on record as one");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_that_somebody_removed_is_made_again() {
    let mut world = with_snapshot(3).await;
    world.emulator.remove_folder(&format!("{TARGET}/.fichierd/state"));
    change(&mut world, "something").await;
    advance(&world, DAY);
    for _ in 0..3 {
        let _trouble = world.worker.chores(&world.shared).await;
        advance(&world, QUARTER);
        world.settle().await;
    }
    assert_eq!(snapshots(&world).len(), 1);
    look_into(&world, &snapshots(&world)[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_at_a_stop_is_sent_after_the_next_start() {
    let mut world = with_snapshot(300).await;
    change(&mut world, "at the end of the day").await;
    advance(&world, QUARTER);
    assert_eq!(calls_of_chores(&mut world).await, Vec::<String>::new(), "too dear for now");
    let stop = |world: &Bench| {
        let row = world.shared.state.read(|s| s.mirrors()).unwrap().remove(0);
        let soon = Instant::now() + Duration::from_secs(6);
        let (state, client) = (&world.shared.state, &world.shared.client);
        snapshot::write_at_stop(state, client, (&row, &world.worker.form), soon);
    };
    // A file that changed a moment ago is read again, and recorded.
    let is_racy = |world: &Bench| {
        let entries = world.shared.state.read(|s| {
            let row = s.mirrors()?.remove(0);
            s.entries(row.root)
        });
        entries.unwrap().iter().any(|entry| entry.racy)
    };
    while is_racy(&world) {
        world.settle().await;
    }
    // A snapshot made within the second of a change may lack the change.
    advance(&world, Duration::from_secs(2));
    stop(&world);
    let mut world = world.restart();
    world.settle().await;
    advance(&world, QUARTER);
    assert_eq!(calls_of_chores(&mut world).await, LATER);
    assert_eq!(snapshots(&world).len(), 2);
    look_into(&world, &snapshots(&world)[1]);
    assert_snapshots_known(&world);

    // The records are newer by then: the written snapshot is of no use.
    change(&mut world, "later").await;
    stop(&world);
    let mut world = world.restart();
    change(&mut world, "later still").await;
    advance(&world, QUARTER);
    assert_eq!(calls_of_chores(&mut world).await, Vec::<String>::new());
    advance(&world, DAY);
    assert_eq!(calls_of_chores(&mut world).await, LATER);
    assert_snapshots_known(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_that_cannot_be_sent_for_a_day_are_a_degraded_state() {
    let mut world = with_snapshot(3).await;
    let health = |world: &Bench| {
        let row = world.shared.state.read(|s| s.mirrors()).unwrap().remove(0);
        let now_s = world.shared.state.now_s();
        world.shared.state.read(|s| snapshot::health(s, &row, now_s)).unwrap()
    };
    assert_eq!(health(&world).changed_since_s, None);
    advance(&world, DAY * 5);
    assert_eq!(health(&world).overdue_since_s, None, "nothing has changed");
    change(&mut world, "something").await;
    assert!(health(&world).changed_since_s.is_some());
    world.emulator.inject(Fault::always("upload.cgi", Action::NodeStorage));
    world.chores().await;
    assert_eq!(health(&world).overdue_since_s, None, "not yet");
    advance(&world, DAY);
    world.chores().await;
    assert!(health(&world).overdue_since_s.is_some());
    world.emulator.clear_faults();
    advance(&world, QUARTER);
    world.chores().await;
    assert_eq!(health(&world).overdue_since_s, None);
    assert!(health(&world).newest_s.is_some());
}
