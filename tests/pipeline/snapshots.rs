//! Copies of the records go to the service: what they cost, when they are made, which are kept, and
//! that no fault leaves two of one, half of one, or one that nobody knows of.

use std::fs;
use std::time::{Duration, Instant};

use fichier_emulator::{Action, Fault, StoredFile};
use fichier_state::{SnapshotFacts, examine};
use fichierd::config::Keep;
use fichierd::remote::ledger::{self, CANARY_NAME};
use fichierd::upkeep::snapshot::{self, CANARY_TEXT};

use crate::world::{TARGET, World};

const FIRST: [&str; 5] =
    ["folder/mkdir.cgi", "upload/get_upload_server.cgi", "upload.cgi", "end.pl", "file/mv.cgi"];
const LATER: &[&str] = FIRST.split_at(1).1;
const QUARTER: Duration = Duration::from_secs(15 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    /// The snapshots at the service, by name.
    fn snapshots(&self) -> Vec<StoredFile> {
        self.in_state_folder(|name| name != CANARY_NAME)
    }

    fn canaries(&self) -> Vec<StoredFile> {
        self.in_state_folder(|name| name == CANARY_NAME)
    }

    fn in_state_folder(&self, is_one: impl Fn(&str) -> bool) -> Vec<StoredFile> {
        let folder = format!("{TARGET}/.fichierd/state");
        let files = self.emulator.files().into_iter();
        files.filter(|file| file.path == folder && is_one(&file.name)).collect()
    }

    /// What a snapshot at the service says about itself; panics if it is not sound.
    fn look_into(&self, file: &StoredFile) -> SnapshotFacts {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records");
        let packed = self.emulator.content(&file.link).unwrap();
        fs::write(&path, zstd::decode_all(&*packed).unwrap()).unwrap();
        examine(&path).unwrap()
    }

    /// A mirror with many small files at rest, and its first snapshot.
    async fn with_snapshot(files: usize) -> World {
        World::with_snapshot_and(Keep::Forever, files).await
    }

    async fn with_snapshot_and(keep: Keep, files: usize) -> World {
        let mut world = World::with(|_| {}, |config| config.keep = keep).await;
        world.write_many((0..files).map(|n| format!("{}/file-{n}", n % 5)));
        world.settle().await;
        world.chores().await;
        world
    }

    /// The calls of what is due between cycles, without those that look into versions folders, or
    /// at the account, or download the canary.
    async fn calls_of_chores(&mut self) -> Vec<String> {
        let folders = self.emulator.folders();
        let versions = folders.iter().filter(|path| path.contains("/.fichierd/versions"));
        let versions: Vec<_> = versions.filter_map(|path| self.emulator.folder_id(path)).collect();
        let before = self.emulator.calls();
        let end = self.chores().await;
        assert!(end.trouble.is_none(), "{:?}", end.trouble);
        let made = self.emulator.requests().split_off(before).into_iter();
        made.filter(|made| !made.folder_id.is_some_and(|id| versions.contains(&id)))
            .map(|made| made.endpoint)
            .filter(|name| !["user/info.cgi", "download/get_token.cgi"].contains(&name.as_str()))
            .collect()
    }

    /// Time passes.
    fn advance(&self, by: Duration) {
        self.shared.state.clock().advance(by);
    }

    /// Something changes, and is mirrored.
    async fn change(&mut self, content: &str) {
        self.write("changing", content);
        self.settle().await;
    }

    /// What is on record and what is at the service are the same, and nothing waits.
    fn assert_snapshots_known(&self) {
        let rows = self.shared.state.read(|s| s.snapshots(self.worker.id)).unwrap();
        let mut known: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
        known.sort();
        let there: Vec<String> = self.snapshots().into_iter().map(|file| file.name).collect();
        assert_eq!(known, there);
        assert!(rows.iter().all(|row| row.url.is_some()));
        self.assert_mirrored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_snapshot_costs_five_calls_and_brings_the_canary() {
    let mut world = World::new().await;
    let secret = world.emulator.api_key().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    fs::write(&config, format!("# {secret}\nstate_dir = \"/s\"\n")).unwrap();
    world.shared.state.write(|w| snapshot::remember_config(w, &config)).unwrap();
    world.write("a", "content");
    world.settle().await;
    assert_eq!(world.calls_of_chores().await, FIRST);
    let [file] = &world.snapshots()[..] else { panic!("{:?}", world.snapshots()) };
    assert!(file.name.ends_with("-000001-full.zst"), "{}", file.name);
    let facts = world.look_into(file);
    assert_eq!((&*facts.name, &*facts.mirror, &*facts.target), (&*file.name, "photos", TARGET));
    assert_eq!(facts.installation.as_deref(), Some("installation-1"));
    assert_eq!(facts.config.unwrap(), "# ***\nstate_dir = \"/s\"\n");

    let [canary] = &world.canaries()[..] else { panic!("{:?}", world.canaries()) };
    assert_eq!(world.emulator.content(&canary.link).unwrap(), CANARY_TEXT);
    let known = world.shared.state.read(|s| ledger::canary(s, world.worker.id)).unwrap().unwrap();
    assert_eq!((known.size, known.link.as_str()), (64, &*canary.link));

    assert_eq!(world.calls_of_chores().await, Vec::<String>::new());
    world.advance(DAY * 3);
    assert_eq!(world.calls_of_chores().await, Vec::<String>::new(), "nothing has changed");
    world.assert_snapshots_known();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_snapshot_waits_for_something_to_tell() {
    let mut world = World::new().await;
    world.settle().await;
    assert_eq!(world.calls_of_chores().await, Vec::<String>::new());
    fs::create_dir(world.path("empty")).unwrap();
    world.settle().await;
    assert_eq!(world.calls_of_chores().await, FIRST);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_changes_are_sent_alone_and_laid_over_the_last_whole_one() {
    let mut world = World::with_snapshot(300).await;
    let whole = world.snapshots().remove(0);
    for round in 0..2 {
        world.change(&format!("round {round}")).await;
        world.advance(DAY);
        assert_eq!(world.calls_of_chores().await, LATER);
        let part = world.snapshots().pop().unwrap();
        assert!(part.name.ends_with("-part.zst"), "{}", part.name);
        assert!(part.size * 4 < whole.size, "{} of {}", part.size, whole.size);
        assert_eq!(world.look_into(&part).base.unwrap(), whole.name, "never chained");
    }
    world.write_many((0..300).map(|n| format!("more/{n}")));
    world.settle().await;
    world.advance(DAY);
    world.chores().await;
    assert!(world.snapshots().pop().unwrap().name.ends_with("-full.zst"), "most is new");

    world.change("a week later").await;
    world.advance(DAY * 7);
    world.chores().await;
    assert!(world.snapshots().pop().unwrap().name.ends_with("-full.zst"), "once a week");
    world.assert_snapshots_known();
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_come_daily_and_more_often_where_they_cost_little() {
    let mut world = World::with_snapshot(3).await;
    world.change("little").await;
    world.advance(DAY - QUARTER);
    assert_eq!(world.calls_of_chores().await, Vec::<String>::new(), "too dear for now");
    world.advance(QUARTER);
    assert_eq!(world.calls_of_chores().await, LATER, "a day is over");

    world.write("large", vec![5; 8 << 20]);
    world.settle().await;
    for minutes in [5, 14] {
        world.advance(Duration::from_secs(5 * 60));
        assert_eq!(world.calls_of_chores().await, Vec::<String>::new(), "{minutes} minutes");
    }
    world.advance(Duration::from_secs(5 * 60));
    assert_eq!(world.calls_of_chores().await, LATER, "8 MiB pay for many");
    world.assert_snapshots_known();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_each_day_is_kept_within_the_retention_and_whole_ones_that_others_need() {
    let mut world = World::with_snapshot_and(Keep::For(DAY * 4), 300).await;
    world.write("large", vec![5; 8 << 20]);
    world.settle().await;
    for step in 0..40 {
        world.change(&format!("step {step}")).await;
        world.advance(DAY / 4);
        world.chores().await;
        world.assert_snapshots_known();
        for part in world.snapshots() {
            let base = world.look_into(&part).base;
            assert!(base.is_none_or(|base| world.snapshots().iter().any(|f| f.name == base)));
        }
    }
    let days: Vec<String> =
        world.snapshots().iter().map(|file| file.name[..8].to_owned()).collect();
    let newest_days: std::collections::BTreeSet<&String> = days.iter().rev().take(8).collect();
    assert!(newest_days.len() >= 4, "one a day is kept: {days:?}");
    assert!(days.len() < 20, "of 41 are left: {days:?}");
    assert_eq!(world.canaries().len(), 1);
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
        let mut world = World::new().await;
        world.write("a", "content");
        world.settle().await;
        world.emulator.inject(Fault::once(endpoint, action.clone()));
        let mut made = world.calls_of_chores().await;
        let after: Vec<String> = made.split_off(3);
        let mut distinct = after.clone();
        if matches!(action, Action::EmptyLinks(_)) {
            distinct.dedup();
        }
        assert_eq!(distinct, calls, "{endpoint} {action:?}");
        assert_eq!((world.snapshots().len(), world.canaries().len()), (1, 1));
        world.assert_snapshots_known();
        world.emulator.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_not_taken_is_made_anew_under_another_name() {
    for action in [Action::NodeStorage, Action::ResetAfter(200)] {
        let mut world = World::new().await;
        world.write("a", "content");
        world.settle().await;
        world.emulator.inject(Fault::once("upload.cgi", action.clone()));
        let _trouble = world.worker.chores(&world.shared).await;
        assert_eq!(world.snapshots().len(), 0);
        assert_eq!(world.calls_of_chores().await, Vec::<String>::new(), "not at once");
        world.advance(QUARTER);
        if matches!(action, Action::ResetAfter(_)) {
            // All of it was handed to the network: the node and the staging folder are asked.
            let asked = world.calls_of_chores().await;
            assert_eq!((&*asked[0], asked.last().unwrap().as_str()), ("end.pl", "folder/ls.cgi"));
        }
        assert_eq!(world.calls_of_chores().await, LATER, "{action:?}");
        let [file] = &world.snapshots()[..] else { panic!() };
        assert!(file.name.contains("-000002-"), "{}", file.name);
        world.assert_snapshots_known();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_arrived_damaged_goes_and_another_one_comes() {
    let mut world = World::new().await;
    world.write("a", "content");
    world.settle().await;
    world.emulator.inject(Fault::once("end.pl", Action::WrongWhirlpool));
    // What the listing shows is what counts.
    world.chores().await;
    assert_eq!(world.snapshots().len(), 1);
    world.assert_snapshots_known();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_comes_to_its_place_once_whenever_the_process_dies() {
    for n in 0..FIRST.len() {
        for carried_out in [false, true] {
            let mut world = World::new().await;
            world.write("a", "content");
            world.settle().await;
            assert!(world.kill_chores_at(n, carried_out).await, "there is no request {n}");
            let mut world = world.restart();
            let deadline = Instant::now() + Duration::from_secs(20);
            while world.snapshots().is_empty() {
                assert!(Instant::now() < deadline, "{n} {carried_out}: none is sent");
                world.settle().await;
                world.chores().await;
            }
            world.settle().await;
            eprintln!("killed at {n}, carried out: {carried_out}");
            world.assert_snapshots_known();
            assert_eq!((world.snapshots().len(), world.canaries().len()), (1, 1));
            assert_eq!(world.versions().len(), 0, "none is taken for a leftover");
            let versions = world.shared.state.read(|s| s.version_totals(world.worker.id));
            assert_eq!(versions.unwrap(), (0, 0), "nor is it on record as one");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_that_somebody_removed_is_made_again() {
    let mut world = World::with_snapshot(3).await;
    world.emulator.remove_folder(&format!("{TARGET}/.fichierd/state"));
    world.change("something").await;
    world.advance(DAY);
    for _ in 0..3 {
        let _trouble = world.worker.chores(&world.shared).await;
        world.advance(QUARTER);
        world.settle().await;
    }
    assert_eq!(world.snapshots().len(), 1);
    world.look_into(&world.snapshots()[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_at_a_stop_is_sent_after_the_next_start() {
    let mut world = World::with_snapshot(300).await;
    world.change("at the end of the day").await;
    world.advance(QUARTER);
    assert_eq!(world.calls_of_chores().await, Vec::<String>::new(), "too dear for now");
    let stop = |world: &World| {
        let row = world.shared.state.read(|s| s.mirrors()).unwrap().remove(0);
        let soon = Instant::now() + Duration::from_secs(6);
        snapshot::write_at_stop(&world.shared.state, &world.shared.client, &row, soon);
    };
    // What was touched a moment ago is read once more, and noted.
    let is_racy = |world: &World| {
        let entries = world.shared.state.read(|s| {
            let row = s.mirrors()?.remove(0);
            s.entries(row.root)
        });
        entries.unwrap().iter().any(|entry| entry.racy)
    };
    while is_racy(&world) {
        world.settle().await;
    }
    // What is made within the second of a change may not tell of it.
    world.advance(Duration::from_secs(2));
    stop(&world);
    let mut world = world.restart();
    world.settle().await;
    world.advance(QUARTER);
    assert_eq!(world.calls_of_chores().await, LATER);
    assert_eq!(world.snapshots().len(), 2);
    world.look_into(&world.snapshots()[1]);
    world.assert_snapshots_known();

    // Something newer by then: what was written is of no use.
    world.change("later").await;
    stop(&world);
    let mut world = world.restart();
    world.change("later still").await;
    world.advance(QUARTER);
    assert_eq!(world.calls_of_chores().await, Vec::<String>::new());
    world.advance(DAY);
    assert_eq!(world.calls_of_chores().await, LATER);
    world.assert_snapshots_known();
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_that_cannot_be_sent_for_a_day_are_a_degraded_state() {
    let mut world = World::with_snapshot(3).await;
    let health = |world: &World| {
        let row = world.shared.state.read(|s| s.mirrors()).unwrap().remove(0);
        let now_s = world.shared.state.now_s();
        world.shared.state.read(|s| snapshot::health(s, &row, now_s)).unwrap()
    };
    assert_eq!(health(&world).changed_since_s, None);
    world.advance(DAY * 5);
    assert_eq!(health(&world).overdue_since_s, None, "nothing has changed");
    world.change("something").await;
    assert!(health(&world).changed_since_s.is_some());
    world.emulator.inject(Fault::always("upload.cgi", Action::NodeStorage));
    world.chores().await;
    assert_eq!(health(&world).overdue_since_s, None, "not yet");
    world.advance(DAY);
    world.chores().await;
    assert!(health(&world).overdue_since_s.is_some());
    world.emulator.clear_faults();
    world.advance(QUARTER);
    world.chores().await;
    assert_eq!(health(&world).overdue_since_s, None);
    assert!(health(&world).newest_s.is_some());
}
