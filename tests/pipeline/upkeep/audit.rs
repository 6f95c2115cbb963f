//! Others change the target, or the service shows it wrongly, while nothing changes on disk: the
//! audit finds out, repairs it, and believes no single listing (X01 to X08, I11).

use std::time::Duration;

use fichier_emulator::{Action, Fault, Rules};
use fichier_state::{Origin, ProofKind};
use fichier_testkit::crypt;
use fichier_testkit::{Bench, TARGET};
use fichierd::mirror::Trouble;
use fichierd::upkeep::audit::health;

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTES: Duration = Duration::from_secs(6 * 60);
const TIME_SCALE: u32 = 2_000;

async fn audited(paths: &[&str]) -> Bench {
    let mut world = Bench::with(|_| {}, |config| config.audit = Some(7 * DAY)).await;
    world.write_many(paths.iter().map(|path| (*path).to_owned()));
    world.settle().await;
    world.all_chores().await;
    world
}

fn count(calls: &[String], endpoint: &str) -> usize {
    calls.iter().filter(|call| *call == endpoint).count()
}

/// Puts a second copy beside a file of the mirror, and returns its link.
fn put_twin(world: &Bench, folder: &str, name: &str) -> String {
    let stored = world.emulator.content(&world.link(name)).unwrap();
    world.emulator.add_file(&world.folder_path(folder), &crypt::stored_file(name), &stored)
}

/// Lets a week pass, with the second looks that come minutes after a doubtful one. Returns the
/// calls that the audit made.
async fn audit(world: &mut Bench) -> Vec<String> {
    let mut calls = Vec::new();
    for _ in 0..7 {
        world.pass(DAY);
        calls.extend(world.all_chores().await);
        world.pass(MINUTES);
        calls.extend(world.all_chores().await);
    }
    calls
}

