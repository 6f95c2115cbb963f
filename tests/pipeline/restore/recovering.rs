//! A machine is lost. From the key and the name of the target another one rebuilds the records, and
//! files that are still on the disk are neither sent nor removed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use fichier_emulator::{Action, Emulator, Fault, Rules};
use fichier_state::Store;
use fichier_testkit::bench::client;
use fichier_testkit::crypt::{self, Lack};
use fichier_testkit::{Bench, TARGET};
use fichierd::config::MirrorConfig;
use fichierd::disk::Due;
use fichierd::mirror::MirrorWorker;
use fichierd::restore::recovery::recover;
use fichierd::restore::{Order, RecoverError, Recovered, Source};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3600);
const STATE: &str = "/backup/photos/.fichierd/state";

fn order(dir: &Path, target: &str) -> Order {
    Order {
        target: target.to_owned(),
        state_dir: dir.to_owned(),
        replace: false,
        walk: false,
        name: None,
        source: None,
        form: crypt::form(),
        finds_scheme: false,
    }
}

async fn recover_into(emulator: &Emulator, dir: &Path) -> Result<Recovered, RecoverError> {
    let client = client(emulator, dir);
    recover(&client, &order(dir, TARGET), &mut |_| {}).await
}

/// A mirror with a tree that has some of everything, and its snapshot.
async fn mirrored() -> Bench {
    let mut world = Bench::new().await;
    world.write_many((0..400).map(|n| format!("{}/file-{n}", n % 4)));
    world.write("it's odd/ na'me ", "odd");
    world.write("empty", "");
    std::os::unix::fs::symlink("0/file-0", world.path("link")).unwrap();
    world.settle().await;
    world.write("0/file-0", "changed");
    world.remove("1/file-1");
    world.settle().await;
    world.chores().await;
    assert!(!snapshots(&world).is_empty());
    world
}

/// Links of the snapshots, the newest last.
fn snapshots(world: &Bench) -> Vec<String> {
    let files = world.emulator.files().into_iter().filter(|file| file.path == STATE);
    let mut named: Vec<_> = files.map(|file| (crypt::plain_file(&file.name), file.link)).collect();
    named.retain(|(name, _)| name.ends_with(".zst"));
    named.sort();
    named.into_iter().map(|(_, link)| link).collect()
}

/// Changes a file, and makes a snapshot with the change.
async fn changed(world: &mut Bench, content: &str) {
    world.write("changing", content);
    world.settle().await;
    world.shared.state.clock().advance(DAY);
    world.chores().await;
}

/// The records, by path.
fn recorded(dir: &Path) -> BTreeMap<String, String> {
    let store = Store::open_read_only(dir).unwrap();
    let mut found = BTreeMap::new();
    for mirror in store.mirrors().unwrap() {
        let show = |path: fichier_state::RelPath, entry: fichier_state::Entry| {
            let what = format!("{:?} {:?}", entry.content, entry.metadata);
            found.insert(format!("{} {path}", mirror.name), what);
            std::ops::ControlFlow::Continue(())
        };
        store.entries_below(mirror.root, show).unwrap();
    }
    found
}

/// The same with records that lack files which are on the service.
async fn goes_on_with_fewer_records(world: Bench, dir: TempDir) -> Bench {
    if !crypt::skips(Lack::RecognitionForFree) {
        return goes_on(world, dir).await;
    }
    let (remote, versions) = (world.remote(), world.versions());
    let mut world = world.put_back_state(dir);
    let end = world.settle().await;
    assert_eq!(end.outcome.held, None);
    assert_eq!(world.remote(), remote);
    let now = world.versions();
    assert!(versions.iter().all(|version| now.contains(version)), "a version is lost");
    world.assert_mirrored();
    world
}

