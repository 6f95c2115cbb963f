//! When a mirror is complete: after uploads that were cut, with problems, after looks at single
//! paths. Success is never told before everything is confirmed.

use std::time::Duration;

use fichier_emulator::{Action, Fault};
use fichier_state::{Proof, ProofKind};
use fichier_testkit::bench::TIME_SCALE;
use fichier_testkit::{Bench, crypt};
use fichierd::base::Exit;
use fichierd::daemon::health;
use fichierd::disk::Due;
use fichierd::mirror::{CycleEnd, Patience};
use fichierd::restore::proof::ProvedBy;
use fichierd::restore::{Proved, proof};

/// Mirrors as `sync` does, until the command would end.
async fn sync(world: &mut Bench) -> CycleEnd {
    let mut patience = Patience::new(&world.config, TIME_SCALE);
    loop {
        let end = world.cycle().await;
        let Some(pause) = patience.goes_on(&end, &world.config) else { return end };
        world.worker.dirty.take_settled(Duration::ZERO, Duration::ZERO);
        tokio::time::sleep(pause).await;
    }
}

fn last_success(world: &Bench) -> Option<i64> {
    let row = world.shared.state.read(|s| s.mirror(&world.config.name, &world.config.target));
    row.unwrap().unwrap().last_success_s
}

#[track_caller]
fn assert_told_as_success(world: &Bench, end: &CycleEnd) {
    let summary = health::summary("photos", end);
    assert_eq!((summary.exit, summary.outcome.as_str()), (Exit::Done.code(), "done"), "{end:?}");
    assert!(summary.complete && last_success(world).is_some(), "{end:?}");
    world.assert_mirrored();
}

