//! Files that left the mirror and are on the disk again: the service still has their contents
//! among the versions, and moves them back. No byte is sent, and the past stays as it was.

use std::time::Duration;

use fichier_emulator::{Action, Fault, NameTaken};
use fichier_state::Moment;
use fichier_testkit::Bench;
use fichier_testkit::tree::{Tree, on_disk};
use fichierd::config::{Keep, MirrorConfig};
use fichierd::restore::Overwrite;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A mirror that knows by an edit what the service does when a name is taken, so that no question
/// about that is among the calls of a test.
async fn experienced(configure: impl FnOnce(&mut MirrorConfig)) -> Bench {
    let mut world = Bench::with(|_| {}, configure).await;
    for content in ["one", "two"] {
        world.write("edited", content);
        world.settle().await;
    }
    world
}

fn count(calls: &[String], endpoint: &str) -> usize {
    calls.iter().filter(|call| *call == endpoint).count()
}

/// Mirrors everything in seconds of its own, and returns the moment with the files on disk.
async fn settled(world: &mut Bench) -> (Moment, Tree) {
    world.pass(Duration::from_secs(1));
    world.settle().await;
    world.assert_mirrored();
    let moment = world.moment();
    world.pass(Duration::from_secs(1));
    (moment, world.local())
}

/// Restores each of these moments, and compares it with the disk as it was then.
async fn assert_past(world: &Bench, past: &[(Moment, Tree)]) {
    for (moment, expected) in past {
        let dest = tempfile::tempdir().unwrap();
        let report = world.restore(*moment, dest.path()).await;
        assert_eq!(report.problems.len(), 0, "{moment:?}: {report:?}");
        assert_eq!(on_disk(dest.path()), *expected, "{moment:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z91_a_folder_that_left_and_is_back_is_moved_back_by_the_hundred() {
    let mut world = experienced(|_| {}).await;
    world.write_many((0..250).map(|n| format!("album/{n:03}")));
    let before = settled(&mut world).await;
    let aside = world.source().with_extension("aside");
    std::fs::rename(world.path("album"), &aside).unwrap();
    let without = settled(&mut world).await;
    assert_eq!(world.versions().len(), 251);
    std::fs::rename(&aside, world.path("album")).unwrap();
    let sent = world.emulator.bytes_received();
    let calls = world.calls_of_cycle().await;
    assert_eq!(calls, ["folder/mkdir.cgi", "file/mv.cgi", "file/mv.cgi", "file/mv.cgi"]);
    assert_eq!(world.emulator.bytes_received(), sent);
    assert_eq!(world.versions().len(), 1, "that of the edited file");
    let after = settled(&mut world).await;
    assert_past(&world, &[before, without, after]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn z92_a_restore_in_place_under_the_service_costs_moves_alone() {
    let mut world = experienced(|_| {}).await;
    world.write("a/deleted", "goes and comes");
    world.write("a/edited", "the first text");
    world.write("kept", "is the same for ever");
    let before = settled(&mut world).await;
    world.remove("a/deleted");
    world.write("a/edited", "the second text, which is wrong");
    let wrong = settled(&mut world).await;
    let options = fichierd::restore::Options {
        overwrite: Overwrite::Always,
        parallel: 4,
        use_cdn: false,
        made_top: false,
        in_place: true,
    };
    let plan = world.plan(before.0, &[]);
    world.try_restore(plan, world.source(), options).await.unwrap();
    assert_eq!(world.local(), before.1);
    let sent = world.emulator.bytes_received();
    let calls = world.calls_of_cycle().await;
    assert_eq!(calls, ["file/mv.cgi", "file/mv.cgi"], "both come back, then one is retired");
    assert_eq!(world.emulator.bytes_received(), sent);
    let again = settled(&mut world).await;
    assert_past(&world, &[before, wrong, again]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn z93_what_came_back_and_leaves_again_expires_by_its_last_departure() {
    let mut world = experienced(|config| config.keep = Keep::For(10 * DAY)).await;
    world.write("a/file", "comes and goes");
    let first = settled(&mut world).await;
    world.remove_tree("a");
    settled(&mut world).await;
    world.pass(6 * DAY);
    world.write("a/file", "comes and goes");
    let back = settled(&mut world).await;
    world.pass(6 * DAY);
    // The departure of twelve days ago is over; the file is current, and stays.
    world.all_chores().await;
    world.assert_mirrored();
    assert_past(&world, std::slice::from_ref(&back)).await;
    let history = world.shared.state.read(|s| s.history_from(world.worker.id)).unwrap();
    assert!(history > first.0);
    world.remove_tree("a");
    let gone = settled(&mut world).await;
    world.pass(9 * DAY);
    world.all_chores().await;
    assert_past(&world, &[gone]).await;
    assert_eq!(world.versions().len(), 1);
    world.pass(2 * DAY);
    world.all_chores().await;
    assert_eq!(world.versions(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn z93_with_a_number_of_versions_a_version_serves_its_own_path_alone() {
    let mut world = experienced(|config| config.keep_versions = Some(1)).await;
    world.write("a", "content of a");
    let before = settled(&mut world).await;
    world.remove("a");
    settled(&mut world).await;
    world.write("b", "content of a");
    settled(&mut world).await;
    for content in ["other", "another", "and another"] {
        world.write("b", content);
        settled(&mut world).await;
    }
    world.pass(DAY);
    world.all_chores().await;
    assert_past(&world, std::slice::from_ref(&before)).await;
    // Its own path gets it back.
    world.write("a", "content of a");
    let calls = world.calls_of_cycle().await;
    assert_eq!(calls, ["file/mv.cgi"]);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn z94_versions_with_other_names_are_moved_and_renamed() {
    let mut world = experienced(|_| {}).await;
    world.write_many((0..30).map(|n| format!("old/{n:02}.jpg")));
    let before = settled(&mut world).await;
    world.remove_tree("old");
    settled(&mut world).await;
    for n in 0..30 {
        world.write(&format!("new/p-{n:02}.jpg"), format!("content of old/{n:02}.jpg"));
    }
    let sent = world.emulator.bytes_received();
    let calls = world.calls_of_cycle().await;
    assert_eq!(calls, ["folder/mkdir.cgi", "file/mv.cgi", "file/rename.cgi"]);
    assert_eq!(world.emulator.bytes_received(), sent);
    let after = settled(&mut world).await;
    assert_past(&world, &[before, after]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn z94_small_files_with_other_names_go_beside_what_is_sent_anyway() {
    let mut world = experienced(|_| {}).await;
    world.write("old", "a small content");
    settled(&mut world).await;
    world.remove("old");
    settled(&mut world).await;
    world.write("renamed", "a small content");
    world.write("new", "never seen before");
    let calls = world.calls_of_cycle().await;
    assert_eq!(count(&calls, "file/rename.cgi"), 0, "{calls:?}");
    assert_eq!(count(&calls, "file/mv.cgi"), 1, "{calls:?}");
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn z95_whatever_the_service_does_with_taken_names_each_file_has_its_own() {
    for name_taken in
        [NameTaken::Duplicate, NameTaken::Refuse, NameTaken::Rename, NameTaken::Overwrite]
    {
        let mut world = Bench::with(|rules| rules.on_name_taken = name_taken, |_| {}).await;
        let mut past = Vec::new();
        world.write("a/x", "first");
        world.write("b/x", "second");
        world.write("c/y", "third");
        past.push(settled(&mut world).await);
        for path in ["a/x", "b/x", "c/y"] {
            world.remove(path);
            past.push(settled(&mut world).await);
        }
        // Under its old name each would meet another one on its way.
        world.write("a/x", "second");
        world.write("b/x", "first");
        world.write("c/x", "third");
        world.write("c/y", "first");
        past.push(settled(&mut world).await);
        world.write("c/y", "second");
        world.remove("b/x");
        past.push(settled(&mut world).await);
        world.write("b/x", "first");
        past.push(settled(&mut world).await);
        // Where a move replaces what has the name, versions of one name replace each other.
        if name_taken != NameTaken::Overwrite {
            assert_past(&world, &past).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z95_a_version_that_does_not_come_back_is_sent() {
    for partial in [0, 1] {
        let mut world = experienced(|_| {}).await;
        world.write_many((0..3).map(|n| format!("a/{n}")));
        let before = settled(&mut world).await;
        world.remove_tree("a");
        settled(&mut world).await;
        world.write_many((0..3).map(|n| format!("a/{n}")));
        for _ in 0..3 {
            world.emulator.inject(Fault::once("file/mv.cgi", Action::Partial(partial)));
        }
        let after = settled(&mut world).await;
        assert_past(&world, &[before, after]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z95_a_version_that_somebody_removed_is_sent() {
    let mut world = experienced(|_| {}).await;
    world.write("a/file", "content");
    settled(&mut world).await;
    world.remove_tree("a");
    settled(&mut world).await;
    world.emulator.remove_file(&world.link("file"));
    world.write("a/file", "content");
    settled(&mut world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn z96_a_process_that_dies_at_any_call_brings_each_file_back_once() {
    for rename in [false, true] {
        for carried_out in [false, true] {
            for n in 0.. {
                let mut world = experienced(|_| {}).await;
                world.write_many(["a/1", "a/2", "b/3"].map(str::to_owned));
                world.write("replaced", "the first text");
                let before = settled(&mut world).await;
                world.remove_tree("a");
                world.remove_tree("b");
                world.write("replaced", "the second text");
                let without = settled(&mut world).await;
                let into = if rename { "c-" } else { "" };
                for path in ["a/1", "a/2", "b/3"] {
                    world.write(&format!("{into}{path}{into}"), format!("content of {path}"));
                }
                world.write("replaced", "the first text");
                let sent = world.sent_bytes();
                let reached = world.kill_at(n, carried_out).await;
                let mut world = world.die_and_start();
                let after = settled(&mut world).await;
                assert_eq!(world.sent_bytes(), sent, "call {n}");
                assert_eq!(world.versions().len(), 2, "call {n}: {:?}", world.versions());
                assert_past(&world, &[before, without, after]).await;
                if !reached {
                    break;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z96_what_has_left_again_before_the_next_start_goes_back_to_the_versions() {
    for carried_out in [false, true] {
        let mut world = experienced(|_| {}).await;
        world.write_many(["a/1", "a/2"].map(str::to_owned));
        let before = settled(&mut world).await;
        world.remove_tree("a");
        settled(&mut world).await;
        world.write_many(["a/1", "a/2"].map(str::to_owned));
        assert!(world.kill_at(1, carried_out).await);
        world.remove_tree("a");
        let mut world = world.die_and_start();
        let after = settled(&mut world).await;
        assert_eq!(world.versions().len(), 3);
        assert_past(&world, &[before, after]).await;
    }
}