/// Mirrors with the recovered records, while the disk is unchanged: nothing is sent or removed.
async fn goes_on(world: Bench, dir: TempDir) -> Bench {
    let remote = world.remote();
    let versions = world.versions();
    let sent = world.emulator.bytes_received();
    let mut world = world.put_back_state(dir);
    let end = world.settle().await;
    assert_eq!(world.emulator.bytes_received(), sent, "something was sent");
    assert_eq!((end.report.retired, &end.outcome.held), (0, &None));
    assert_eq!(world.remote(), remote);
    // Files that the records did not know to be replaced are put among the versions again.
    assert_eq!(world.versions(), versions);
    world.emulator.assert_no_violations();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_comes_back_from_the_newest_snapshot_with_few_calls() {
    let mut world = mirrored().await;
    changed(&mut world, "later").await;
    assert_eq!(snapshots(&world).len(), 2, "a whole one and a part");
    let dir = TempDir::new().unwrap();
    let mark = world.emulator.calls();
    let recovered = recover_into(&world.emulator, dir.path()).await.unwrap();
    let calls = world.emulator.calls_since(mark);
    assert!(calls.len() < 10, "{} calls: {calls:?}", calls.len());
    let Source::Snapshot { name, .. } = &recovered.from else { panic!("{recovered:?}") };
    assert!(name.ends_with("-part.zst"), "{name}");
    assert_eq!(recovered.unusable, []);
    let sample = recovered.sample.unwrap();
    assert_eq!((sample.files, sample.as_recorded, sample.newer), (100, 100, 0));
    let before = world.shared.state.read(|s| Ok(s.dir())).unwrap();
    assert_eq!(recorded(dir.path()), recorded(&before));
    assert!(!dir.path().join("recover").exists());
    let mut world = goes_on(world, dir).await;

    // Later changes are mirrored, recorded and kept as ever.
    changed(&mut world, "later still").await;
    assert!(snapshots(&world).len() >= 2);
    world.remove("2/file-2");
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_copied_elsewhere_is_compared_by_content() {
    let world = mirrored().await;
    let dir = TempDir::new().unwrap();
    recover_into(&world.emulator, dir.path()).await.unwrap();
    // Other inodes and times, the same bytes.
    for path in world.local().keys() {
        let path = world.path(&path.replace('＇', "'").replace('␠', " "));
        let copy = path.with_extension("copy");
        fs::copy(&path, &copy).unwrap();
        fs::rename(&copy, &path).unwrap();
    }
    goes_on(world, dir).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_lost_something_waits_for_a_decision() {
    let world = mirrored().await;
    let dir = TempDir::new().unwrap();
    recover_into(&world.emulator, dir.path()).await.unwrap();
    world.remove("2/file-2");
    let remote = world.remote();
    let mut world = world.put_back_state(dir);
    for _ in 0..3 {
        let end = world.cycle().await;
        assert_eq!(end.outcome.held.as_ref().map(|held| held.removals), Some(1));
    }
    assert_eq!(world.remote(), remote);
    fichierd::daemon::approve(&world.shared.state, &world.config, fichierd::daemon::How::default())
        .unwrap()
        .unwrap();
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_passed_over_for_an_older_one() {
    for damage in ["missing bytes", "other bytes", "not ours", "base damaged"] {
        let mut world = mirrored().await;
        changed(&mut world, "one").await;
        changed(&mut world, "two").await;
        let links = snapshots(&world);
        let newest = links.last().unwrap();
        let content = world.emulator.content(newest).unwrap();
        match damage {
            "missing bytes" => {
                world.emulator.replace_content(newest, &content[..content.len() / 2]);
            }
            "other bytes" => {
                let mut other = content.clone();
                let middle = other.len() / 2;
                other[middle] ^= 0x55;
                world.emulator.replace_content(newest, &other);
            }
            "not ours" => {
                let plain = zstd::encode_all(&b"something else"[..], 3).unwrap();
                world.emulator.replace_content(newest, &crypt::stored_content(&plain));
            }
            // All snapshots that are laid over it are unusable; then the folders are walked.
            _ => world.emulator.replace_content(&links[0], b"damaged"),
        }
        let dir = TempDir::new().unwrap();
        let recovered = recover_into(&world.emulator, dir.path()).await.unwrap();
        assert!(!recovered.unusable.is_empty(), "{damage}");
        if damage == "base damaged" {
            assert!(matches!(recovered.from, Source::Walk(_)), "{:?}", recovered.from);
            assert_eq!(recovered.unusable.len(), 3);
        } else {
            assert!(matches!(recovered.from, Source::Snapshot { .. }), "{:?}", recovered.from);
            assert_eq!(recovered.unusable.len(), 1, "{damage}");
        }
        eprintln!("{damage}: {:?}", recovered.unusable);
        goes_on_with_fewer_records(world, dir).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_snapshot_the_folders_are_walked_and_nothing_is_sent_again() {
    let mut world = mirrored().await;
    world.remove_tree("3");
    world.settle().await;
    let versions = world.versions().len() as u64;
    world.emulator.remove_folder(STATE);
    let dir = TempDir::new().unwrap();
    let mark = world.emulator.calls();
    let recovered = recover_into(&world.emulator, dir.path()).await.unwrap();
    let calls = world.emulator.calls_since(mark);
    // Folders of a round number of files are listed by the other call too: it may be a silent cap.
    let others = calls.iter().filter(|call| *call != "folder/ls.cgi").collect::<Vec<_>>();
    assert!(others.iter().all(|call| *call == "file/ls.cgi"), "{calls:?}");
    assert!(others.len() <= 2 * 3, "{calls:?}");
    let Source::Walk(walked) = &recovered.from else { panic!("{recovered:?}") };
    assert_eq!(walked.folders, 4);
    assert_eq!(walked.files, world.remote().len() as u64);
    assert_eq!(walked.versions, versions);
    assert_eq!((walked.incomplete, walked.refused_names), (0, 0));
    let store = Store::open_read_only(dir.path()).unwrap();
    let mirror = store.mirrors().unwrap().remove(0);
    assert_eq!(store.installation().unwrap().as_deref(), Some("installation-1"));
    assert_eq!(store.versions(mirror.id, None, 999).unwrap().len() as u64, versions);
    drop(store);
    goes_on_with_fewer_records(world, dir).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_disk_after_a_walk_loses_nothing() {
    let world = mirrored().await;
    world.emulator.remove_folder(STATE);
    let dir = TempDir::new().unwrap();
    recover_into(&world.emulator, dir.path()).await.unwrap();
    for name in fs::read_dir(world.source()).unwrap() {
        let path = name.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    let remote = world.remote();
    let mut world = world.put_back_state(dir);
    for _ in 0..3 {
        let _held = world.cycle().await;
    }
    assert_eq!(world.remote(), remote);
    let foreign = world.shared.state.read(|s| s.totals(world.worker.id)).unwrap().foreign;
    assert_eq!(foreign, remote.len() as u64, "what is there is known still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_sound_is_left_alone_and_a_damaged_one_is_moved_aside() {
    let mut world = mirrored().await;
    let dir = TempDir::new().unwrap();
    recover_into(&world.emulator, dir.path()).await.unwrap();
    let before = recorded(dir.path());
    let refused = recover_into(&world.emulator, dir.path()).await.unwrap_err();
    assert!(matches!(refused, RecoverError::Known { .. }), "{refused}");
    assert_eq!(recorded(dir.path()), before);

    changed(&mut world, "newer").await;
    let client = client(&world.emulator, dir.path());
    let replacing = Order { replace: true, ..order(dir.path(), TARGET) };
    let recovered = recover(&client, &replacing, &mut |_| {}).await.unwrap();
    let aside = recovered.aside.unwrap();
    assert!(aside.display().to_string().contains("state.db.replaced-"));
    assert!(aside.exists());
    assert_ne!(recorded(dir.path()), before);

    let path = dir.path().join("state.db");
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(4096).step_by(7) {
        *byte ^= 0xA5;
    }
    fs::write(&path, bytes).unwrap();
    let recovered = recover_into(&world.emulator, dir.path()).await.unwrap();
    assert!(recovered.aside.unwrap().display().to_string().contains("state.db.damaged-"));
    goes_on(world, dir).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mirrors_are_recovered_into_one_state() {
    let world = mirrored().await;
    let source = TempDir::new().unwrap();
    for n in 0..20 {
        fs::write(source.path().join(format!("other-{n}")), format!("other {n}")).unwrap();
    }
    let config = MirrorConfig {
        name: "other".to_owned(),
        source: source.path().to_owned(),
        target: "/backup/other".to_owned(),
        ..world.config.clone()
    };
    let mut other = MirrorWorker::open(config, &world.shared.state).unwrap();
    other.form = crypt::form();
    let all = Due { everything: true, paths: Vec::new() };
    assert!(other.run(&world.shared, &all).await.trouble.is_none());
    assert!(other.chores(&world.shared).await.trouble.is_none());
    drop(other);
    let dir = TempDir::new().unwrap();
    let client = client(&world.emulator, dir.path());
    for target in [TARGET, "/backup/other"] {
        let done = recover(&client, &order(dir.path(), target), &mut |_| {}).await.unwrap();
        assert!(matches!(done.from, Source::Snapshot { .. }), "{done:?}");
    }
    let store = Store::open(dir.path()).unwrap();
    store.check().unwrap();
    assert_eq!(store.mirrors().unwrap().len(), 2);
    store.close().unwrap();
    assert_eq!(recorded(dir.path()).len(), 402 + 20);
    goes_on(world, dir).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_ends_the_same_whenever_the_process_dies() {
    for walks in [false, true] {
        let mut world = mirrored().await;
        changed(&mut world, "later").await;
        if walks {
            world.emulator.remove_folder(STATE);
        }
        let whole = TempDir::new().unwrap();
        // A download is asked for by a call, and is then a request of its own.
        let requests = || world.emulator.calls() + world.emulator.download_gets();
        let mark = requests();
        recover_into(&world.emulator, whole.path()).await.unwrap();
        let all = requests() - mark;
        let expected = (recorded(whole.path()), foreign(whole.path()));
        for n in 0..all {
            let dir = TempDir::new().unwrap();
            world.emulator.inject(Fault::once("*", Action::StallHeaders).after(n));
            let mark = requests() + n;
            let is_there = async {
                while requests() <= mark {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::select! {
                done = recover_into(&world.emulator, dir.path()) => panic!("{n} of {all}: {done:?}"),
                () = is_there => {}
            }
            world.emulator.clear_faults();
            let done = recover_into(&world.emulator, dir.path()).await.unwrap();
            assert_eq!(matches!(done.from, Source::Walk(_)), walks);
            assert_eq!((recorded(dir.path()), foreign(dir.path())), expected, "killed at {n}");
        }
    }
}

fn foreign(dir: &Path) -> (u64, usize) {
    let store = Store::open_read_only(dir).unwrap();
    let mirror = store.mirrors().unwrap().remove(0);
    let totals = store.totals(mirror.id).unwrap();
    (totals.foreign, store.versions(mirror.id, None, 9999).unwrap().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_newer_program_is_not_guessed_at() {
    let world = mirrored().await;
    let dir = TempDir::new().unwrap();
    let link = snapshots(&world).pop().unwrap();
    let path = dir.path().join("unpacked");
    fs::write(&path, zstd::decode_all(&*world.content(&link)).unwrap()).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let packed = zstd::encode_all(&*fs::read(&path).unwrap(), 3).unwrap();
    world.emulator.replace_content(&link, &crypt::stored_content(&packed));
    let refused = recover_into(&world.emulator, dir.path()).await.unwrap_err();
    assert!(matches!(refused, RecoverError::Newer { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_there_is_said_so() {
    let world = mirrored().await;
    let dir = TempDir::new().unwrap();
    let client = client(&world.emulator, dir.path());
    let refused = recover(&client, &order(dir.path(), "/backup/none"), &mut |_| {}).await;
    assert!(matches!(refused, Err(RecoverError::NoTarget(_))));
    let rules = Rules { downloads_need_cdn: true, ..Rules::scaled(2_000) };
    world.emulator.set_rules(rules);
    let refused = recover_into(&world.emulator, dir.path()).await.unwrap_err();
    assert!(matches!(refused, RecoverError::Api(_)), "a snapshot is there: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_edited_after_the_snapshot_and_again_since_has_one_copy_and_two_versions() {
    let mut world = mirrored().await;
    changed(&mut world, "one").await;
    changed(&mut world, "two").await;
    // The snapshot that is left knows the first content only.
    world.emulator.replace_content(&snapshots(&world).pop().unwrap(), b"damaged");
    let dir = TempDir::new().unwrap();
    recover_into(&world.emulator, dir.path()).await.unwrap();
    world.write("changing", "three");
    let mut world = world.put_back_state(dir);
    world.settle().await;
    world.assert_mirrored();
    let kept = world.versions().into_iter().filter(|(name, _)| name == "changing");
    let kept: Vec<_> = kept.map(|(_, content)| String::from_utf8(content).unwrap()).collect();
    assert_eq!(kept, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn z97_a_folder_that_was_renamed_before_a_walk_is_moved_and_not_sent_again() {
    let mut world = mirrored().await;
    world.write_many(["0/deep/er/one", "0/deep/two", "0/deep/three"].map(str::to_owned));
    world.settle().await;
    world.emulator.remove_folder(STATE);
    let dir = TempDir::new().unwrap();
    recover_into(&world.emulator, dir.path()).await.unwrap();
    world.rename("2", "two");
    world.rename("0/deep", "deep");
    world.rename("3", "deep/three of them");
    world.write("two/new", "never seen before");
    let mut world = world.put_back_state(dir);
    let sent = world.emulator.bytes_received();
    world.settle().await;
    let remote = world.remote();
    assert!(world.local().iter().all(|(path, content)| remote.get(path) == Some(content)));
    if crypt::skips(Lack::RecognitionForFree) {
        return;
    }
    assert_eq!(world.emulator.bytes_received() - sent, "never seen before".len() as u64);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn z97_a_folder_with_the_same_names_and_other_contents_is_not_taken_for_a_renamed_one() {
    let world = mirrored().await;
    world.emulator.remove_folder(STATE);
    let dir = TempDir::new().unwrap();
    recover_into(&world.emulator, dir.path()).await.unwrap();
    let names: Vec<_> = fs::read_dir(world.path("2")).unwrap().map(|it| it.unwrap()).collect();
    for file in &names {
        let name = file.file_name().into_string().unwrap();
        world.write(&format!("two/{name}"), format!("c0ntent of 2/{name}"));
    }
    world.remove_tree("2");
    let mut world = world.put_back_state(dir);
    for _ in 0..3 {
        let _held = world.cycle().await;
    }
    let remote = world.remote();
    let below = |folder: &str| remote.keys().filter(|path| path.starts_with(folder)).count();
    assert_eq!((below("2/"), below("two/")), (names.len(), names.len()));
}
