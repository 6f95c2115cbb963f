//! What each operation costs in calls.

use fichier_testkit::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_mirror_makes_the_folders_and_sends_all_files_in_one_upload() {
    let mut world = Bench::new().await;
    world.write_many((0..30).map(|n| format!("{}/file-{n}", n % 3)));
    let end = world.cycle().await;
    assert!(end.trouble.is_none(), "{:?}", end.trouble);
    assert_eq!(end.report.uploaded_files, 30);
    world.assert_mirrored();
    // The target with `.fichierd` and the staging folder; then three folders, one upload, three moves.
    assert!(world.emulator.calls() <= 6 + 3 + 3 + 3, "{:?}", world.emulator.calls_since(0));
}

/// A mirror that has retired a file today, so that the folders for that are there.
async fn with_versions() -> Bench {
    let mut world = Bench::new().await;
    for content in ["one", "two"] {
        world.write("edited", content);
        world.settle().await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_file_that_is_retired_brings_its_folders() {
    let mut world = Bench::new().await;
    world.write_many(["one", "two", "three"].map(str::to_owned));
    world.settle().await;
    world.remove("one");
    assert_eq!(
        world.calls_of_cycle().await,
        ["folder/mkdir.cgi", "folder/mkdir.cgi", "file/mv.cgi"]
    );
    world.remove("two");
    assert_eq!(world.calls_of_cycle().await, ["file/mv.cgi"]);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_without_changes_makes_no_call() {
    let mut world = Bench::new().await;
    world.write("a/b/c", "content");
    world.settle().await;
    assert_eq!(world.calls_of_cycle().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_same_size_costs_five_calls_and_keeps_the_old_copy() {
    let mut world = Bench::new().await;
    world.write("a.txt", "one");
    world.settle().await;
    // The service is asked once in the life of a state file what it does with taken names.
    world.write("a.txt", "two");
    world.settle().await;

    world.write("a.txt", "six");
    let calls = world.calls_of_cycle().await;
    let expected =
        ["upload/get_upload_server.cgi", "upload.cgi", "end.pl", "file/mv.cgi", "file/mv.cgi"];
    assert_eq!(calls, expected);
    world.assert_mirrored();
    let versions: Vec<_> = world.versions().into_iter().map(|(_, content)| content).collect();
    assert_eq!(versions, [b"one", b"two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_in_place_costs_one_call() {
    let mut world = Bench::new().await;
    world.write("photos/a.jpg", "bytes");
    world.settle().await;
    world.rename("photos/a.jpg", "photos/b.jpg");
    assert_eq!(world.calls_of_cycle().await, ["file/rename.cgi"]);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_another_folder_costs_one_call_and_with_a_new_name_two() {
    let mut world = Bench::new().await;
    world.write_many(["a/x".to_owned(), "a/y".to_owned(), "b/z".to_owned()]);
    world.settle().await;
    world.rename("a/x", "b/x");
    assert_eq!(world.calls_of_cycle().await, ["file/mv.cgi"]);
    world.rename("a/y", "b/other");
    assert_eq!(world.calls_of_cycle().await, ["file/mv.cgi", "file/rename.cgi"]);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_folder_costs_one_call_whatever_is_in_it() {
    let mut world = Bench::new().await;
    world.write_many((0..40).map(|n| format!("old/{}/file-{n}", n % 2)));
    world.settle().await;
    world.rename("old", "new");
    assert_eq!(world.calls_of_cycle().await, ["folder/mv.cgi"]);
    world.assert_mirrored();
    assert_eq!(world.remote_folders(), ["new", "new/0", "new/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_tree_goes_to_the_versions_in_one_call() {
    let mut world = with_versions().await;
    world.write_many((0..40).map(|n| format!("tree/{}/file-{n}", n % 4)));
    world.write("other", "stays");
    world.settle().await;
    world.remove_tree("tree");
    assert_eq!(world.calls_of_cycle().await, ["folder/mv.cgi"]);
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 1 + 40);
    assert_eq!(world.remote_folders(), Vec::<String>::new());
}

/// A second listing of the same folder would have to wait for half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_folder_that_others_made_is_removed_after_one_listing() {
    let mut world = Bench::new().await;
    world.write("other", "stays");
    world.settle().await;
    world.emulator.add_folder(&world.folder_path("theirs"));
    world.write("theirs/file", "content");
    world.settle().await;
    world.remove("theirs/file");
    world.settle().await;
    world.remove_tree("theirs");
    assert_eq!(world.calls_of_cycle().await, ["folder/ls.cgi", "folder/rm.cgi"]);
    world.assert_mirrored();
    assert_eq!(world.remote_folders(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_files_are_retired_by_the_hundred() {
    let mut world = with_versions().await;
    let files: Vec<String> = (0..250).map(|n| format!("{}/file-{n}", n % 5)).collect();
    world.write_many(files.clone());
    world.settle().await;
    for file in &files {
        world.remove(file);
    }
    assert_eq!(world.calls_of_cycle().await, ["file/mv.cgi"; 3]);
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 1 + 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_large_file_costs_one_call_and_no_upload() {
    let mut world = Bench::new().await;
    let large = vec![7u8; 5 << 20];
    world.write("large", &large);
    world.settle().await;
    let sent = world.emulator.bytes_received();
    world.write("copy of large", &large);
    assert_eq!(world.calls_of_cycle().await, ["file/cp.cgi"]);
    assert_eq!(world.emulator.bytes_received(), sent);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_small_file_costs_one_call_and_a_folder_of_them_one_upload() {
    let mut world = Bench::new().await;
    world.write_many((0..20).map(|n| format!("folder/file-{n}")));
    world.settle().await;
    let sent = world.emulator.bytes_received();
    world.write("folder/copy", "content of folder/file-7");
    assert_eq!(world.calls_of_cycle().await, ["file/cp.cgi"]);
    assert_eq!(world.emulator.bytes_received(), sent);
    world.assert_mirrored();
    for n in 0..20 {
        world.write(&format!("other/file-{n}"), format!("content of folder/file-{n}"));
    }
    let calls = world.calls_of_cycle().await;
    let upload = ["upload/get_upload_server.cgi", "upload.cgi", "end.pl", "file/mv.cgi"];
    assert_eq!(calls[1..], upload, "{calls:?}");
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_name_in_many_folders_are_renamed_by_the_hundred() {
    let mut world = Bench::new().await;
    world.write_many((0..120).map(|n| format!("{n}/index.html")));
    let end = world.cycle().await;
    assert!(end.trouble.is_none(), "{:?}", end.trouble);
    world.assert_mirrored();
    let calls = world.emulator.calls_since(0);
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    assert_eq!(count("upload.cgi"), 1);
    assert_eq!(count("file/rename.cgi"), 2);
    assert_eq!(count("file/mv.cgi"), 120);
}
