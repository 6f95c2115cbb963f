//! What once went wrong, found by the model test (tests/model) or the simulation (tests/sim); each
//! as small as it can be told.

use fichier_emulator::{Action, Fault, NameTaken};
use fichier_testkit::Bench;
use fichier_testkit::crypt::{self, Lack};
use fichierd::config::{Keep, MaxRemovals};
use fichierd::mirror::Trouble;

#[tokio::test(flavor = "multi_thread")]
async fn two_files_swap_their_names() {
    let mut world = Bench::new().await;
    world.write("a", "one");
    world.write("b", "two!");
    world.settle().await;
    world.rename("a", "aside");
    world.rename("b", "a");
    world.rename("aside", "b");
    let sent = world.emulator.bytes_received();
    assert_eq!(world.calls_of_cycle().await, ["file/rename.cgi"; 3]);
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), sent);
    assert_eq!(world.versions(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_two_folders_swap_their_places_by_the_hundred() {
    let mut world = Bench::new().await;
    world.write_many((0..150).flat_map(|n| [format!("a/{n}"), format!("b/{n}")]));
    world.settle().await;
    for n in 0..150 {
        world.rename(&format!("a/{n}"), "aside");
        world.rename(&format!("b/{n}"), &format!("a/{n}"));
        world.rename("aside", &format!("b/{n}"));
    }
    let calls = world.calls_of_cycle().await;
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    assert_eq!((count("file/mv.cgi"), count("file/rename.cgi")), (4, 4), "{calls:?}");
    world.assert_mirrored();
    assert_eq!(world.versions(), []);
}

/// The file that was to step aside kept its name, and the other one's record replaced its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_of_which_the_service_refuses_the_first_step_is_done_in_the_next_cycle() {
    let mut world = Bench::new().await;
    world.write("a", "one");
    world.write("b", "two!");
    world.settle().await;
    world.rename("a", "aside");
    world.rename("b", "a");
    world.rename("aside", "b");
    for _ in 0..2 {
        world.emulator.inject(Fault::once("file/rename.cgi", Action::Partial(0)));
    }
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_problem_of_a_file_that_is_gone_is_no_problem_any_more() {
    let mut world = Bench::new().await;
    world.write("good", "one");
    std::fs::File::create(world.path("bad")).unwrap().set_len(400_000_000_000).unwrap();
    world.cycle().await;
    assert_eq!(world.problems().len(), 1);
    world.remove("bad");
    world.write("good", "two");
    world.cycle_over(&["good"]).await;
    assert_eq!(world.problems(), []);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_moves_into_another_that_moved_to_a_later_name() {
    let mut world = Bench::new().await;
    world.write_many(["a/1", "a/2", "b/3", "b/4"].map(str::to_owned));
    world.settle().await;
    world.rename("b", "c");
    world.rename("a", "c/a");
    assert_eq!(world.calls_of_cycle().await, ["folder/mv.cgi"; 2]);
    world.assert_mirrored();
    assert_eq!(world.remote_folders(), ["c", "c/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_is_a_problem_until_it_is_solved() {
    let mut world = Bench::new().await;
    world.write(".fichierd/file", "this name is reserved");
    world.write("good", "one");
    let end = world.cycle().await;
    assert_eq!((end.report.problems, end.report.uploaded_files), (1, 1));
    assert_eq!(world.problems()[0].0, ".fichierd");
    world.rename(".fichierd", "other");
    world.settle().await;
    assert_eq!(world.problems(), []);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stays_held_in_a_cycle_over_other_paths() {
    let mut world = Bench::with(
        |_| {},
        |config| {
            config.max_removals = MaxRemovals::Files(2);
        },
    )
    .await;
    world.write_many((0..5).map(|n| format!("f{n}")));
    world.settle().await;
    for n in 0..4 {
        world.remove(&format!("f{n}"));
    }
    assert_eq!(world.cycle().await.outcome.held.unwrap().removals, 4);
    world.write("new", "of no concern to the guard");
    let end = world.cycle_over(&["new"]).await;
    assert_eq!(end.report.uploaded_files, 1);
    assert_eq!(end.outcome.held.unwrap().removals, 4);
    assert_eq!(world.remote().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_emptied_is_mirrored_once_that_is_approved() {
    let mut world = Bench::new().await;
    world.write_many((0..3).map(|n| format!("f{n}")));
    world.settle().await;
    for n in 0..3 {
        world.remove(&format!("f{n}"));
    }
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    assert_eq!(world.remote().len(), 3);
    let mirror = world.worker.id;
    world.shared.state.write(|w| w.set_allowance(mirror, 3)).unwrap();
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn emptied_files_whose_removal_is_rejected_stay_and_follow_the_disk_later() {
    let mut world = Bench::with(
        |_| {},
        |config| {
            config.max_removals = MaxRemovals::Files(2);
        },
    )
    .await;
    world.write_many((0..5).map(|n| format!("f{n}")));
    world.settle().await;
    if crypt::skips(Lack::FilesWithoutObject) {
        return;
    }
    for n in 0..4 {
        world.write(&format!("f{n}"), "");
    }
    assert_eq!(world.cycle().await.outcome.held.unwrap().removals, 4);
    let (worker, shared) = (&mut world.worker, &world.shared);
    assert_eq!(worker.reject(shared).await.unwrap(), 4);
    let end = world.cycle().await;
    assert_eq!((end.outcome.held, world.remote().len()), (None, 5));
    world.write("f0", "has content again");
    world.settle().await;
    assert_eq!(world.remote()["f0"], b"has content again");
    assert_eq!(world.remote().len(), 5);
}

/// An empty success was taken for links that the service does not know.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_the_service_says_nothing_about_are_not_taken_for_removed() {
    let mut world = Bench::with(|_| {}, |config| config.keep = Keep::None).await;
    world.write_many((0..3).map(|n| format!("folder/{n}")));
    world.write("other", "stays");
    world.settle().await;
    world.remove_tree("folder");
    world.emulator.inject(Fault::once("file/rm.cgi", Action::Partial(0)));
    assert_eq!(world.cycle().await.report.problems, 3);
    world.settle().await;
    world.assert_mirrored();
}

/// The service said that it knows no such file, about files that it had taken a moment before. They
/// were sent again, and the first ones stayed in the staging folder.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_known_right_after_their_upload_are_put_in_place_later() {
    let mut world = Bench::new().await;
    world.write("d", "AAA");
    world.settle().await;
    // They are too many to be copied one by one on the service.
    for n in 0..6 {
        world.write(&format!("copy-{n}"), "AAA");
    }
    world.emulator.inject(Fault::once("file/mv.cgi", Action::Partial(0)));
    assert_eq!(world.cycle().await.report.uploads_pending, 1);
    world.settle().await;
    world.assert_mirrored();
}

/// Both moved under their old names and took each other's; if names must be free, neither got its
/// own, and the records said that they had.
#[tokio::test(flavor = "multi_thread")]
async fn two_files_swap_their_names_while_their_folder_is_renamed() {
    for name_taken in [NameTaken::Duplicate, NameTaken::Refuse, NameTaken::Overwrite] {
        let mut world = Bench::with(|rules| rules.on_name_taken = name_taken, |_| {}).await;
        world.write("old/a", "one");
        world.write("old/b", "two!");
        world.settle().await;
        world.rename("old/a", "new/b");
        world.rename("old/b", "new/a");
        world.remove_tree("old");
        let sent = world.emulator.bytes_received();
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.emulator.bytes_received(), sent);
    }
}

/// The name of one was shortened, and the program did not see that the folder had a file of that
/// name: it was overwritten on the way.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_long_name_passes_another_of_the_same_name_when_it_is_moved_and_renamed() {
    for name_taken in [NameTaken::Duplicate, NameTaken::Refuse, NameTaken::Overwrite] {
        let mut world = Bench::with(|rules| rules.on_name_taken = name_taken, |_| {}).await;
        let long = "\"".repeat(100);
        world.write(&long, "one");
        world.write(&format!("folder/{long}"), "another");
        world.settle().await;
        world.rename(&long, "folder/short");
        let sent = world.emulator.bytes_received();
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.emulator.bytes_received(), sent);
        assert_eq!(world.versions(), []);
    }
}

/// Its record stayed at the old path: there a new file of the same content was taken for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_moved_but_not_renamed_is_renamed_later_without_being_sent() {
    for comes_back in [false, true] {
        let mut world = Bench::new().await;
        world.write("a/one", "content");
        world.write("b/other", "other");
        world.settle().await;
        let sent = world.sent_bytes();
        world.rename("a/one", "b/two");
        world.emulator.inject(Fault::once("file/rename.cgi", Action::Partial(0)));
        world.cycle().await;
        if comes_back {
            world.write("a/one", "content");
        }
        world.settle().await;
        world.assert_mirrored();
        assert!(comes_back || world.sent_bytes() == sent);
    }
}

/// It was taken for done, and its copy kept the temporary name for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_renamed_out_of_its_temporary_name_is_renamed_later() {
    let mut world = Bench::new().await;
    world.write("a/twin", "one");
    world.write("b/twin", "two");
    for _ in 0..2 {
        world.emulator.inject(Fault::once("file/rename.cgi", Action::Partial(0)));
    }
    let end = world.cycle().await;
    assert_eq!(end.report.problems, 1, "{end:?}");
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.problems(), []);
}
