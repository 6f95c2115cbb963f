//! Files that are stored enciphered come back: whole or not at all, resumed at a block, from the
//! copies whose keys are at hand.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fichier_api::FileUrl;
use fichier_emulator::{Action, Fault};
use fichier_state::{Cipher, RelPath, Store};
use fichier_testkit::Bench;
use fichier_testkit::bench::OPTIONS;
use fichierd::base::Form;
use fichierd::base::form::id_of;
use fichierd::restore::{
    Keyring, LOCKED, Options, Overwrite, Plan, Report, RestoreError, Selection, Tree,
};
use rclone_formats::crypt::Nonce;
use tempfile::TempDir;

use super::sealed::{hash, keys, one, plain, record, ring, seal, sealed};

/// The sizes at which something changes in the format, and one with several blocks.
const SIZES: [usize; 8] = [0, 1, 15, 16, 65_535, 65_536, 65_537, 200_000];

fn plan(world: &Bench, keyring: &Keyring) -> Plan {
    let planned = world.shared.state.read(|store: &Store| {
        let mirror = store.mirror(&world.config.name, &world.config.target)?.unwrap();
        let tree = Tree::new(store, &mirror, store.newest_moment()?).with_keys(keyring);
        Plan::of(store, &tree, &Selection::parse(&[], BTreeSet::new()).unwrap())
    });
    planned.unwrap()
}

async fn restore(world: &Bench, passwords: &[&str], dest: &Path) -> Report {
    restore_with(world, passwords, dest, OPTIONS).await
}

async fn restore_with(world: &Bench, passwords: &[&str], dest: &Path, how: Options) -> Report {
    world.try_restore(plan(world, &ring(passwords)), dest, how).await.unwrap()
}

