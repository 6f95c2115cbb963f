//! Others change the target between two cycles, or the state is set back to an earlier one: the
//! mirror finds out, sends again what is missing, and touches nothing that it did not make (X01 to
//! X05, P09).

use fichier_testkit::{Bench, TARGET};
use fichierd::mirror::Trouble;
use fichierd::remote::target::start_anew;

async fn mirrored(paths: &[&str]) -> Bench {
    let mut world = Bench::new().await;
    world.write_many(paths.iter().map(|path| (*path).to_owned()));
    world.settle().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_removed_on_the_service_may_be_deleted_edited_and_renamed() {
    let mut world = mirrored(&["a/deleted", "a/edited", "a/renamed", "a/moved", "a/stays"]).await;
    for name in ["deleted", "edited", "renamed", "moved"] {
        world.emulator.remove_file(&world.link(name));
    }
    world.remove("a/deleted");
    world.write("a/edited", "edited");
    world.rename("a/renamed", "a/new name");
    world.rename("a/moved", "b/moved");
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_removed_on_the_service_cost_no_ban() {
    let names: Vec<String> = (0..60).map(|n| format!("a/file-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = mirrored(&names).await;
    for file in world.emulator.files() {
        world.emulator.remove_file(&file.link);
    }
    (0..30).for_each(|n| world.remove(&format!("a/file-{n}")));
    (30..60).for_each(|n| world.rename(&format!("a/file-{n}"), &format!("b/file-{n}")));
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_renamed_or_moved_on_the_service_has_no_second_copy_after_an_edit() {
    let mut world = mirrored(&["a/one", "a/two", "a/three"]).await;
    world.emulator.rename_file(&world.link("one"), "renamed by somebody");
    world.emulator.move_file(&world.link("two"), "/elsewhere");
    for name in ["one", "two"] {
        world.write(&format!("a/{name}"), format!("{name}, edited"));
    }
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_removed_on_the_service_is_made_again_with_all_that_was_in_it() {
    let mut world = mirrored(&["a/one", "a/b/two", "c/three"]).await;
    world.emulator.remove_folder(&world.folder_path("a"));
    world.write("a/new", "finds out");
    world.settle().await;
    world.assert_mirrored();
}

/// A move there was tried with each cycle until the service locked the address. For a copy, the
/// source was taken for lost, and sent again beside itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_moved_or_copied_into_a_folder_removed_on_the_service_makes_it_anew() {
    let changes: [fn(&Bench); 4] = [
        |w| w.rename("a/one", "gone/one"),
        |w| w.rename("a/one", "gone/file"),
        |w| w.rename("a", "gone/a"),
        |w| w.write("gone/copy", vec![7; 5 << 20]),
    ];
    for change in changes {
        let mut world = mirrored(&["a/one", "a/two", "gone/file"]).await;
        world.write("large", vec![7; 5 << 20]);
        world.settle().await;
        world.emulator.remove_folder(&world.folder_path("gone"));
        change(&world);
        world.settle().await;
        world.assert_mirrored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_removed_on_the_service_may_be_renamed_and_deleted() {
    let mut world = mirrored(&["a/one", "a/two", "b/three", "c/four"]).await;
    for folder in ["a", "b"] {
        world.emulator.remove_folder(&world.folder_path(folder));
    }
    world.rename("a", "renamed");
    world.remove_tree("b");
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_is_held_until_it_is_approved() {
    let mut world = mirrored(&["a/one", "two"]).await;
    world.emulator.remove_folder(TARGET);
    world.remove("two");
    world.cycle().await;
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    world.write("three", "new");
    let mut world = world.restart();
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    let name = world.config.name.clone();
    world.shared.state.write(|w| start_anew(&name).set(w, true)).unwrap();
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_folders_removed_on_the_service_are_made_again() {
    for folder in [".fichierd/versions", ".fichierd/incoming", ".fichierd"] {
        let mut world = mirrored(&["a/one", "two"]).await;
        world.write("a/one", "edited before");
        world.settle().await;
        world.emulator.remove_folder(&world.folder_like(folder).unwrap());
        // The staging folder is looked at when the service starts.
        let mut world = if folder.ends_with("versions") { world } else { world.restart() };
        world.write("a/one", "edited");
        world.remove("two");
        world.settle().await;
        world.assert_mirrored();
        let kept = usize::from(folder.ends_with("incoming"));
        assert_eq!(world.versions().len(), kept + 2, "after the loss of {folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_put_back_to_an_earlier_one_ends_equal_to_the_disk() {
    let world = mirrored(&["a/stays", "a/edited", "a/deleted", "a/renamed"]).await;
    let (mut world, saved) = world.save_state();
    world.write("a/edited", "edited");
    world.remove("a/deleted");
    world.rename("a/renamed", "a/new name");
    world.write("b/new", "new");
    world.write("a/also new", "also new");
    world.settle().await;
    let sent = world.emulator.bytes_received();
    let mut world = world.put_back_state(saved);
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), sent);
}
