//! What loses its place on disk: the guard, a decision, excludes, and files that turn into other
//! things. Nothing goes that is not meant to (I6).

use std::time::Duration;

use fichier_emulator::{Action, Fault, NameTaken};
use fichier_testkit::Bench;
use fichierd::config::{Keep, MaxRemovals};
use fichierd::daemon::{How, approve};
use fichierd::mirror::Trouble;

/// A mirror of 20 files of which five may go within a day.
async fn guarded() -> Bench {
    let mut world = Bench::with(
        |_| {},
        |config| {
            config.max_removals = MaxRemovals::Percent(25);
            config.removals_floor = 0;
        },
    )
    .await;
    world.write_many((0..20).map(|n| format!("{}/file-{n:02}", n % 2)));
    world.settle().await;
    world
}

fn remove(world: &Bench, files: std::ops::Range<usize>) {
    files.for_each(|n| world.remove(&format!("{}/file-{n:02}", n % 2)));
}

fn approved(world: &Bench) {
    approve(&world.shared.state, &world.config, How::default()).unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_within_the_limit_go_and_more_are_held_while_additions_go_on() {
    let mut world = guarded().await;
    remove(&world, 0..5);
    world.settle().await;
    world.assert_mirrored();
    remove(&world, 5..6);
    world.write("0/new", "arrives all the same");
    let mut world = world.restart();
    let end = world.cycle().await;
    assert_eq!(end.outcome.held.map(|held| held.removals), Some(1));
    let remote = world.remote();
    assert!(remote.contains_key("0/new") && remote.contains_key("1/file-05"));
    assert_eq!(world.versions().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn approved_removals_go_and_hold_nothing_afterwards() {
    let mut world = guarded().await;
    remove(&world, 0..12);
    let end = world.cycle().await;
    assert_eq!(end.outcome.held.map(|held| held.removals), Some(12));
    assert_eq!(world.remote().len(), 20);
    approved(&world);
    let mut world = world.restart();
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 12);
    // An approval is for the removals that were asked for, not for later ones.
    remove(&world, 12..18);
    assert!(world.cycle().await.outcome.held.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_removals_stay_on_the_service_until_they_are_pruned() {
    let mut world = guarded().await;
    remove(&world, 0..12);
    world.cycle().await;
    let (worker, shared) = world.worker();
    let shared = shared.clone();
    assert_eq!(worker.reject(&shared).await.unwrap(), 12);
    let end = world.settle().await;
    assert!(end.outcome.held.is_none());
    assert_eq!(world.remote().len(), 20);
    let (worker, _) = world.worker();
    assert_eq!(worker.prune(&shared).await.unwrap(), 12);
    drop(shared);
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_source_is_held_and_approval_lets_it_go() {
    let mut world = guarded().await;
    ["0", "1"].iter().for_each(|folder| world.remove_tree(folder));
    let calls = world.emulator.calls();
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    assert_eq!(world.emulator.calls(), calls);
    approved(&world);
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_folder_in_the_place_of_the_source_is_held() {
    let mut world = guarded().await;
    let aside = world.source().with_extension("aside");
    std::fs::rename(world.source(), &aside).unwrap();
    std::fs::create_dir(world.source()).unwrap();
    world.write("something else", "entirely");
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    assert_eq!(world.remote().len(), 20);
    std::fs::remove_dir_all(world.source()).unwrap();
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    std::fs::rename(&aside, world.source()).unwrap();
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_folder_counts_with_all_that_was_in_it() {
    let mut world = guarded().await;
    world.remove_tree("1");
    let end = world.cycle().await;
    assert_eq!(end.outcome.held.map(|held| held.removals), Some(10));
    assert_eq!(world.remote().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_a_folder_and_back_ends_as_on_disk() {
    for keep in [Keep::Forever, Keep::None] {
        let mut world = Bench::with(|_| {}, |config| config.keep = keep).await;
        world.write("thing", "a file");
        world.write("other", "stays");
        world.settle().await;
        world.remove("thing");
        world.write("thing/inside", "a folder");
        world.settle().await;
        world.assert_mirrored();
        world.remove_tree("thing");
        world.write("thing", "a file again");
        world.settle().await;
        world.assert_mirrored();
        let kept = if keep == Keep::None { 0 } else { 2 };
        assert_eq!(world.versions().len(), kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_file_and_one_that_becomes_a_link_leave_a_version() {
    let mut world = Bench::new().await;
    world.write_many(["a/emptied", "a/linked", "a/stays"].map(str::to_owned));
    world.settle().await;
    world.write("a/emptied", "");
    world.remove("a/linked");
    std::os::unix::fs::symlink("stays", world.path("a/linked")).unwrap();
    let end = world.settle().await;
    assert_eq!(end.report.retired, 0);
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 2);
    world.write("a/emptied", "full again");
    world.remove("a/linked");
    world.write("a/linked", "a file again");
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_exclude_covers_stays_and_is_pruned_only_when_told() {
    let mut world = Bench::with(|_| {}, |_| {}).await;
    world.write_many(["a/keep", "a/x.tmp", "cache/one", "cache/two"].map(str::to_owned));
    world.settle().await;
    let exclude = |exclude: &[&str]| exclude.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let patterns = exclude(&["*.tmp", "cache/"]);
    let mut world = world.restart_with(|config| config.exclude = patterns);
    world.remove("a/x.tmp");
    world.settle().await;
    assert_eq!(world.remote().len(), 4);
    assert_eq!(world.versions().len(), 0);
    // The pattern is removed again: files on disk are managed again, and missing ones stay until
    // they are pruned.
    let mut world = world.restart_with(|config| config.exclude = Vec::new());
    world.settle().await;
    assert_eq!(world.remote().len(), 4);
    let (worker, shared) = world.worker();
    let shared = shared.clone();
    assert_eq!(worker.prune(&shared).await.unwrap(), 1);
    drop(shared);
    world.assert_mirrored();
    let patterns = exclude(&["cache/"]);
    let mut world = world.restart_with(|config| config.exclude = patterns);
    world.settle().await;
    let (worker, shared) = world.worker();
    let shared = shared.clone();
    assert_eq!(worker.prune(&shared).await.unwrap(), 2);
    drop(shared);
    assert_eq!(world.remote().keys().collect::<Vec<_>>(), ["a/keep"]);
    assert_eq!(world.remote_folders(), ["a"]);
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_kept_deleted_files_and_folders_are_removed() {
    let mut world = Bench::with(|_| {}, |config| config.keep = Keep::None).await;
    world.write_many((0..6).map(|n| format!("tree/{}/file-{n}", n % 2)));
    world.write_many(["edited".to_owned(), "deleted".to_owned()]);
    world.settle().await;
    world.remove_tree("tree");
    world.write("edited", "edited");
    world.remove("deleted");
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 0);
    assert_eq!(world.remote_folders(), Vec::<String>::new());
}

/// The record that the file is empty now replaced the one that knew of its copy.
#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_file_whose_copy_the_service_does_not_let_go_at_first_is_let_go_later() {
    let mut world = Bench::with(|_| {}, |config| config.keep = Keep::None).await;
    world.write("kept", "content");
    world.write("emptied", "content");
    world.settle().await;
    world.write("emptied", "");
    world.emulator.inject(Fault::always("file/rm.cgi", Action::Partial(0)));
    world.cycle().await;
    world.emulator.clear_faults();
    assert_eq!(world.problems().len(), 1, "{:?}", world.problems());

    world.shared.state.clock().advance(Duration::from_secs(24 * 3600));
    world.settle().await;
    world.assert_mirrored();
}

/// The service said that it knows no such file, and the copy stayed at its path without a record:
/// the next one got another name beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_there_though_the_service_denies_it_is_retired_later() {
    let mut world = Bench::with(|rules| rules.on_name_taken = NameTaken::Rename, |_| {}).await;
    world.write("file", "old");
    world.write("kept", "content");
    world.settle().await;
    world.remove("file");
    world.emulator.inject(Fault::always("file/mv.cgi", Action::Partial(0)));
    let end = world.cycle().await;
    assert_eq!((end.report.retired, end.report.problems), (0, 1), "{end:?}");
    world.emulator.clear_faults();
    world.write("file", "new!");
    world.shared.state.clock().advance(Duration::from_secs(24 * 3600));
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions(), [("file".to_owned(), b"old".to_vec())]);
}
