//! `check --probe` finds each answer that the service may give and leaves nothing behind, and the
//! program makes use of the answers.

use std::path::Path;
use std::time::Duration;

use fichier_api::{Client, PaceConfig, Pacer};
use fichier_emulator::{
    BatchExcess, Emulator, FolderTaken as Folders, FullFolder as Full, NameTaken as Names,
    RemoveUnknown as Unknown, Rules,
};
use fichier_testkit::Bench;
use fichier_testkit::bench::{Way, client_by};
use fichierd::remote::probe::probe;
use fichierd::remote::{
    By, Download, FolderTaken, Found, FullFolder, Habits, Learnt, LinkAfterMove, NameTaken,
    RemoveUnknown,
};
use tempfile::TempDir;

pub const TIME_SCALE: u32 = 2_000;

/// A delay that has not passed when the probe looks, however busy the machine is.
const SLOW_SCALE: u32 = 100;

pub async fn emulator(rules: impl FnOnce(&mut Rules)) -> Emulator {
    let mut set = Rules { trials_tolerated: true, ..Rules::scaled(TIME_SCALE) };
    rules(&mut set);
    Emulator::builder().rules(set).start().await.unwrap()
}

pub fn client(emulator: &Emulator, dir: &Path, time_scale: u32) -> Client {
    let pace = PaceConfig { calls_per_second: 3.0, time_scale };
    let pacer = Pacer::at(&dir.join("pace"), pace).unwrap();
    client_by(&Way::default(), emulator, pacer)
}

/// Probes an empty account.
async fn found(rules: impl FnOnce(&mut Rules)) -> Habits {
    let mut scale = TIME_SCALE;
    let emulator = emulator(|set| {
        rules(set);
        scale = set.time_scale;
    })
    .await;
    let dir = TempDir::new().unwrap();
    let client = client(&emulator, dir.path(), scale);
    let Found { habits, stopped, left, .. } = probe(&client, dir.path(), 7, &|_| {}).await.unwrap();
    assert!(stopped.is_none(), "{stopped:?}");
    assert_eq!(left, None);
    assert_clean(&emulator);
    habits
}

#[track_caller]
pub fn assert_clean(emulator: &Emulator) {
    assert_eq!(emulator.files(), []);
    assert_eq!(emulator.folders(), Vec::<String>::new());
    emulator.assert_no_violations();
}