fn last_audit(world: &Bench) -> fichier_state::Proof {
    let proofs = world.shared.state.read(|s| s.proofs(world.worker.id, ProofKind::Audit));
    proofs.unwrap().into_iter().next().expect("no audit has ended")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_folder_is_listed_once_in_the_period_spread_over_it() {
    let paths: Vec<String> = (0..13).map(|n| format!("folder-{n:02}/file")).collect();
    let mut world = audited(&paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for day in 0..3 * 7 {
        world.pass(DAY);
        let calls = world.all_chores().await;
        assert_eq!(count(&calls, "folder/ls.cgi"), 2, "day {day}: {calls:?}");
    }
    let proof = last_audit(&world);
    assert!(proof.good, "{}", proof.detail);
    assert_eq!(proof.files, 13);
    let state = &world.shared.state;
    let row = state.read(|s| s.mirror("photos", TARGET)).unwrap().unwrap();
    let health = state.read(|s| health(s, &row, &world.config, state.now_s())).unwrap();
    assert_eq!((health.folders, health.is_behind), (14, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_off_for_long_catches_up_in_small_steps() {
    let paths: Vec<String> = (0..60).map(|n| format!("folder-{n:02}/file")).collect();
    let mut world = audited(&paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for years in [10, -20, 10] {
        let clock = world.shared.state.clock().clone();
        let now_s = world.shared.state.now_s() - fichier_state::Clock::default().now_s();
        clock.set_ahead(now_s + years * 365 * 24 * 3600);
        let calls = world.all_chores().await;
        assert!(count(&calls, "folder/ls.cgi") <= 20 + 2, "{}", calls.len());
        assert_eq!(count(&calls, "file/mv.cgi"), 0);
    }
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_is_sent_again_after_a_second_look() {
    let mut world = audited(&["a/gone", "a/stays", "stays"]).await;
    world.emulator.remove_file(&world.link("gone"));
    let sent = world.emulator.bytes_received();
    world.pass(7 * DAY);
    world.all_chores().await;
    assert!(world.worker.dirty.is_empty(), "one look is not enough");
    world.pass(Duration::from_secs(4 * 60));
    assert_eq!(world.all_chores().await, Vec::<String>::new());
    world.pass(Duration::from_secs(60));
    let calls = world.all_chores().await;
    assert_eq!(calls, ["folder/ls.cgi", "file/mv.cgi", "folder/ls.cgi"]);
    assert!(!world.worker.dirty.is_empty());
    world.settle().await;
    world.assert_mirrored();
    let again = world.emulator.bytes_received() - sent;
    assert_eq!(again, crypt::bytes_of(&["content of a/gone"]));
    audit(&mut world).await;
    audit(&mut world).await;
    assert!(last_audit(&world).good, "{}", last_audit(&world).detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn z98_a_folder_that_is_looked_at_twice_counts_once() {
    let mut world = audited(&["a/gone", "a/stays", "b/stays", "stays"]).await;
    audit(&mut world).await;
    world.emulator.remove_file(&world.link("gone"));
    let mut listings = 0;
    while last_audit(&world).good {
        world.pass(DAY);
        let calls = world.all_chores().await;
        world.pass(MINUTES);
        let again = world.all_chores().await;
        listings += count(&calls, "folder/ls.cgi") + count(&again, "folder/ls.cgi");
        world.settle().await;
    }
    let proof = last_audit(&world);
    assert!(listings > 3, "{listings}");
    assert_eq!(proof.files, 4, "{}", proof.detail);
    assert!(proof.detail.contains("listings of 3 folders"), "{}", proof.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_that_are_gone_cost_one_refusal() {
    let paths: Vec<String> = (0..450).map(|n| format!("a/{n}")).collect();
    let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    paths.push("stays");
    let mut world = audited(&paths).await;
    let folder = world.folder_path("a");
    for file in world.emulator.files().iter().filter(|file| file.path == folder) {
        world.emulator.remove_file(&file.link);
    }
    let calls = audit(&mut world).await;
    assert_eq!(count(&calls, "file/mv.cgi"), 1);
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_moved_or_renamed_are_put_back_without_sending_them() {
    let mut world = audited(&["a/moved", "a/renamed", "a/both", "stays"]).await;
    let sent = world.emulator.bytes_received();
    world.emulator.move_file(&world.link("moved"), "/elsewhere");
    world.emulator.rename_file(&world.link("renamed"), "by somebody");
    let both = world.link("both");
    world.emulator.rename_file(&both, "by somebody else");
    world.emulator.move_file(&both, &format!("{TARGET}/b"));
    audit(&mut world).await;
    audit(&mut world).await;
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_counted_and_left_alone() {
    let mut world = audited(&["a/file"]).await;
    let theirs = world.put_by_others("a/theirs", "not ours");
    audit(&mut world).await;
    world.settle().await;
    assert!(world.emulator.content(&theirs).is_some());
    assert_eq!(world.shared.state.read(|s| s.totals(world.worker.id)).unwrap().foreign, 1);
    assert!(last_audit(&world).good);
    world.emulator.remove_file(&theirs);
    audit(&mut world).await;
    assert_eq!(world.shared.state.read(|s| s.totals(world.worker.id)).unwrap().foreign, 0);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_gone_is_made_again_with_all_that_was_in_it() {
    let mut world = audited(&["a/one", "a/b/two", "a/b/c/three", "d/four"]).await;
    world.emulator.remove_folder(&world.folder_path("a"));
    audit(&mut world).await;
    world.settle().await;
    world.assert_mirrored();
    audit(&mut world).await;
    let proofs = world.shared.state.read(|s| s.proofs(world.worker.id, ProofKind::Audit)).unwrap();
    let bad = proofs.iter().find(|proof| !proof.good).unwrap();
    assert!(bad.detail.contains("folders gone"), "{}", bad.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_is_held_and_nothing_is_sent() {
    let mut world = audited(&["a/one", "two"]).await;
    world.emulator.remove_folder(TARGET);
    let sent = world.emulator.bytes_received();
    for _ in 0..10 {
        world.pass(DAY);
        world.chores().await;
    }
    let end = world.cycle().await;
    assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    assert_eq!(world.emulator.bytes_received(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_contents_are_replaced_and_kept_among_the_versions() {
    let mut world = audited(&["a/changed", "a/stays"]).await;
    let other = crypt::stored_content(b"something else altogether");
    world.emulator.replace_content(&world.link("changed"), &other);
    audit(&mut world).await;
    world.settle().await;
    world.assert_mirrored();
    let kept = [("changed".to_owned(), b"something else altogether".to_vec())];
    assert_eq!(world.versions(), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_other_contents_at_once_are_only_told() {
    let paths: Vec<String> = (0..30).map(|n| format!("{n}")).collect();
    let mut world = audited(&paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for file in world.emulator.files() {
        world.emulator.replace_content(&file.link, b"all the same");
    }
    let sent = world.emulator.bytes_received();
    audit(&mut world).await;
    world.settle().await;
    assert_eq!(world.emulator.bytes_received(), sent);
    assert!(last_audit(&world).detail.contains("30 not as recorded"), "{:?}", last_audit(&world));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_removed_again_and_again_is_given_up_until_it_changes() {
    let mut world = audited(&["abused", "stays"]).await;
    for _ in 0..3 {
        world.emulator.remove_file(&world.link("abused"));
        audit(&mut world).await;
        world.cycle().await;
    }
    let there = |world: &Bench| world.remote().contains_key("abused");
    assert!(!there(&world));
    let end = world.cycle().await;
    assert_eq!(end.report.problems, 1);
    assert!(
        world.problems()[0].1.contains("removed on 1fichier 3 times"),
        "{:?}",
        world.problems()
    );
    let calls = world.calls_of_cycle().await;
    assert_eq!(calls, Vec::<String>::new());
    world.write("abused", "something better");
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.problems(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_that_show_nothing_or_too_little_change_nothing() {
    let faults: [fn(&Bench); 4] = [
        |world| world.emulator.inject(Fault::always("folder/ls.cgi", Action::EmptyListing)),
        |world| {
            let rules = Rules { listing_cap: 2, ..Rules::scaled(TIME_SCALE) };
            world.emulator.set_rules(rules);
        },
        |world| {
            let html = Action::Html(200, "<html>please wait</html>".to_owned());
            world.emulator.inject(Fault::always("folder/ls.cgi", html));
        },
        |world| world.emulator.inject(Fault::once("folder/ls.cgi", Action::EmptyListing)),
    ];
    for (n, fault) in faults.into_iter().enumerate() {
        let mut world = audited(&["a/1", "a/2", "a/3", "a/4", "5", "6", "7"]).await;
        let (sent, before) = (world.emulator.bytes_received(), world.remote());
        fault(&world);
        for _ in 0..20 {
            world.pass(DAY / 2);
            world.chores().await;
            world.pass(MINUTES);
            world.chores().await;
        }
        assert_eq!(world.remote(), before, "fault {n}");
        world.emulator.clear_faults();
        world.emulator.set_rules(Rules::scaled(TIME_SCALE));
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.emulator.bytes_received(), sent, "fault {n}");
        assert_eq!(world.versions(), [], "fault {n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_listed_yet_is_not_missed() {
    let mut world = audited(&["a/old"]).await;
    let lag = Duration::from_secs(100_000);
    world.emulator.set_rules(Rules { listing_lag: lag, ..Rules::scaled(TIME_SCALE) });
    world.pass(7 * DAY);
    world.write("a/new", "sent just now");
    world.cycle().await;
    let sent = world.sent_bytes();
    world.all_chores().await;
    world.pass(MINUTES);
    world.all_chores().await;
    world.settle().await;
    assert_eq!(world.sent_bytes(), sent);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn second_copies_of_our_files_go_to_the_versions() {
    let mut world = audited(&["a/file", "stays"]).await;
    let twin = put_twin(&world, "a", "file");
    let other = world.put_by_others("a/file", "content of a/another");
    world.pass(7 * DAY);
    world.all_chores().await;
    assert_eq!(world.versions(), [], "one look is not enough");
    audit(&mut world).await;
    assert_eq!(world.versions(), [("file".to_owned(), b"content of a/file".to_vec())]);
    assert!(world.emulator.content(&twin).is_some());
    assert!(world.emulator.content(&other).is_some());
    world.emulator.remove_file(&other);
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_copy_of_what_was_there_before_us_stays() {
    let mut world = Bench::with(|_| {}, |config| config.audit = Some(7 * DAY)).await;
    let folder = world.folder_path("a");
    let twins = [0, 1].map(|_| world.put_by_others("a/file", "content"));
    world.write("a/file", "content");
    world.settle().await;
    world.all_chores().await;
    audit(&mut world).await;
    audit(&mut world).await;
    for twin in twins {
        assert!(world.emulator.files().iter().any(|f| f.link == twin && f.path == folder));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_confirmed_by_its_listing() {
    let mut world = audited(&["stays"]).await;
    world.write("a/large", vec![7; 5 << 20]);
    world.settle().await;
    world.write("a/copy", vec![7; 5 << 20]);
    world.settle().await;
    let origin = |world: &Bench| world.record_of("a/copy").unwrap().remote().unwrap().origin;
    assert_eq!(origin(&world), Origin::Copied);
    audit(&mut world).await;
    assert_eq!(origin(&world), Origin::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_audit_mends_is_mended_once_whenever_the_process_dies() {
    let prepared = async || {
        let mut world = audited(&["a/gone", "a/moved", "a/renamed", "a/twin", "stays"]).await;
        world.emulator.remove_file(&world.link("gone"));
        world.emulator.move_file(&world.link("moved"), "/elsewhere");
        world.emulator.rename_file(&world.link("renamed"), "by somebody");
        put_twin(&world, "a", "twin");
        world.pass(7 * DAY);
        world.all_chores().await;
        world.pass(MINUTES);
        world
    };
    let calls = prepared().await.all_chores().await.len();
    assert!(calls > 4);
    for n in 0..calls {
        for carried_out in [false, true] {
            let mut world = prepared().await;
            assert!(world.kill_chores_at(n, carried_out).await, "there is no request {n}");
            let ahead = world.shared.state.now_s() - fichier_state::Clock::default().now_s();
            let mut world = world.restart();
            world.shared.state.clock().set_ahead(ahead);
            world.settle().await;
            audit(&mut world).await;
            world.settle().await;
            audit(&mut world).await;
            world.settle().await;
            world.assert_mirrored();
            assert_eq!(world.versions().len(), 1, "killed at {n}, {carried_out}");
        }
    }
}
