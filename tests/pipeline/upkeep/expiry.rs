//! Days pass, and versions, their folders and the old trees expire when the retention no longer
//! covers them. Nothing else is removed, whatever the clocks, the listings and the process do (T01,
//! I2).

use std::time::Duration;

use fichier_api::{FileUrl, FolderId};
use fichier_emulator::Rules;
use fichier_state::{Moment, NewVersion, RelPath, Retired};
use fichier_testkit::{Bench, TARGET};
use fichierd::config::Keep;
use tokio::task::JoinSet;

const DAY: Duration = Duration::from_secs(24 * 3600);
const YEARS_S: i64 = 10 * 365 * 24 * 3600;

async fn world(keep: Keep, keep_versions: Option<u32>) -> Bench {
    Bench::with(
        |_| {},
        |config| {
            config.keep = keep;
            config.keep_versions = keep_versions;
        },
    )
    .await
}

/// Three days with an edit, a deletion and a deleted folder each.
async fn three_days(keep: Keep, keep_versions: Option<u32>) -> Bench {
    let mut world = world(keep, keep_versions).await;
    world.write("stays", "is the same for ever");
    for day in 0..3 {
        world.write("edited", format!("as of day {day}"));
        world.write(&format!("tree-{day}/a/file"), format!("in a tree {day}"));
        world.write(&format!("deleted-{day}"), format!("deleted on day {day}"));
        world.settle().await;
        world.write("edited", format!("as of day {day}, later"));
        world.remove_tree(&format!("tree-{day}"));
        world.remove(&format!("deleted-{day}"));
        world.settle().await;
        world.pass(DAY);
    }
    world
}

fn count(calls: &[String], endpoint: &str) -> usize {
    calls.iter().filter(|call| *call == endpoint).count()
}

