//! The hashes of files that were sent are told nowhere: small files are proved by a download, none
//! is called safe before that, and nothing is asked for in a loop (rows Y50, Y51, Y57).

use fichier_emulator::{Action, Fault, HashLag, Rules};
use fichier_testkit::bench::TIME_SCALE;
use fichier_testkit::{Bench, TARGET, crypt};
use fichierd::config::Config;
use fichierd::daemon::health;
use fichierd::status::MirrorStatus;

use super::uploads::{FILES, FOR_EVER, bytes, not_confirmed, with_files};

fn status(world: &Bench) -> MirrorStatus {
    let mirrors = std::slice::from_ref(&world.config);
    let status = world.shared.state.read(|s| health::offline(s, mirrors, &[], TIME_SCALE, None));
    status.unwrap().mirrors.remove(0)
}

fn why(world: &Bench, path: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "a key").unwrap();
    let text = format!(
        "[account]\napi_key_file = \"{}\"\n[[mirror]]\nname = \"{}\"\nsource = \"{}\"\n\
         target = \"{TARGET}\"\n",
        key.display(),
        world.config.name,
        world.source().display()
    );
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let config = Config::load(Some(&dir.path().join("config.toml"))).unwrap();
    let state = Some(&world.shared.state);
    fichierd::daemon::why(state, &config, None, &world.path(path)).unwrap().verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn y57_a_file_that_is_not_confirmed_is_never_called_safe() {
    let lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
    let mut world = Bench::with(|rules| rules.hash_lag = lag, |_| {}).await;
    world.emulator.set_download_refusal(Some("Maintenance des téléchargements"));
    world.write("small", "content");
    world.write("large", vec![7; 5 << 20]);
    world.settle().await;
    let told = status(&world);
    assert_eq!((told.files, told.bytes), (0, 0));
    assert_eq!((told.pending_files, told.pending_bytes, told.completeness.by_size), (1, 7, 1));
    assert!(!told.complete && told.what.contains("1 file sent and not confirmed"), "{told:?}");
    for (path, says) in [("small", "proved by a download"), ("large", "name and size only")] {
        let said = why(&world, path);
        assert!(said.starts_with("sent") && said.contains(says), "{said}");
        assert!(!said.contains("safe") && !said.contains("1970"), "{said}");
    }
    let said = why(&world, "");
    assert!(said.contains("0 files below it confirmed, 2 files sent and not"), "{said}");
    // A copy on the service of such a file is as little confirmed.
    world.write("copy", vec![7; 5 << 20]);
    world.settle().await;
    assert_eq!(status(&world).files, 0);

    world.emulator.set_download_refusal(None);
    world.later(2);
    world.all_chores().await;
    world.cycle().await;
    let told = status(&world);
    assert_eq!((told.files, told.pending_files, told.completeness.by_size), (1, 0, 2));
    assert!(told.complete && told.what.contains("2 files confirmed by size only"), "{told:?}");
    assert!(!told.what.contains("safe"), "{told:?}");
    assert!(why(&world, "small").starts_with("safe since"), "{}", why(&world, "small"));
}

/// The last way to a proof: results, listings and `file/info` tell no hash.
#[tokio::test(flavor = "multi_thread")]
async fn y50_small_files_without_a_hash_are_proved_by_one_download_each() {
    let lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
    let mut world = with_files(|rules| rules.hash_lag = lag).await;
    let end = world.settle().await;
    world.assert_mirrored();
    assert_eq!(not_confirmed(&world), 0);
    assert!(end.completeness.is_complete(), "{:?}", end.completeness);
    assert_eq!(world.asked("download/get_token.cgi"), FILES.len());
    world.write("new", "new");
    world.settle().await;
    assert_eq!(world.asked("download/get_token.cgi"), FILES.len() + 1);
    assert_eq!(world.emulator.bytes_received(), bytes() + crypt::bytes_of(&["new"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn y51_what_cannot_be_proved_yet_is_pending_and_proved_later_a_few_in_an_hour() {
    let lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
    let set = |rules: &mut Rules| rules.hash_lag = lag;
    let mut world = Bench::with(set, |_| {}).await;
    world.emulator.set_download_refusal(Some("Maintenance des téléchargements"));
    world.write_many((0..50).map(|n| format!("file-{n}")));
    let end = world.settle().await;
    world.assert_mirrored();
    assert!(world.asked("download/get_token.cgi") <= 4, "a refusal ends the proofs for an hour");
    assert_eq!((end.completeness.pending, not_confirmed(&world)), (50, 50), "{end:?}");
    assert!(!end.completeness.is_complete());
    world.emulator.set_download_refusal(None);
    let mut proved = Vec::new();
    for _ in 0..4 {
        world.later(2);
        world.all_chores().await;
        proved.push(50 - not_confirmed(&world));
    }
    assert_eq!(proved, [30, 50, 50, 50]);
    assert!(world.cycle().await.completeness.is_complete());
    assert_eq!(world.asked("file/rm.cgi"), 0);
    assert!(world.local() == world.remote());
    world.emulator.assert_no_violations();
}

/// The file is in its place by then, and a proof by the chores finds other bytes, each time.
#[tokio::test(flavor = "multi_thread")]
async fn y51_a_file_in_its_place_that_comes_back_with_other_bytes_is_not_asked_for_in_a_loop() {
    let lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
    let mut world = Bench::with(|rules| rules.hash_lag = lag, |_| {}).await;
    world.emulator.set_download_refusal(Some("Maintenance des téléchargements"));
    world.write("a", "content");
    world.settle().await;
    world.emulator.set_download_refusal(None);
    world.emulator.inject(Fault::always("download", Action::WrongBytes));
    for _ in 0..24 {
        world.later(1);
        world.all_chores().await;
    }
    let asked = world.asked("download/get_token.cgi");
    assert!((2..=30).contains(&asked), "{asked} in a day");
    assert_eq!(not_confirmed(&world), 1);
    assert!(world.problems()[0].1.contains("gave other bytes back"), "{:?}", world.problems());
}

#[tokio::test(flavor = "multi_thread")]
async fn y51_a_file_that_comes_back_with_other_bytes_is_a_problem_and_stays_unconfirmed() {
    let lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
    let mut world = Bench::with(|rules| rules.hash_lag = lag, |_| {}).await;
    world.emulator.inject(Fault::always("download", Action::WrongBytes));
    world.write("a", "content");
    let once = crypt::bytes_of(&["content"]);
    world.cycle().await;
    world.later(1);
    let end = world.cycle().await;
    assert!(!end.completeness.is_complete(), "{end:?}");
    let problems = world.problems();
    assert!(problems[0].1.contains("gave other bytes back"), "{problems:?}");
    assert_eq!((world.asked("file/rm.cgi"), world.emulator.bytes_received()), (0, once));
    world.emulator.clear_faults();
    world.later(2);
    let end = world.settle().await;
    assert!(end.completeness.is_complete(), "{end:?}");
    assert_eq!(not_confirmed(&world), 0);
    world.assert_mirrored();
}
