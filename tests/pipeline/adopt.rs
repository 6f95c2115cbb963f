//! A target that was filled before us, by rclone or by a state that is lost: what is identical is
//! taken on record without sending a byte, and what is not ours is left alone (D01, N08, X03,
//! X08, C08).

use fichier_emulator::{Action, Fault};
use fichier_testkit::crypt::{self, Lack};
use fichier_testkit::{Bench, TARGET};
use fichierd::config::Keep;
use fichierd::mirror::Trouble;
use fichierd::remote::claims::take_over;

#[tokio::test(flavor = "multi_thread")]
async fn identical_files_are_adopted_with_one_listing_a_folder_and_no_byte() {
    let mut world = Bench::new().await;
    let paths = ["top", "a/one", "a/two", "a/b/three", "odd $'names'/a<b>", "a/ spaced "];
    for path in paths {
        world.write(path, format!("content of {path}"));
        world.put_by_others(path, format!("content of {path}"));
    }
    let end = world.cycle().await;
    assert!(end.trouble.is_none(), "{:?}", end.trouble);
    assert_eq!(end.report.adopted, 6);
    assert_eq!(world.emulator.bytes_received(), 0);
    world.assert_mirrored();
    // The account's root, `/backup` and the target on the way, then each folder once.
    let calls = world.emulator.calls_since(0);
    let listings = calls.iter().filter(|call| *call == "folder/ls.cgi").count();
    assert!(listings <= 4 + 4, "{calls:?}");
    assert_eq!(world.calls_of_cycle().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_at_our_path_is_replaced_and_kept_as_a_version() {
    let mut world = Bench::with(|_| {}, |config| config.keep = Keep::None).await;
    world.write("a/file", "ours");
    world.write("a/same size", "1234");
    world.put_by_others("a/file", b"theirs, and longer");
    world.put_by_others("a/same size", b"4321");
    world.settle().await;
    world.assert_mirrored();
    let versions: Vec<_> = world.versions().into_iter().map(|(_, content)| content).collect();
    assert_eq!(versions, [b"theirs, and longer".to_vec(), b"4321".to_vec()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_are_left_where_they_are() {
    let mut world = Bench::new().await;
    world.write_many(["a/ours".to_owned(), "stays".to_owned()]);
    let theirs = [
        world.put_by_others("a/theirs", b"1"),
        world.put_by_others("a/theirs", b"2"),
        world.put_by_others("elsewhere/theirs", b"3"),
    ];
    world.settle().await;
    world.write("a/ours", "edited");
    world.settle().await;
    world.remove_tree("a");
    world.settle().await;
    for link in &theirs {
        let file = world.emulator.files().into_iter().find(|file| file.link == *link).unwrap();
        assert!(!file.path.contains(".fichierd"), "{} was moved to {}", file.name, file.path);
    }
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_are_counted_in_status() {
    let mut world = Bench::new().await;
    world.write("a/ours", "ours");
    world.put_by_others("a/theirs", b"1");
    world.put_by_others("a/more", b"2");
    world.settle().await;
    let id = world.worker().0.id;
    assert_eq!(world.shared.state.read(|s| s.totals(id)).unwrap().foreign, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn adopted_files_are_never_removed_even_if_nothing_is_kept() {
    let mut world = Bench::with(|_| {}, |config| config.keep = Keep::None).await;
    for path in ["a/deleted", "a/edited", "b/in a tree"] {
        world.write(path, format!("content of {path}"));
        world.put_by_others(path, format!("content of {path}"));
    }
    world.settle().await;
    world.remove("a/deleted");
    world.write("a/edited", "another content");
    world.remove_tree("b");
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 3);
    // Files that we sent ourselves go at once.
    world.write("a/edited", "a third content");
    world.settle().await;
    assert_eq!(world.versions().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_is_rebuilt_from_listings_without_sending_anything() {
    let mut world = Bench::new().await;
    world.write_many((0..40).map(|n| format!("{}/{}/file-{n}", n % 2, n % 4)));
    world.write("edited", "before");
    world.settle().await;
    let sent = world.emulator.bytes_received();
    if crypt::skips(Lack::RecognitionForFree) {
        return;
    }
    let mut world = world.lose_state();
    world.write("edited", "after it was lost");
    let end = world.cycle().await;
    assert_eq!(end.report.adopted, 40);
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received() - sent, "after it was lost".len() as u64);
    let calls = world.emulator.calls_since(0);
    assert!(!calls.iter().any(|call| call.ends_with("rm.cgi")), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_wrongly_shows_nothing_is_not_believed() {
    let mut world = Bench::new().await;
    world.write_many((0..5).map(|n| format!("folder/file-{n}")));
    for n in 0..5 {
        let path = format!("folder/file-{n}");
        world.put_by_others(&path, format!("content of {path}"));
    }
    world.settle().await;
    let sent = world.emulator.bytes_received();
    assert_eq!(sent, 0);
    // The target is found by four listings; the next one is that of the folder.
    let mut world = world.lose_state();
    let listings_before = world.emulator.calls_since(0).len();
    world.cycle().await;
    let calls = world.emulator.calls_since(listings_before);
    let of_folder = calls.iter().filter(|call| *call == "folder/ls.cgi").count() - 1;
    let mut world = world.lose_state();
    let empty = Fault::once("folder/ls.cgi", Action::EmptyListing).after(of_folder);
    world.emulator.inject(empty);
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_another_installation_is_not_touched_until_it_is_taken_over() {
    let mut world = Bench::new().await;
    world.write("file", "content");
    world.settle().await;
    let mut other = world.lose_state();
    other.shared.state.write(|w| w.set_note("installation", Some("installation-2"))).unwrap();
    let files = other.emulator.files();
    other.write("file", "of the other");
    let end = other.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    assert_eq!(other.emulator.files(), files);
    let name = other.config.name.clone();
    other.shared.state.write(|w| take_over(&name).set(w, true)).unwrap();
    other.settle().await;
    other.assert_mirrored();
}

/// Until 0.1 the staging folders lay in one of their own, `incoming`.
#[tokio::test(flavor = "multi_thread")]
async fn the_staging_folders_of_older_releases_are_used_and_tell_whose_the_target_is() {
    let mut world = Bench::new().await;
    let installation = world.shared.state.read(|s| s.installation()).unwrap().unwrap();
    world.emulator.add_folder(&format!("{TARGET}/.fichierd/incoming/another"));
    world.write("file", "content");
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    world.emulator.add_folder(&format!("{TARGET}/.fichierd/incoming/{installation}"));
    let mut world = world.restart();
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.folder_like(".fichierd/incoming-"), None);
}
