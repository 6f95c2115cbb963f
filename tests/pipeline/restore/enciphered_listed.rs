//! Files of an encrypted mirror that are known only from a listing: their names and sizes are read
//! with the password, and what they decipher to is restored.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;

use fichier_api::FileUrl;
use fichier_api::names::RemoteName;
use fichier_state::{ForeignFile, RelPath, Store};
use fichier_testkit::Bench;
use fichier_testkit::bench::OPTIONS;
use fichierd::base::{Crypt, Form};
use fichierd::restore::{Keyring, LOCKED, Node, Plan, Report, Selection, Tree};
use rclone_formats::crypt::names::NameScheme;
use tempfile::TempDir;

use super::sealed::{hash, keys, plain, ring, sealed};

/// A mirror as `recover` leaves it that has found no snapshot.
async fn listed(files: &[(&str, Vec<u8>)]) -> Bench {
    let world = Bench::new().await;
    let crypt = Crypt::new(keys("secret"), NameScheme::default()).unwrap();
    let form = Form::Crypt(Arc::new(crypt));
    let recorded = serde_json::to_string(&form.recorded().unwrap()).unwrap();
    let set = world.shared.state.write(|w| {
        let mirror = w.mirror(&world.config.name, &world.config.target)?.unwrap();
        w.update_mirror(&fichier_state::Mirror { form: Some(recorded.clone()), ..mirror })
    });
    set.unwrap();
    for (nonce, (name, bytes)) in (1..).zip(files) {
        let object = sealed(bytes, &keys("secret"), nonce);
        add(&world, &form.file_name(name.as_bytes()), &object);
    }
    world
}

fn add(world: &Bench, name: &RemoteName, object: &[u8]) {
    let link = world.emulator.add_file("/sealed", name.as_str(), object);
    let file = ForeignFile {
        url: FileUrl::parse(&link).unwrap(),
        name: name.clone(),
        size_bytes: object.len() as u64,
        whirlpool: Some(hash(object)),
    };
    let added = world.shared.state.write(|w| {
        let root = w.folder_at(world.worker.id, &RelPath::root())?.unwrap();
        w.add_foreign(root.key, &file)
    });
    added.unwrap();
}

/// What the tree shows: names, sizes, and whether the name is the stored one.
fn shown(world: &Bench, keyring: &Keyring) -> Vec<(String, u64, bool)> {
    let mut rows = Vec::new();
    in_tree(world, keyring, |_, tree| {
        tree.walk(&RelPath::root(), |path, node| {
            if let Node::Listed(file) = node {
                rows.push((path.to_string(), file.size_bytes, file.has_stored_name));
            }
            ControlFlow::Continue(())
        })
    });
    rows
}

fn in_tree<T>(
    world: &Bench,
    keyring: &Keyring,
    look: impl FnOnce(&Store, &Tree<'_>) -> Result<T, fichier_state::Error>,
) -> T {
    let found = world.shared.state.read(|store: &Store| {
        let mirror = store.mirror(&world.config.name, &world.config.target)?.unwrap();
        look(store, &Tree::new(store, &mirror, store.newest_moment()?).with_keys(keyring))
    });
    found.unwrap()
}

async fn restore(world: &Bench, keyring: &Keyring, dest: &TempDir) -> Report {
    let everything = Selection::parse(&[], BTreeSet::new()).unwrap();
    let plan = in_tree(world, keyring, |store, tree| Plan::of(store, tree, &everything));
    world.try_restore(plan, dest.path(), OPTIONS).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_sizes_are_read_with_the_password_and_told_as_stored_without_it() {
    let world = listed(&[("a", plain(70_000, 1)), ("b", Vec::new())]).await;
    let cut = RemoteName::from_service("no name of ours.txt".to_owned());
    add(&world, &cut, b"not encrypted");
    let (own, odd) = (|name: &str, size| (name.to_owned(), size, false), "no name of ours.txt");
    let expected = [own("a", 70_000), own("b", 0), (odd.to_owned(), 13, true)];
    assert_eq!(shown(&world, &ring(&["another", "secret"])), expected);
    let locked = shown(&world, &ring(&["another"]));
    assert_eq!(locked.len(), 3);
    assert!(locked.iter().all(|(name, _, is_stored)| *is_stored && name.len() > 10), "{locked:?}");
    assert!(locked.iter().any(|(_, size, _)| *size == 70_064), "{locked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_comes_back_deciphered_and_what_is_not_encrypted_is_told() {
    let files = [("a", plain(70_000, 1)), ("b", Vec::new()), ("c", plain(200_000, 2))];
    let world = listed(&files).await;
    add(&world, &RemoteName::from_service("no name of ours.txt".to_owned()), b"not encrypted");
    let dest = TempDir::new().unwrap();
    let locked = restore(&world, &ring(&["another"]), &dest).await;
    assert_eq!((locked.problems.len(), locked.files), (4, 0));
    assert!(locked.problems.iter().all(|problem| problem.what == LOCKED), "{locked:?}");
    let report = restore(&world, &ring(&["secret"]), &dest).await;
    assert_eq!((report.problems.len(), report.files), (1, 3));
    let what = &report.problems[0].what;
    assert!(what.contains("an encrypted file has at least 32"), "{what}");
    for (name, bytes) in &files {
        assert!(fs::read(dest.path().join(name)).unwrap() == *bytes, "{name}");
    }
    assert!(!dest.path().join("no name of ours.txt").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_of_one_object_are_downloaded_once() {
    let world = listed(&[("a", plain(70_000, 1))]).await;
    let crypt = Crypt::new(keys("secret"), NameScheme::default()).unwrap();
    let form = Form::Crypt(Arc::new(crypt));
    let object = sealed(&plain(70_000, 1), &keys("secret"), 1);
    add(&world, &form.file_name(b"copied"), &object);
    let dest = TempDir::new().unwrap();
    let report = restore(&world, &ring(&["secret"]), &dest).await;
    assert_eq!((report.problems.len(), report.files, report.downloads), (0, 2, 1));
    assert!(fs::read(dest.path().join("copied")).unwrap() == plain(70_000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_given_again_knows_what_it_has_restored() {
    let files = [("a", plain(70_000, 1)), ("b", plain(10, 2))];
    let world = listed(&files).await;
    let dest = TempDir::new().unwrap();
    restore(&world, &ring(&["secret"]), &dest).await;
    fs::write(dest.path().join("b"), plain(10, 9)).unwrap();
    let before = world.emulator.calls();
    let again = restore(&world, &ring(&["secret"]), &dest).await;
    assert_eq!(world.emulator.calls_since(before), ["download/get_token.cgi"; 2], "two headers");
    assert_eq!((again.same, again.left, again.files), (1, 1, 0), "{again:?}");
    world.emulator.assert_no_violations();
}