fn is<T: Copy>(learnt: Option<Learnt<T>>) -> Option<T> {
    let Learnt { is, at_s, by } = learnt?;
    assert_eq!((at_s, by), (7, By::Probe));
    Some(is)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_assumed_service_is_found_as_it_is_assumed() {
    let emulator = emulator(|_| {}).await;
    let dir = TempDir::new().unwrap();
    let found =
        probe(&client(&emulator, dir.path(), TIME_SCALE), dir.path(), 7, &|_| {}).await.unwrap();
    let habits = found.habits;
    assert_eq!(is(habits.folder_taken), Some(FolderTaken::Refused));
    assert_eq!(is(habits.folders_fold_case), Some(false));
    assert_eq!(is(habits.name_taken), Some(NameTaken::Twins));
    assert_eq!(is(habits.batch), Some(100));
    assert_eq!(is(habits.link_after_move), Some(LinkAfterMove::Kept));
    assert_eq!(is(habits.upload_lag_s), Some(0));
    assert_eq!(is(habits.link_lag_s), Some(0));
    assert_eq!(is(habits.move_lag_s), Some(0));
    assert_eq!(is(habits.full_folder), Some(FullFolder::Refused));
    assert_eq!(is(habits.remove_unknown), Some(RemoveUnknown::LeftOut));
    assert_eq!(is(habits.download), Some(Download::Served));
    assert!(habits.rows().iter().all(|(_, answer)| answer.is_some()));
    let calls = emulator.calls();
    assert!(calls <= usize::try_from(fichierd::remote::probe::CALLS).unwrap(), "{calls} calls");
    assert_clean(&emulator);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_about_folders_is_found() {
    for (switch, answer) in [
        (Folders::Refuse, FolderTaken::Refused),
        (Folders::Existing, FolderTaken::Existing),
        (Folders::Duplicate, FolderTaken::Twins),
    ] {
        let habits = found(|rules| rules.on_folder_taken = switch).await;
        assert_eq!(is(habits.folder_taken), Some(answer));
        assert_eq!(habits.mkdir_hides_what_is_there(), answer != FolderTaken::Refused);
    }
    let habits = found(|rules| rules.folders_fold_case = true).await;
    assert_eq!(is(habits.folders_fold_case), Some(true));
    let habits = found(|rules| rules.rm_full_folder = Full::Remove).await;
    assert_eq!(is(habits.full_folder), Some(FullFolder::Removed));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_about_names_and_links_is_found() {
    for (switch, answer) in [
        (Names::Duplicate, NameTaken::Twins),
        (Names::Refuse, NameTaken::Refused),
        (Names::Rename, NameTaken::Renamed),
        (Names::Overwrite, NameTaken::Overwritten),
    ] {
        let habits = found(|rules| rules.on_name_taken = switch).await;
        assert_eq!(is(habits.name_taken), Some(answer));
    }
    let habits = found(|rules| rules.mv_changes_link = true).await;
    assert_eq!(is(habits.link_after_move), Some(LinkAfterMove::New));
    assert_eq!(is(habits.batch), Some(100));
    let habits = found(|rules| rules.remove_unknown = Unknown::NotFound).await;
    assert_eq!(is(habits.remove_unknown), Some(RemoveUnknown::NotFound));
    let habits = found(|rules| rules.downloads_need_cdn = true).await;
    assert_eq!(is(habits.download), Some(Download::NeedsCredits));
    let habits = found(|rules| rules.other_location_active = true).await;
    assert_eq!(is(habits.download), None, "somebody else's download says nothing about ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_batch_is_found_however_a_larger_one_is_treated() {
    for most in [1, 3, 50, 99, 100] {
        for excess in [BatchExcess::LeaveOut, BatchExcess::Refuse] {
            let habits = found(|rules| {
                rules.batch_max = Some(most);
                rules.batch_excess = excess;
            })
            .await;
            // The files left after the search by halves may be too few to tell the last answer from
            // it.
            assert_eq!(is(habits.batch), Some(most), "{excess:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lags_behind_is_measured() {
    let lag = Duration::from_secs(120);
    let slowly = |set: &mut Rules| set.time_scale = SLOW_SCALE;
    let uploads = found(|set| {
        slowly(set);
        set.listing_lag = lag;
    });
    let moves = found(|set| {
        slowly(set);
        set.move_lag = lag;
    });
    let links = found(|set| {
        slowly(set);
        set.new_link_lag = lag;
    });
    let (uploads, moves, links) = tokio::join!(uploads, moves, links);
    for learnt in [uploads.upload_lag_s, moves.move_lag_s, links.link_lag_s] {
        assert!(is(learnt).unwrap() >= 100, "{learnt:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_dies_anywhere_is_cleaned_up_by_the_next_one() {
    use fichier_emulator::{Action, Fault};
    for carried_out in [false, true] {
        for n in (0..70).step_by(5) {
            let emulator = emulator(|_| {}).await;
            let dir = TempDir::new().unwrap();
            let client = client(&emulator, dir.path(), TIME_SCALE);
            let action = if carried_out { Action::DoItThenReset } else { Action::Reset };
            emulator.inject(Fault::once("*", action).after(n));
            emulator.inject(Fault::always("*", Action::Reset).after(n + 1));
            probe(&client, dir.path(), 7, &|_| {}).await.ok();
            emulator.clear_faults();
            let again = probe(&client, dir.path(), 7, &|_| {}).await.unwrap();
            assert!(again.stopped.is_none() && again.left.is_none(), "cut at {n}: {again:?}");
            // A file that was sent with a wrong key belongs to no account, and only its result
            // tells how to remove it.
            let files = emulator.files().into_iter().filter(|file| !file.anonymous);
            assert_eq!(files.collect::<Vec<_>>(), [], "cut at {n}");
            assert_eq!(emulator.folders(), Vec::<String>::new(), "cut at {n}");
            emulator.assert_no_violations();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_put_into_the_folder_stays() {
    use fichier_emulator::{Action, Fault};
    let emulator = emulator(|_| {}).await;
    let dir = TempDir::new().unwrap();
    let client = client(&emulator, dir.path(), TIME_SCALE);
    emulator.inject(Fault::always("*", Action::Reset).after(8));
    probe(&client, dir.path(), 7, &|_| {}).await.unwrap();
    emulator.clear_faults();
    let name = std::fs::read_to_string(dir.path().join("probe")).unwrap();
    emulator.add_file(&format!("/{name}"), "holiday.jpg", b"somebody's");
    let again = probe(&client, dir.path(), 7, &|_| {}).await.unwrap();
    assert_eq!(again.left, Some(name));
    assert_eq!(emulator.files().len(), 1);
    emulator.assert_no_violations();
}

/// A world that has been probed.
async fn probed(rules: impl FnOnce(&mut Rules)) -> Bench {
    let world = Bench::with(rules, |_| {}).await;
    learn(&world).await;
    world
}

async fn learn(world: &Bench) {
    let dir = TempDir::new().unwrap();
    world.emulator.tolerate_trials(true);
    let found = probe(&world.shared.client, dir.path(), 7, &|_| {}).await.unwrap();
    world.emulator.tolerate_trials(false);
    assert!(found.stopped.is_none() && found.left.is_none(), "{found:?}");
    world.shared.state.write(|w| found.habits.keep(w)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_batch_is_never_exceeded_and_an_unknown_one_is_found_by_halves() {
    for is_known in [true, false] {
        let rules = |rules: &mut Rules| {
            rules.batch_max = Some(7);
            rules.batch_excess = BatchExcess::Refuse;
        };
        let mut world =
            if is_known { probed(rules).await } else { Bench::with(rules, |_| {}).await };
        let before = world.emulator.requests().len();
        world.write_many((0..40).map(|n| format!("a/file-{n}")));
        world.write("stays", "stays");
        world.settle().await;
        world.assert_mirrored();
        (0..40).for_each(|n| world.remove(&format!("a/file-{n}")));
        world.settle().await;
        world.assert_mirrored();
        let requests = world.emulator.requests();
        let refused = requests[before..].iter().any(|request| request.status == 400);
        assert_eq!(refused, !is_known);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_known_answer_about_names_nothing_is_asked_at_the_first_edit() {
    for switch in [Names::Duplicate, Names::Refuse, Names::Rename, Names::Overwrite] {
        let mut world = probed(|rules| rules.on_name_taken = switch).await;
        world.write("a/one", "one");
        world.settle().await;
        world.write("a/one", "two");
        let calls = world.calls_of_cycle().await;
        assert!(!calls.iter().any(|call| call == "file/info.cgi"), "{switch:?}: {calls:?}");
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.versions().len(), 1, "{switch:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_mkdir_would_hide_is_found_and_what_is_in_it_adopted() {
    for switch in [Folders::Existing, Folders::Duplicate] {
        let mut world = probed(|rules| rules.on_folder_taken = switch).await;
        world.write("a/one", "one");
        world.settle().await;
        // Another user makes a folder after its parent was listed; then it appears here too.
        world.put_by_others("b/same", "same");
        world.put_by_others("b/theirs", "theirs");
        let sent = world.emulator.bytes_received();
        world.write("b/same", "same");
        world.settle().await;
        assert_eq!(world.remote_folders(), ["a", "b"]);
        assert_eq!(world.remote().get("b/theirs").map(Vec::as_slice), Some(&b"theirs"[..]));
        world.emulator.assert_no_violations();
        assert_eq!(world.emulator.bytes_received(), sent, "{switch:?}");
    }
}