#[track_caller]
fn assert_not_told_as_success(world: &Bench, end: &CycleEnd, exit: Exit) {
    let summary = health::summary("photos", end);
    assert_eq!(summary.exit, exit.code(), "{summary:?} {end:?}");
    assert!(!summary.complete && summary.outcome != "done", "{summary:?}");
    assert_eq!(last_success(world), None, "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn z02_a_sync_whose_upload_was_cut_half_way_does_not_end_with_success() {
    for action in [Action::Reset, Action::ResetAfter(10), Action::KeyRefused] {
        let mut world = Bench::new().await;
        world.write("folder/a", vec![1; 100_000]);
        world.emulator.inject(Fault::always("upload.cgi", action.clone()));
        let end = world.cycle().await;
        assert_ne!(health::summary("photos", &end).exit, Exit::Done.code(), "{action:?}: {end:?}");
        assert_eq!(last_success(&world), None, "{action:?}");
        world.emulator.clear_faults();
        let end = sync(&mut world).await;
        assert_told_as_success(&world, &end);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z02_after_a_process_that_died_while_bytes_flowed_sync_waits_until_all_is_sent_again() {
    let mut world = Bench::new().await;
    world.write("folder/a", vec![1; 100_000]);
    world.write("b", "b");
    world.emulator.inject(Fault::always("upload.cgi", Action::StallBody(10)));
    let due = Due { everything: true, paths: Vec::new() };
    tokio::select! {
        _ = world.worker.run(&world.shared, &due) => panic!("it stalls"),
        () = sending(&world.emulator) => {}
    }
    world.emulator.clear_faults();
    let mut world = world.restart();
    // The next run asks, finds nothing, and may not send it again yet.
    let end = world.cycle().await;
    assert_not_told_as_success(&world, &end, Exit::TryLater);
    assert_eq!(end.completeness.pending, 2, "{end:?}");
    let end = sync(&mut world).await;
    assert_told_as_success(&world, &end);
}

/// Returns when the bytes of an upload flow.
async fn sending(emulator: &fichier_emulator::Emulator) {
    while !emulator.requests().iter().any(|request| request.endpoint == "upload.cgi") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z02_a_node_that_stored_fewer_files_than_were_sent_is_no_success() {
    let mut world = Bench::new().await;
    world.write("a", "content a");
    world.write("b", "content b");
    world.emulator.inject(Fault::once("end.pl", Action::Vanish(crypt::stored_file("b"))));
    let end = world.cycle().await;
    assert_eq!(world.remote().len(), 1, "{end:?}");
    assert_not_told_as_success(&world, &end, Exit::TryLater);
    let end = sync(&mut world).await;
    assert_told_as_success(&world, &end);
}

#[tokio::test(flavor = "multi_thread")]
async fn z02_a_lost_reply_whose_files_cannot_be_found_yet_is_no_success() {
    let mut world = Bench::new().await;
    world.write("a", "content a");
    world.emulator.inject(Fault::once("upload.cgi", Action::DoItThenReset));
    for endpoint in ["end.pl", "folder/ls.cgi", "file/ls.cgi"] {
        world.emulator.inject(Fault::always(endpoint, Action::Vanish(crypt::stored_file("a"))));
    }
    let end = world.cycle().await;
    assert_not_told_as_success(&world, &end, Exit::TryLater);
    world.emulator.clear_faults();
    let end = sync(&mut world).await;
    assert_told_as_success(&world, &end);
}

#[tokio::test(flavor = "multi_thread")]
async fn z03_an_upload_that_is_scanned_for_long_ends_sync_with_75_and_says_what_waits() {
    let mut world = Bench::new().await;
    world.write("a", "content a");
    world.emulator.inject(Fault::once("upload.cgi", Action::Scanning(1_000_000)));
    let end = world.cycle().await;
    assert_not_told_as_success(&world, &end, Exit::TryLater);
    let said = health::summary("photos", &end).outcome;
    assert!(said.contains("1 file sent and not confirmed yet"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn z04_looks_at_single_paths_are_success_only_after_a_look_at_everything() {
    let mut world = Bench::new().await;
    world.write("a", "content a");
    world.write("b", "content b");
    world.worker.is_watched = true;
    let end = world.cycle_over(&["a"]).await;
    assert_not_told_as_success(&world, &end, Exit::TryLater);
    let end = sync(&mut world).await;
    assert_told_as_success(&world, &end);

    let at_first = last_success(&world);
    for (is_watched, moves) in [(true, true), (false, false)] {
        world.shared.state.clock().advance(Duration::from_secs(60));
        world.write("a", format!("changed, watched: {is_watched}"));
        world.worker.is_watched = is_watched;
        let before = last_success(&world);
        let end = world.cycle_over(&["a"]).await;
        assert_eq!(end.completeness.is_complete(), moves, "{end:?}");
        assert_eq!(last_success(&world) > before, moves, "watched: {is_watched}");
    }
    assert!(last_success(&world) > at_first);
}

#[tokio::test(flavor = "multi_thread")]
async fn z05_a_file_with_a_problem_keeps_the_mirror_from_being_complete_until_it_is_solved() {
    let mut world = Bench::new().await;
    world.write("a", "content a");
    world.write("b", "content b");
    world.emulator.inject(Fault::always("upload.cgi", Action::Poison(crypt::stored_file("b"))));
    let end = world.cycle().await;
    assert_not_told_as_success(&world, &end, Exit::Problems);
    world.emulator.clear_faults();
    let end = sync(&mut world).await;
    assert_told_as_success(&world, &end);
}

#[tokio::test(flavor = "multi_thread")]
async fn z06_a_line_of_patterns_that_cannot_be_read_stays_a_problem_until_it_is_corrected() {
    let mut world = Bench::new().await;
    world.write(".fichierignore", "a[z-a]\n*.tmp\n");
    world.write("a", "content a");
    for _ in 0..2 {
        let end = world.cycle().await;
        let [(path, what)] = world.problems().try_into().unwrap();
        assert_eq!(path, ".fichierignore");
        assert!(what.contains("line 1"), "{what}");
        assert_not_told_as_success(&world, &end, Exit::Problems);
        assert_eq!(world.remote().len(), 2, "it is sent all the same");
    }
    let hint = world.shared.state.read(|s| s.problems(None)).unwrap().remove(0).hint;
    assert!(hint.contains("correct the line") && !hint.contains("removed"), "{hint}");
    world.write(".fichierignore", "*.tmp\n");
    let end = sync(&mut world).await;
    assert_eq!(world.problems(), []);
    assert_told_as_success(&world, &end);
}

#[tokio::test(flavor = "multi_thread")]
async fn z07_cycles_that_fail_are_no_reason_to_read_the_account() {
    let mut world = Bench::new().await;
    world.write("a", "content a");
    world.settle().await;
    world.chores().await;
    world.shared.state.clock().advance(Duration::from_secs(25 * 3600));
    world.chores().await;
    let asked = world.asked("user/info.cgi");
    assert_eq!(asked, 1, "something was sent since the account was set up");
    for _ in 0..3 {
        world.shared.state.clock().advance(Duration::from_secs(25 * 3600));
        world.write("b", "content b");
        world.emulator.inject(Fault::always("upload/get_upload_server.cgi", Action::Reset));
        assert!(world.cycle().await.trouble.is_some());
        world.emulator.clear_faults();
        world.chores().await;
    }
    assert_eq!(world.asked("user/info.cgi"), asked, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn z15_a_cycle_that_is_cut_by_the_end_of_the_process_is_no_success() {
    let mut world = Bench::new().await;
    world.write("a", "content a");
    world.shared.stop.cancel();
    let end = world.cycle().await;
    assert_not_told_as_success(&world, &end, Exit::TryLater);
    assert_eq!(world.remote().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn z16_files_that_came_back_end_the_refusal_of_downloads() {
    let mut world = Bench::new().await;
    world.write("a", "content a");
    world.settle().await;
    let state = &world.shared.state;
    let refused = Proof {
        good: false,
        at_s: state.now_s(),
        files: 1,
        bytes: 1,
        detail: "downloads need CDN credits".to_owned(),
    };
    state.write(|w| w.put_proof(world.worker.id, ProofKind::Canary, &refused)).unwrap();
    let canary = || state.read(|s| s.proofs(world.worker.id, ProofKind::Canary)).unwrap();
    for (good, files) in [(false, 1), (true, 0), (true, 1)] {
        let proved = Proved {
            mirror: "photos".to_owned(),
            by: ProvedBy::Verify,
            good,
            files,
            bytes: files,
            detail: "as recorded".to_owned(),
            broken: Vec::new(),
            confirmed: Vec::new(),
        };
        state.clock().advance(Duration::from_secs(60));
        proof::keep(state, &world.config, None, &proved).unwrap();
        assert_eq!(canary()[0].good, good && files > 0, "{proved:?}");
    }
}