fn versions_folders(world: &Bench) -> Vec<String> {
    let below = format!("{TARGET}/.fichierd/versions/");
    world.emulator.folders().into_iter().filter(|path| path.starts_with(&below)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_go_when_their_time_is_over_and_their_folders_with_them() {
    let mut world = three_days(Keep::For(2 * DAY), None).await;
    // Day 0's versions are three days old, day 1's two.
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.versions().len(), 11);
    let calls = world.all_chores().await;
    assert_eq!(count(&calls, "file/rm.cgi"), 1, "{calls:?}");
    let left: Vec<_> = world.versions().into_iter().map(|(_, content)| content).collect();
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left.iter().all(|content| content.ends_with(b"2") || content.ends_with(b"later")));
    assert_eq!(versions_folders(&world).len(), 1 + 2, "the day's folder and the tree in it");
    let history = world.shared.state.read(|s| s.history_from(world.worker.id)).unwrap();
    assert!(history > Moment(1));
    world.assert_mirrored();
    // The rest of the day is free, and the next day has only those versions that have expired by
    // then.
    assert_eq!(world.all_chores().await, Vec::<String>::new());
    world.pass(10 * DAY);
    world.all_chores().await;
    assert_eq!(world.versions(), []);
    assert_eq!(versions_folders(&world), Vec::<String>::new());
    assert_eq!(version_totals(&world), (0, 0));
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_keeps_as_many_versions_as_configured() {
    let mut world = world(Keep::Forever, Some(3)).await;
    for n in 0..8 {
        world.write("edited", format!("edit {n}"));
        world.write(&format!("once-{n}"), format!("once {n}"));
        world.settle().await;
        world.remove(&format!("once-{n}"));
    }
    world.settle().await;
    let calls = world.all_chores().await;
    assert_eq!(count(&calls, "file/rm.cgi"), 1, "{calls:?}");
    let names = world
        .versions()
        .into_iter()
        .map(|(name, content)| (name, String::from_utf8(content).unwrap()));
    let edits: Vec<_> = names.filter(|(name, _)| name == "edited").map(|(_, c)| c).collect();
    assert_eq!(edits, ["edit 4", "edit 5", "edit 6"]);
    assert_eq!(world.versions().len(), 3 + 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_mirror_makes_no_call_from_day_to_day() {
    let mut world = world(Keep::For(30 * DAY), Some(20)).await;
    world.write("a/file", "content");
    world.settle().await;
    world.pass(DAY);
    let calls = world.all_chores().await;
    // They send the first snapshot; their replies tell the service's clock.
    assert_eq!(calls.len(), 5, "{calls:?}");
    for day in 1..60 {
        world.pass(DAY);
        let calls = world.all_chores().await;
        // The files of the first second of the mirror's history, if it took more than one, expire
        // then: the service's clock is looked at before they are removed.
        if !(28..=32).contains(&day) {
            assert_eq!(calls, Vec::<String>::new(), "on day {day}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_by_years_removes_nothing() {
    let mut world = three_days(Keep::For(30 * DAY), Some(20)).await;
    world.all_chores().await;
    let before = world.versions();
    let history = world.shared.state.read(|s| s.history_from(world.worker.id)).unwrap();
    let sound_s = world.shared.state.now_s();
    for jump_s in [YEARS_S, -YEARS_S, 40 * 24 * 3600] {
        let clock = world.shared.state.clock().clone();
        let real = sound_s - fichier_state::Clock::default().now_s();
        clock.set_ahead(real + jump_s);
        world.tell_service(-jump_s);
        for _ in 0..3 {
            world.all_chores().await;
            clock.advance(DAY);
            world.tell_service(-jump_s);
        }
        assert_eq!(world.versions(), before, "after a jump of {jump_s} s");
        assert_eq!(world.shared.state.read(|s| s.history_from(world.worker.id)).unwrap(), history);
        clock.set_ahead(real);
        world.tell_service(0);
    }
    // Files that were retired while the clock was wrong have its time until the clock is believed.
    world.shared.state.clock().set_ahead(YEARS_S);
    world.write("edited", "while the clock was wrong");
    world.settle().await;
    world.shared.state.clock().set_ahead(3 * 24 * 3600);
    world.tell_service(0);
    world.all_chores().await;
    world.pass(31 * DAY);
    world.all_chores().await;
    assert_eq!(world.versions(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_stays_in_the_versions_for_ever() {
    let mut world = world(Keep::For(DAY), None).await;
    let link = world.put_by_others("theirs", "was there before");
    world.write("theirs", "takes its place");
    world.write("ours", "ours");
    world.settle().await;
    world.remove("ours");
    world.settle().await;
    let days = versions_folders(&world);
    let beside = world.emulator.add_file(&days[0], "put there by somebody", b"not ours");
    for _ in 0..5 {
        world.pass(3 * DAY);
        world.all_chores().await;
    }
    for link in [link, beside] {
        assert!(world.emulator.content(&link).is_some());
    }
    assert_eq!(world.versions().len(), 2);
    assert_eq!(versions_folders(&world), days);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_holds_something_unknown_stays_and_is_looked_at_twice() {
    let mut world = world(Keep::For(DAY), None).await;
    world.write("stays", "content");
    world.write("tree/ours", "ours");
    world.settle().await;
    world.remove_tree("tree");
    world.settle().await;
    let tree = versions_folders(&world).pop().unwrap();
    world.emulator.add_file(&tree, "put there by somebody", b"not ours");
    let mut listings = Vec::new();
    for _ in 0..5 {
        world.pass(2 * DAY);
        listings.push(count(&world.all_chores().await, "folder/ls.cgi"));
    }
    // The day's folder and the one in it, and once more a day later; then the first look is at the
    // clock, which the first snapshot told the first time.
    assert_eq!(listings, [2, 1 + 2, 0, 0, 0]);
    assert!(versions_folders(&world).contains(&tree));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_removes_no_more_than_its_measure() {
    let (mut world, folder) = with_day_folder().await;
    let path = versions_folders(&world).pop().unwrap();
    let links: Vec<_> =
        (0..10_500).map(|n| world.emulator.add_file(&path, &n.to_string(), b"old")).collect();
    add_versions(&world, folder, links.iter().map(String::as_str));
    world.pass(10 * DAY);
    let calls = world.all_chores().await;
    assert_eq!(version_totals(&world).0, 500);
    assert_eq!(count(&calls, "file/rm.cgi"), 100, "{}", calls.len());
    let history = world.shared.state.read(|s| s.history_from(world.worker.id)).unwrap();
    assert_eq!(history, Moment(1), "the past goes after the versions");
    world.pass(DAY);
    world.all_chores().await;
    assert_eq!(version_totals(&world).0, 0);
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_somebody_removed_cost_no_ban() {
    let (mut world, folder) = with_day_folder().await;
    let links: Vec<_> = (0..1_800).map(|n| format!("https://1fichier.com/?{n:020}")).collect();
    add_versions(&world, folder, links.iter().map(String::as_str));
    for left in [800, 0] {
        world.pass(10 * DAY);
        world.all_chores().await;
        assert_eq!(version_totals(&world).0, left);
    }
    world.emulator.assert_no_violations();
}

async fn with_day_folder() -> (Bench, FolderId) {
    let mut world = world(Keep::For(DAY), None).await;
    world.write("file", "content");
    world.settle().await;
    let (day, id) = ("2020-01-01", world.worker.id);
    let path = format!("{TARGET}/.fichierd/versions/{day}");
    world.emulator.add_folder(&path);
    let folder = FolderId(world.emulator.folder_id(&path).unwrap());
    world.shared.state.write(|w| w.add_versions_folder(id, day, 1, folder)).unwrap();
    (world, folder)
}

/// Records versions as if the mirror had retired them long ago.
fn add_versions<'a>(world: &Bench, folder: FolderId, links: impl Iterator<Item = &'a str>) {
    let version = |link: &str| NewVersion {
        mirror: world.worker.id,
        path: RelPath::parse(b"deleted").unwrap(),
        url: FileUrl::parse(link).unwrap(),
        size_bytes: 3,
        whirlpool: None,
        fingerprint: None,
        metadata: None,
        folder,
        current_from_s: 0,
        current_until_s: 1,
        reason: Retired::Deleted,
        cipher: None,
    };
    let versions: Vec<_> = links.map(version).collect();
    let add = |w: &mut fichier_state::Writing<'_>| {
        versions.iter().try_for_each(|version| w.add_version(version).map(|_| ()))
    };
    world.shared.state.write(add).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_files_that_listings_still_show_keep_their_folder_for_a_day() {
    let mut world = world(Keep::For(DAY), None).await;
    world.write("stays", "content");
    world.write("deleted", "content");
    world.settle().await;
    world.remove("deleted");
    world.settle().await;
    world.pass(2 * DAY);
    let lag = Duration::from_secs(4_000);
    world.emulator.set_rules(Rules { listing_lag: lag, ..Rules::scaled(2_000) });
    world.all_chores().await;
    assert_eq!(world.versions(), []);
    assert_eq!(versions_folders(&world).len(), 1);
    let folder = FolderId(world.emulator.folder_id(&versions_folders(&world)[0]).unwrap());
    while !world.shared.client.list_folder(folder).await.unwrap().files.is_empty() {}
    world.pass(DAY);
    world.all_chores().await;
    assert_eq!(versions_folders(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_is_finished_whenever_the_process_dies() {
    let mut whole = three_days(Keep::For(DAY), None).await;
    whole.pass(3 * DAY);
    let calls = whole.all_chores().await;
    assert!(calls.len() > 5, "{calls:?}");
    let (most, mut kills) = (calls.len(), JoinSet::new());
    for n in 0..most {
        for carried_out in [false, true] {
            kills.spawn(async move {
                let mut world = three_days(Keep::For(DAY), None).await;
                world.pass(3 * DAY);
                // Whether the canary is due by then, and how many calls it takes, is not always the
                // same.
                let reached = world.kill_chores_at(n, carried_out).await;
                assert!(reached || n + 4 >= most, "there is no request {n} of {most}");
                let mut world = world.restart();
                world.pass(10 * DAY);
                world.settle().await;
                world.all_chores().await;
                world.assert_mirrored();
                assert_eq!(world.versions(), [], "killed at {n}");
                assert_eq!(versions_folders(&world), Vec::<String>::new(), "killed at {n}");
                let (left, _) = version_totals(&world);
                assert_eq!(left, 0);
            });
        }
    }
    while let Some(done) = kills.join_next().await {
        done.unwrap();
    }
}

fn version_totals(world: &Bench) -> (u64, u64) {
    world.shared.state.read(|s| s.version_totals(world.worker.id)).unwrap()
}