/// Leaves an unfinished file, as a process does that died.
fn leave_part(dest: &Path, whole: &[u8], part: &[u8]) {
    let staging = dest.join(".fichierd-restore");
    fs::create_dir(&staging).unwrap();
    fs::set_permissions(&staging, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(staging.join(blake3::hash(whole).to_hex().as_str()), part).unwrap();
}

/// Everything that a restore left: names and contents.
fn left(dest: &Path) -> Vec<(String, Vec<u8>)> {
    let names = fs::read_dir(dest).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = names
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[track_caller]
fn assert_nothing_came(report: &Report, dest: &Path, why: &str, case: &str) {
    assert_eq!(left(dest), [], "{case}");
    assert_eq!(report.problems.len(), 1, "{case}");
    let what = &report.problems[0].what;
    assert!(what.contains(why), "{case}: {what}");
    assert!(!dest.join(".fichierd-restore").exists(), "{case}: bad bytes are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_size_come_back_and_an_empty_one_costs_nothing() {
    let mut world = Bench::new().await;
    for size in SIZES {
        world.write(&size.to_string(), plain(size, 0));
    }
    world.settle().await;
    let mut stored = 0;
    for (nonce, size) in (0..).zip(SIZES) {
        let link = seal(&world, &size.to_string(), "secret", nonce);
        stored += world.emulator.content(&link).unwrap().len() as u64;
    }
    let dest = TempDir::new().unwrap();
    let planned = plan(&world, &ring(&["secret"])).totals();
    assert_eq!((planned.files, planned.download_files), (8, 7));
    assert_eq!(planned.bytes, SIZES.iter().sum::<usize>() as u64);
    assert_eq!(planned.download_bytes, stored - 32, "all but the header of the empty one");
    let before = world.emulator.calls();
    let report = restore(&world, &["secret"], dest.path()).await;
    assert_eq!(report.problems, []);
    let calls = world.emulator.calls_since(before);
    assert_eq!(calls, ["download/get_token.cgi"; 7], "an empty file is made");
    assert_eq!((report.downloaded_bytes, report.bytes), (stored - 32, planned.bytes));
    for size in SIZES {
        let came = fs::read(dest.path().join(size.to_string())).unwrap();
        assert!(came == plain(size, 0), "{size}");
    }
    let again = restore(&world, &["secret"], dest.path()).await;
    assert_eq!((again.same, again.downloads), (8, 0));
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_goes_on_at_the_block_that_it_broke_off_in() {
    for size in [65_536, 65_537, 200_000_usize] {
        let bytes = plain(size, 0);
        let (world, _) = one(&bytes).await;
        let object = sealed(&bytes, &keys("secret"), 1).len();
        for had in [0, 1, 15, 65_535, 65_536, 65_537, 131_071, 131_072, 199_999, 200_000] {
            if had > size {
                continue;
            }
            let begins = match had / 65_536 {
                _ if had == size => object,
                0 => 0,
                blocks => 32 + 65_552 * blocks,
            };
            let dest = TempDir::new().unwrap();
            leave_part(dest.path(), &bytes, &bytes[..had]);
            let sent = world.emulator.bytes_sent();
            let report = restore(&world, &["secret"], dest.path()).await;
            assert_eq!(report.problems, [], "{size} {had}");
            assert_eq!(report.downloaded_bytes, (object - begins) as u64, "{size} {had}");
            let sent = world.emulator.bytes_sent() - sent;
            assert_eq!(sent, report.downloaded_bytes, "{size} {had}");
            assert!(left(dest.path()) == [("file".to_owned(), bytes.clone())], "{size} {had}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_costs_no_byte_twice_wherever_it_breaks() {
    let bytes = plain(200_000, 0);
    let object = sealed(&bytes, &keys("secret"), 1).len();
    for after in [1, 31, 32, 33, 48, 65_584, 65_585, 131_136, 131_137, object - 1] {
        let (world, _) = one(&bytes).await;
        let dest = TempDir::new().unwrap();
        world.emulator.inject(Fault::once("download", Action::ResetAfter(after)));
        let report = restore(&world, &["secret"], dest.path()).await;
        assert_eq!(report.problems, [], "{after}");
        assert_eq!(world.emulator.download_gets(), 2, "{after}");
        assert_eq!(report.downloaded_bytes, object as u64, "{after}");
        assert!(left(dest.path()) == [("file".to_owned(), bytes.clone())], "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_with_wrong_bytes_is_fetched_anew() {
    let bytes = plain(200_000, 0);
    let (world, _) = one(&bytes).await;
    let object = sealed(&bytes, &keys("secret"), 1).len() as u64;
    for (had, fetched) in [(131_072, object + object - 131_136), (200_000, object)] {
        let dest = TempDir::new().unwrap();
        let mut wrong = bytes[..had].to_vec();
        wrong[70_000] ^= 1;
        leave_part(dest.path(), &bytes, &wrong);
        let report = restore(&world, &["secret"], dest.path()).await;
        assert_eq!(report.problems, []);
        assert_eq!(report.downloaded_bytes, fetched);
        assert!(left(dest.path()) == [("file".to_owned(), bytes.clone())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_object_never_becomes_a_shorter_file() {
    let bytes = plain(200_000, 0);
    let object = sealed(&bytes, &keys("secret"), 1);
    for length in [1, 31, 32, 33, 48, 49, 65_583, 65_584, 65_585, 131_136, object.len() - 1] {
        let (world, link) = one(&bytes).await;
        let dest = TempDir::new().unwrap();
        world.emulator.replace_content(&link, &object[..length]);
        let report = restore(&world, &["secret"], dest.path()).await;
        let case = format!("cut at {length}");
        assert_nothing_came(&report, dest.path(), "its copy on 1fichier is damaged", &case);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_anywhere_is_damage_and_says_where() {
    let bytes = plain(200_000, 0);
    let object = sealed(&bytes, &keys("secret"), 1);
    let bad = "cannot be deciphered";
    let cases = [
        ("magic", 0, "does not begin with `RCLONE`"),
        ("nonce", 20, "its nonce is not the one on record"),
        ("first tag", 32, "block 0 (plain bytes from 0)"),
        ("a later tag", 65_584, "block 1 (plain bytes from 65536)"),
        ("body", 70_000, bad),
        ("the last block", 199_000, "block 3 (plain bytes from 196608)"),
        ("the last byte", object.len() - 1, bad),
    ];
    for (case, at, why) in cases {
        let (world, link) = one(&bytes).await;
        let dest = TempDir::new().unwrap();
        let mut damaged = object.clone();
        damaged[at] ^= 0x40;
        world.emulator.replace_content(&link, &damaged);
        let report = restore(&world, &["secret"], dest.path()).await;
        assert_nothing_came(&report, dest.path(), why, case);
        assert!(report.problems[0].what.contains("its copy on 1fichier is damaged"), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_were_exchanged_are_not_taken_for_each_other() {
    let mut world = Bench::new().await;
    let (one, other) = (plain(70_000, 1), plain(70_000, 2));
    world.write("one", &one);
    world.write("other", &other);
    world.settle().await;
    let (of_one, of_other) = (seal(&world, "one", "secret", 1), seal(&world, "other", "secret", 2));
    let content = |link| world.emulator.content(link).unwrap();
    let (object, other_object) = (content(&of_one), content(&of_other));
    world.emulator.replace_content(&of_one, &other_object);
    world.emulator.replace_content(&of_other, &object);
    let dest = TempDir::new().unwrap();
    let report = restore(&world, &["secret"], dest.path()).await;
    assert_eq!(left(dest.path()), []);
    assert_eq!(report.problems.len(), 2);
    assert!(report.problems.iter().all(|it| it.what.contains("begins as another file does")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_what_its_record_says_of_the_plain_file_gets_no_name() {
    // The record itself is wrong: link, hash and nonce are those of another file of the same size.
    let bytes = plain(70_000, 1);
    let (world, _) = one(&bytes).await;
    let object = sealed(&plain(70_000, 2), &keys("secret"), 2);
    let link = world.emulator.add_file("/sealed", "other", &object);
    let entry = world.shared.state.read(|store| {
        let folder = store.folder_at(world.worker.id, &RelPath::root())?.unwrap();
        store.entry(folder.key, b"file")
    });
    let mut copy = entry.unwrap().unwrap().remote().unwrap().clone();
    copy.url = FileUrl::parse(&link).unwrap();
    copy.whirlpool = hash(&object);
    copy.cipher = Some(Cipher::new(Nonce::from_bytes([2; 24]), id_of(&keys("secret"))));
    record(&world, "file", copy);
    let dest = TempDir::new().unwrap();
    let report = restore(&world, &["secret"], dest.path()).await;
    assert_nothing_came(&report, dest.path(), "deciphers to other bytes than those on record", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_copy_is_taken_for_one_that_is_damaged_whatever_its_password() {
    let bytes = plain(200_000, 0);
    for other in ["secret", "an older secret"] {
        let mut world = Bench::new().await;
        world.write("file", &bytes);
        world.write("twin", &bytes);
        world.settle().await;
        let links = [seal(&world, "file", "secret", 1), seal(&world, "twin", other, 2)];
        for damaged in links {
            let whole = world.emulator.content(&damaged).unwrap();
            let mut object = whole.clone();
            object[150_000] ^= 1;
            world.emulator.replace_content(&damaged, &object);
            let dest = TempDir::new().unwrap();
            leave_part(dest.path(), &bytes, &bytes[..70_000]);
            let report = restore(&world, &["secret", "an older secret"], dest.path()).await;
            assert_eq!(report.problems, [], "{other}");
            let names = ["file".to_owned(), "twin".to_owned()];
            assert!(left(dest.path()) == names.map(|name| (name, bytes.clone())), "{other}");
            world.emulator.replace_content(&damaged, &whole);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_another_password_are_left_out_and_plain_ones_are_not() {
    let mut world = Bench::new().await;
    world.worker.form = Form::Plain;
    for name in ["new", "old", "plain"] {
        world.write(name, name);
    }
    world.settle().await;
    seal(&world, "new", "secret", 1);
    seal(&world, "old", "an older secret", 2);
    let dest = TempDir::new().unwrap();
    let before = world.emulator.calls();
    let report = restore(&world, &["secret"], dest.path()).await;
    let names = |files: Vec<(String, Vec<u8>)>| files.into_iter().map(|file| file.0);
    assert_eq!(names(left(dest.path())).collect::<Vec<_>>(), ["new", "plain"]);
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].what, LOCKED);
    assert_eq!(world.emulator.calls_since(before), ["download/get_token.cgi"; 2]);
    let none = restore(&world, &[], TempDir::new().unwrap().path()).await;
    assert_eq!(none.problems.len(), 2, "without any password");
    let both = restore(&world, &["an older secret", "secret"], dest.path()).await;
    assert_eq!((both.problems.len(), both.same, both.files), (0, 2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_whose_keys_are_at_hand_is_found_behind_many_others() {
    let mut world = Bench::new().await;
    world.write_many((0..8).map(|number| format!("{number}")));
    for number in 0..8 {
        world.write(&number.to_string(), "the same everywhere");
    }
    world.settle().await;
    for number in 0..8_u8 {
        let password = if number == 7 { "secret" } else { "an older secret" };
        seal(&world, &number.to_string(), password, number);
    }
    let dest = TempDir::new().unwrap();
    let report = restore(&world, &["secret"], dest.path()).await;
    assert_eq!((report.problems.len(), report.files, report.downloads), (0, 8, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_stay_holes() {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};
    let mut world = Bench::new().await;
    let sparse = fs::File::create(world.path("sparse")).unwrap();
    sparse.write_all_at(b"begins", 0).unwrap();
    sparse.write_all_at(b"goes on", 3 << 20).unwrap();
    sparse.set_len(6 << 20).unwrap();
    drop(sparse);
    world.settle().await;
    seal(&world, "sparse", "secret", 1);
    let dest = TempDir::new().unwrap();
    let report = restore(&world, &["secret"], dest.path()).await;
    assert_eq!(report.problems, []);
    let (from, to) = (world.path("sparse"), dest.path().join("sparse"));
    assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap());
    let room = |path: &Path| fs::metadata(path).unwrap().blocks() * 512;
    assert!(room(&to) <= room(&from) + (64 << 10), "{} {}", room(&to), room(&from));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_judged_by_its_plain_bytes() {
    let bytes = plain(70_000, 0);
    let (world, _) = one(&bytes).await;
    let dest = TempDir::new().unwrap();
    fs::write(dest.path().join("file"), plain(70_000, 9)).unwrap();
    let kept = restore(&world, &["secret"], dest.path()).await;
    assert_eq!((kept.left, kept.downloads), (1, 0));
    let changed = Options { overwrite: Overwrite::Changed, ..OPTIONS };
    let replaced = restore_with(&world, &["secret"], dest.path(), changed).await;
    assert_eq!((replaced.problems.len(), replaced.files), (0, 1));
    assert!(left(dest.path()) == [("file".to_owned(), bytes)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_restore_has_written_is_not_fetched_again() {
    let bytes = plain(5 << 20, 0);
    let (world, _) = one(&bytes).await;
    let object = sealed(&bytes, &keys("secret"), 1).len() as u64;
    let dest = TempDir::new().unwrap();
    world.emulator.inject(Fault::once("download", Action::ResetAfter(3 << 20)));
    world.emulator.inject(Fault::always("download/get_token.cgi", Action::KeyRefused).after(1));
    let plan_of = |passwords| plan(&world, &ring(passwords));
    let ended = world.try_restore(plan_of(&["secret"]), dest.path(), OPTIONS).await.unwrap_err();
    assert!(matches!(ended, RestoreError::Service(_)), "{ended:?}");
    assert_eq!(left(dest.path()), []);
    let part = dest.path().join(".fichierd-restore").join(blake3::hash(&bytes).to_hex().as_str());
    let had = fs::metadata(part).unwrap().len();
    assert!(had >= 1 << 20, "{had}");
    world.emulator.clear_faults();
    world.emulator.forget_calls();
    world.shared.client.try_key_again();
    let again = Options { made_top: false, ..OPTIONS };
    let report = restore_with(&world, &["secret"], dest.path(), again).await;
    assert_eq!(report.problems, []);
    assert_eq!(report.downloaded_bytes, object - 32 - 65_552 * (had / 65_536));
    assert!(left(dest.path()) == [("file".to_owned(), bytes)]);
}
