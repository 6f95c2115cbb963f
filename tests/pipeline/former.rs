//! What an encrypted mirror has in a former form: it expires, and goes at once where a person wants
//! that.

use std::time::Duration;

use fichier_emulator::Emulator;
use fichier_state::Mirror;
use fichier_testkit::{Bench, TARGET};
use fichierd::base::Form;
use fichierd::daemon::{How, approve};
use fichierd::status::FormerNext;
use fichierd::upkeep::burst;
use fichierd::upkeep::former::former;

use crate::encrypted::{SECRET, form};

const DAY: Duration = Duration::from_secs(25 * 3600);

const AGAIN: How = How { take_over: false, encrypt_again: true, remove_plain: false };
const REMOVE: How = How { take_over: false, encrypt_again: false, remove_plain: true };

/// The outcome of `approve`: what was done, or why not.
fn answer(world: &Bench, how: How) -> Result<Option<String>, String> {
    approve(&world.shared.state, &world.config, how).unwrap()
}

fn row(world: &Bench) -> Mirror {
    let config = &world.config;
    let row =
        world.shared.state.read(|s| s.mirror_of(&config.name, &config.source, &config.target));
    row.unwrap().unwrap()
}

/// How many versions are in a former form, and what comes next.
fn told(world: &Bench) -> Option<(u64, FormerNext)> {
    let row = row(world);
    let former = world.shared.state.read(|s| former(s, &row)).unwrap();
    former.map(|former| (former.files, former.next))
}

/// The names and contents at the service that show the secret; names of folders stay for a day.
fn shows(emulator: &Emulator) -> Vec<String> {
    let is_there = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|it| it == SECRET.as_bytes());
    let files = emulator.files().into_iter();
    let shows = files.filter(|file| {
        file.name.contains(SECRET) || is_there(&emulator.content(&file.link).unwrap())
    });
    shows.map(|file| format!("{}/{}", file.path, file.name)).collect()
}

fn snapshots(emulator: &Emulator) -> (usize, usize) {
    let folder = format!("{TARGET}/.fichierd/state");
    // The canary says nothing, and keeps its form.
    let is_snapshot = |name: &str| name != "canary.txt";
    let files = emulator.files().into_iter();
    let files = files.filter(|file| file.path == folder && is_snapshot(&file.name));
    let sealed = |link: &str| emulator.content(link).unwrap().starts_with(b"RCLONE\0\0");
    let (encrypted, plain): (Vec<_>, Vec<_>) = files.partition(|file| sealed(&file.link));
    (plain.len(), encrypted.len())
}

/// A plain mirror with files, a version, snapshots, that is about to be encrypted.
async fn turned_on() -> Bench {
    let mut world = Bench::new().await;
    world.worker.form = Form::Plain;
    for number in 0..120 {
        world.write(&format!("folder {SECRET}/{number}"), format!("{SECRET} {number}"));
    }
    world.settle().await;
    world.write(&format!("folder {SECRET}/7"), "edited");
    world.settle().await;
    world.all_chores().await;
    let mut world = world.restart();
    world.worker.form = form("a password");
    world.pass(Duration::from_secs(2));
    world.cycle().await;
    answer(&world, AGAIN).unwrap().unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_versions_go_at_once_when_that_is_wanted_and_nothing_else_does() {
    let mut world = turned_on().await;
    assert_eq!(told(&world), Some((1, FormerNext::Sending)));
    let early = answer(&world, REMOVE).unwrap_err();
    assert!(early.contains("`photos` has 120 files to send again"), "{early}");

    world.settle().await;
    assert_eq!(told(&world), Some((121, FormerNext::Asks)));
    world.pass(DAY / 24);
    world.write(&format!("folder {SECRET}/9"), "edited, when it was encrypted");
    world.settle().await;
    world.pass(DAY);
    world.all_chores().await;
    let mirror = row(&world).id;
    let spoiled = world.shared.state.read(|s| burst::burst(s, mirror)).unwrap();
    assert_eq!(spoiled, None, "what was sent again is not spoiled");
    assert!(snapshots(&world.emulator).0 > 0 && !shows(&world.emulator).is_empty());

    let done = answer(&world, REMOVE).unwrap().unwrap();
    assert!(done.contains("121 versions in a former form"), "{done}");
    let before = world.emulator.calls();
    world.all_chores().await;
    let removals = world.emulator.calls_since(before);
    let removals = removals.iter().filter(|call| *call == "file/rm.cgi").count();
    assert_eq!(removals, 3, "two for 121 versions, one for the snapshots");
    assert_eq!(shows(&world.emulator), Vec::<String>::new());
    assert_eq!(snapshots(&world.emulator).0, 0);
    assert_eq!(told(&world), None);
    let left = world.shared.state.read(|s| s.versions(mirror, None, 9)).unwrap();
    assert_eq!(left.len(), 1, "the version that is encrypted stays: {left:?}");
    assert!(world.calls_of_cycle().await.is_empty(), "it is at rest");
    assert_eq!(answer(&world, REMOVE), Ok(None), "nothing is left to approve");

    // A day later the names of emptied folders are gone as well.
    world.pass(DAY);
    world.all_chores().await;
    let named: Vec<_> =
        world.emulator.folders().into_iter().filter(|path| path.contains(SECRET)).collect();
    assert_eq!(named, Vec::<String>::new());
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_a_former_form_wait_for_a_later_one() {
    let mut world = turned_on().await;
    let plain = snapshots(&world.emulator).0;
    assert!(plain > 0);
    world.settle().await;
    answer(&world, REMOVE).unwrap().unwrap();
    world.all_chores().await;
    assert_eq!(told(&world), None, "the versions are gone");
    assert_eq!(snapshots(&world.emulator), (plain, 0), "there is no other copy of the records yet");

    world.pass(DAY);
    world.all_chores().await;
    world.all_chores().await;
    assert_eq!(snapshots(&world.emulator), (0, 1));
    assert_eq!(answer(&world, REMOVE), Ok(None), "nothing is left to approve");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_mirror_has_nothing_that_is_in_a_former_form() {
    let mut plain_mirror = Bench::new().await;
    plain_mirror.worker.form = Form::Plain;
    plain_mirror.write("file", "content");
    plain_mirror.settle().await;
    let refused = answer(&plain_mirror, REMOVE).unwrap_err();
    assert!(refused.contains("`photos` is not encrypted"), "{refused}");
}
