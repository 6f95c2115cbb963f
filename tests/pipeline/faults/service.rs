//! The service or the network fails for a time: the mirror converges afterwards, no file is there
//! twice, no unverified file is ever visible, and no call is made while the service wants none
//! (rows H, U and N of the fault catalogue).

use std::time::{Duration, Instant};

use fichier_emulator::{Action, Fault, NameTaken, Rules};
use fichier_testkit::{Bench, crypt};
use fichierd::mirror::Trouble;

/// The contents that `with_changes` leaves to be sent.
const CHANGED: [&str; 2] = ["changed", "new"];

/// A mirror with two files, one of which is changed, and a third that is new.
async fn with_changes() -> Bench {
    let mut world = Bench::new().await;
    world.write_many(["folder/a".to_owned(), "folder/b".to_owned()]);
    world.settle().await;
    world.write("folder/a", CHANGED[0]);
    world.write("folder/c", CHANGED[1]);
    world
}

fn html() -> String {
    "<html><body>Please wait</body></html>".to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_be_answered_by_nonsense_or_not_at_all() {
    let spoil = [
        Action::Reset,
        Action::DoItThenReset,
        Action::Truncated,
        Action::Empty,
        Action::Html(200, html()),
        Action::Status(500, html()),
        Action::Status(503, html()),
    ];
    let endpoints =
        ["upload/get_upload_server.cgi", "upload.cgi", "end.pl", "file/mv.cgi", "folder/mkdir.cgi"];
    let mut worlds = tokio::task::JoinSet::new();
    for action in spoil {
        worlds.spawn(async move {
            for endpoint in endpoints {
                eprintln!("{endpoint}: {action:?}");
                let mut world = with_changes().await;
                world.write("other/d", "in a new folder");
                world.emulator.inject(Fault::once(endpoint, action.clone()));
                world.cycle().await;
                world.settle().await;
                world.assert_mirrored();
                assert_eq!(world.versions(), [("a".to_owned(), b"content of folder/a".to_vec())]);
            }
        });
    }
    while let Some(done) = worlds.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_cut_at_any_part_of_its_body_arrives_once() {
    let size = 300_000;
    for cut in [0, 3_000, 150_000, 297_000, 300_000] {
        let mut world = Bench::new().await;
        world.write("bystander", "there before");
        world.settle().await;
        let before = world.emulator.bytes_received();
        world.write("large", vec![5; size]);
        world.emulator.inject(Fault::once("upload.cgi", Action::ResetAfter(cut)));
        world.cycle().await;
        world.settle().await;
        world.assert_mirrored();
        let sent = world.emulator.bytes_received() - before;
        let most = 2 * crypt::stored_bytes(size as u64);
        assert!(sent <= most, "{sent} bytes were sent after a cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_reply_was_lost_is_not_sent_again() {
    let mut world = Bench::new().await;
    world.write("large", vec![5; 300_000]);
    world.emulator.inject(Fault::once("upload.cgi", Action::DoItThenReset));
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), crypt::stored_bytes(300_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_flood_nothing_is_sent_until_the_hold_off_ends_also_after_a_restart() {
    let mut world = with_changes().await;
    world.emulator.inject(Fault::once("end.pl", Action::Flood));
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::HeldOff(..))), "{:?}", end.trouble);
    let mut world = world.restart();
    while world.shared.client.pacer().hold_off().is_some() {
        let calls = world.emulator.calls();
        let end = world.cycle().await;
        if matches!(end.trouble, Some(Trouble::HeldOff(..))) {
            assert_eq!(world.emulator.calls_since(calls), Vec::<String>::new());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_and_a_locked_address_hold_off_too() {
    for action in [Action::RetryAfter("120".to_owned()), Action::HardLock, Action::OwnerLocked] {
        let mut world = with_changes().await;
        world.emulator.inject(Fault::once("file/mv.cgi", action.clone()));
        let end = world.cycle().await;
        let calls = world.emulator.calls();
        assert!(world.shared.client.pacer().hold_off().is_some(), "{action:?}: {:?}", end.trouble);
        let end = world.cycle().await;
        assert!(end.trouble.is_some(), "{action:?}");
        assert_eq!(world.emulator.calls_since(calls), Vec::<String>::new(), "{action:?}");
        world.emulator.unlock();
        world.shared.client.pacer().end_hold_off();
        world.settle().await;
        world.assert_mirrored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_said_and_what_was_begun_is_finished_with_a_good_one() {
    for endpoint in ["upload/get_upload_server.cgi", "upload.cgi", "end.pl", "file/mv.cgi"] {
        let mut world = with_changes().await;
        world.emulator.inject(Fault::always(endpoint, Action::KeyRefused));
        let end = world.cycle().await;
        assert!(matches!(end.trouble, Some(Trouble::Refused(_))), "{endpoint}: {:?}", end.trouble);
        world.emulator.clear_faults();
        world.settle().await;
        world.assert_mirrored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_late_is_waited_for_and_nothing_is_sent_twice() {
    for action in [Action::Scanning(3), Action::EmptyLinks(3), Action::Scanning(20)] {
        let mut world = with_changes().await;
        let before = world.emulator.bytes_received();
        world.emulator.inject(Fault::once("upload.cgi", action));
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.emulator.bytes_received() - before, crypt::bytes_of(&CHANGED));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_work_goes_on_while_an_upload_is_being_scanned() {
    let mut world = with_changes().await;
    world.emulator.inject(Fault::once("upload.cgi", Action::Scanning(1_000)));
    world.cycle().await;
    world.rename("folder/b", "folder/renamed");
    world.write("folder/a", "changed again meanwhile");
    let end = world.cycle().await;
    assert!(end.trouble.is_none() && end.report.uploads_pending == 1, "{end:?}");
    assert_eq!(end.report.relocated, 1);
    assert_eq!(end.report.uploaded_files, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_are_missing_doubled_or_reordered_are_matched_by_content() {
    let actions = [
        Action::DropLink(crypt::stored_file("c")),
        Action::ExtraLinks,
        Action::ReorderedLinks,
        Action::XidDiffers,
        Action::StoreAs(crypt::stored_file("c"), crypt::stored_file("c_")),
    ];
    for action in actions {
        let mut world = with_changes().await;
        let before = world.emulator.bytes_received();
        let is_renamed = matches!(action, Action::StoreAs(..));
        let on = if matches!(action, Action::XidDiffers | Action::StoreAs(..)) {
            "upload.cgi"
        } else {
            "end.pl"
        };
        world.emulator.inject(Fault::once(on, action.clone()));
        world.settle().await;
        assert_eq!(
            world.emulator.bytes_received() - before,
            crypt::bytes_of(&CHANGED),
            "{action:?}"
        );
        if is_renamed {
            assert_eq!(world.remote().len(), 3);
            world.emulator.assert_no_violations();
        } else {
            world.assert_mirrored();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_stored_with_other_bytes_is_not_published_and_the_old_copy_stays() {
    let mut world = with_changes().await;
    let before = world.remote();
    world.emulator.inject(Fault::always("upload.cgi", Action::WrongWhirlpool));
    let end = world.cycle().await;
    assert_eq!(end.report.uploaded_files, 0);
    assert_eq!(end.report.problems, 2, "{:?}", world.problems());
    assert_eq!(world.remote(), before);
    world.emulator.clear_faults();
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.problems(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn y42_a_node_that_tells_another_hash_or_size_than_the_listing_is_not_believed() {
    for action in [Action::WrongWhirlpool, Action::WrongSize] {
        let mut world = with_changes().await;
        let before = world.emulator.bytes_received();
        world.emulator.inject(Fault::always("end.pl", action));
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.emulator.bytes_received() - before, crypt::bytes_of(&CHANGED));
        assert_eq!(world.asked("file/rm.cgi"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_that_fails_its_batch_is_found_and_the_others_arrive() {
    let mut world = Bench::new().await;
    world.write_many((0..100).map(|n| format!("folder/file-{n:02}")));
    world
        .emulator
        .inject(Fault::always("upload.cgi", Action::Poison(crypt::stored_file("file-37"))));
    world.cycle().await;
    assert_eq!(world.remote().len(), 99);
    assert_eq!(world.problems().len(), 1, "{:?}", world.problems());
    assert_eq!(world.problems()[0].0, "folder/file-37");
    let posts = world.emulator.calls_since(0);
    let posts = posts.iter().filter(|call| *call == "upload.cgi").count();
    assert!(posts <= 2 + 2 * 7, "{posts} uploads");
    world.emulator.clear_faults();
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn full_storage_stops_uploads_and_nothing_else() {
    let mut world = with_changes().await;
    world.write_many((0..40).map(|n| format!("folder/file-{n:02}")));
    world.remove("folder/b");
    world.emulator.inject(Fault::always("upload.cgi", Action::Quota));
    let end = world.cycle().await;
    assert!(end.trouble.is_none(), "{end:?}");
    assert_eq!(end.report.retired, 1);
    let calls = world.emulator.calls_since(0);
    assert!(calls.iter().filter(|call| *call == "upload.cgi").count() <= 16, "{calls:?}");
    world.emulator.clear_faults();
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_storage_is_left_for_another() {
    let mut world = with_changes().await;
    world.emulator.inject(Fault::once("upload.cgi", Action::NodeStorage));
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anonymous_upload_is_said_and_sent_again() {
    let mut world = with_changes().await;
    // The node takes files from anyone.
    world.emulator.set_key("another key");
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Refused(_))), "{:?}", end.trouble);
    assert!(world.emulator.files().iter().any(|file| file.anonymous));
    world.emulator.set_key(world.emulator.api_key());
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_carried_out_in_part_is_completed() {
    for (batch_max, keep_nothing) in [(1, false), (3, false), (3, true)] {
        let rules = |rules: &mut Rules| rules.batch_max = Some(batch_max);
        let mut world = Bench::with(rules, |config| {
            if keep_nothing {
                config.keep = fichierd::config::Keep::None;
            }
        })
        .await;
        world.write_many((0..10).map(|n| format!("folder/file-{n}")));
        world.settle().await;
        world.assert_mirrored();
        (0..5).for_each(|n| world.write(&format!("folder/file-{n}"), format!("edit {n}")));
        world.settle().await;
        world.assert_mirrored();
        (0..5).for_each(|n| world.rename(&format!("folder/file-{n}"), &format!("to/{n}.renamed")));
        world.settle().await;
        world.assert_mirrored();
        (0..5).for_each(|n| world.remove(&format!("to/{n}.renamed")));
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.versions().len(), if keep_nothing { 0 } else { 10 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_changes_the_link_is_followed() {
    let mut world = Bench::with(|rules| rules.mv_changes_link = true, |_| {}).await;
    world.write_many((0..6).map(|n| format!("folder/file-{n}")));
    world.settle().await;
    world.assert_mirrored();
    (0..3).for_each(|n| world.write(&format!("folder/file-{n}"), format!("edit {n}")));
    (3..6).for_each(|n| world.rename(&format!("folder/file-{n}"), &format!("to/renamed-{n}")));
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 3);
    let sent = world.emulator.bytes_received();
    (3..6).for_each(|n| world.rename(&format!("to/renamed-{n}"), &format!("back/{n}")));
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_changes_link_and_name_is_followed_without_its_reply() {
    let rules = |rules: &mut Rules| {
        rules.mv_changes_link = true;
        rules.on_name_taken = NameTaken::Rename;
    };
    let mut world = Bench::with(rules, |_| {}).await;
    world.write("folder/photo.jpg", "content");
    world.settle().await;
    world.write("folder/photo.jpg", "edited");
    world.emulator.inject(Fault::once("file/mv.cgi", Action::DoItThenReset));
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_made_without_telling_its_number_is_found() {
    let mut world = Bench::new().await;
    world.write("a/b/c", "content");
    world.emulator.inject(Fault::always("folder/mkdir.cgi", Action::NoFolderId));
    for _ in 0..20 {
        world.cycle().await;
    }
    world.emulator.clear_faults();
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.remote_folders(), ["a", "a/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_that_lag_behind_do_no_harm() {
    let lag = Duration::from_secs(120);
    let mut world = Bench::with(
        |rules| {
            rules.listing_lag = lag;
            rules.appears_after_result = true;
        },
        |_| {},
    )
    .await;
    world.write_many((0..4).map(|n| format!("folder/file-{n}")));
    world.emulator.inject(Fault::once("upload.cgi", Action::DoItThenReset));
    world.emulator.inject(Fault::once("end.pl", Action::EmptyLinks(10)));
    world.settle().await;
    world.write("folder/file-0", "changed");
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_while_nobody_ran_leaves_nothing_in_staging() {
    let mut world = Bench::new().await;
    world.write("file", "first");
    let calls = Bench::new().await.calls_to("upload.cgi", "file").await;
    assert!(world.kill_at(calls, true).await);
    world.write("file", "changed after the process had died");
    world.emulator.inject(Fault::always("end.pl", Action::EmptyLinks(100)));
    let mut world = world.restart();
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.versions().is_empty() {
        world.cycle().await;
        assert!(Instant::now() < deadline, "{:?}", world.emulator.files());
    }
    world.emulator.clear_faults();
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions(), [("file".to_owned(), b"first".to_vec())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_taken_by_others_are_left_to_them() {
    let mut world = Bench::new().await;
    world.write("folder/mine", "mine");
    world.settle().await;
    let theirs = world.put_by_others("folder/mine", "theirs");
    world.write("folder/mine", "mine, edited");
    world.cycle().await;
    world.rename("folder/mine", "folder/renamed");
    world.cycle().await;
    assert_eq!(world.content(&theirs), b"theirs");
    let remote = world.remote();
    assert_eq!(remote["folder/mine"], b"theirs");
    assert_eq!(remote["folder/renamed"], b"mine, edited");
    world.emulator.assert_no_violations();
}
