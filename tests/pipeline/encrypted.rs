//! An encrypted mirror: 1fichier sees no name and no byte, and nothing is sent with a wrong password.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use fichier_emulator::Emulator;
use fichier_testkit::bench::client;
use fichier_testkit::{Bench, TARGET};
use fichierd::base::{Crypt, Form};
use fichierd::daemon::{How, approve};
use fichierd::mirror::{CycleEnd, Trouble};
use fichierd::restore::recovery::recover;
use fichierd::restore::{Order, Source};
use fichierd::status::Kind;
use rclone_formats::crypt::Keys;
use rclone_formats::crypt::names::NameScheme;

/// What stands in every name, content and path of these tests.
pub const SECRET: &str = "Geheim";

pub fn form(password: &str) -> Form {
    let keys = Keys::derive(password.as_bytes(), None).unwrap();
    Form::Crypt(Arc::new(Crypt::new(keys, NameScheme::default()).unwrap()))
}

async fn encrypted() -> Bench {
    let mut world = Bench::new().await;
    world.worker.form = form("a password");
    world
}

/// Fails if the secret is anywhere in what the service was sent, or has.
#[track_caller]
fn assert_hidden(emulator: &Emulator) {
    let secret = SECRET.as_bytes();
    let has = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret);
    for request in emulator.requests() {
        assert!(!request.text.contains(SECRET), "{}: {}", request.endpoint, request.text);
    }
    for folder in emulator.folders() {
        assert!(!folder.contains(SECRET), "{folder}");
    }
    for file in emulator.files() {
        assert!(!file.name.contains(SECRET) && !file.path.contains(SECRET), "{file:?}");
        let content = emulator.content(&file.link).unwrap();
        assert!(!has(&content), "{} shows its content", file.name);
        assert!(content.starts_with(b"RCLONE\0\0"), "{} is not enciphered", file.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_sent_or_stored_shows_a_name_or_a_byte() {
    let mut world = encrypted().await;
    let folder = format!("folder {SECRET}");
    world.write(&format!("{folder}/file {SECRET}"), format!("content {SECRET}"));
    world.write(&format!("{folder}/inner {SECRET}/twin"), format!("content {SECRET}"));
    world.write(&format!("large {SECRET}"), SECRET.repeat(30_000));
    world.write(&format!("empty {SECRET}"), "");
    symlink(format!("to {SECRET}"), world.source().join(format!("link {SECRET}"))).unwrap();
    world.settle().await;
    world.all_chores().await;

    // Changed, renamed, moved, copied, deleted, a folder renamed, one gone.
    let at = |name: &str| world.source().join(name);
    fs::rename(at(&folder), at(&format!("renamed {SECRET}"))).unwrap();
    world.write(&format!("large {SECRET}"), SECRET.repeat(30_001));
    world.settle().await;
    let renamed = format!("renamed {SECRET}");
    let at = |name: &str| world.source().join(name);
    fs::rename(at(&format!("{renamed}/file {SECRET}")), at(&format!("moved {SECRET}"))).unwrap();
    fs::copy(at(&format!("large {SECRET}")), at(&format!("copied {SECRET}"))).unwrap();
    fs::remove_file(at(&format!("empty {SECRET}"))).unwrap();
    world.settle().await;
    fs::remove_dir_all(world.source().join(&renamed)).unwrap();
    world.settle().await;
    world.shared.state.clock().advance(std::time::Duration::from_secs(2 * 24 * 3600));
    world.all_chores().await;

    assert_hidden(&world.emulator);
    let folders = world.emulator.folders();
    assert!(folders.iter().any(|path| path.starts_with(&format!("{TARGET}/.fichierd/crypt-"))));
    assert!(world.emulator.files().len() > 5, "the versions and snapshots are there");
    world.emulator.assert_no_violations();
}

/// Runs a cycle that must make no call.
async fn held(world: &mut Bench) -> CycleEnd {
    let before = world.emulator.calls();
    let end = world.cycle().await;
    assert_eq!(world.emulator.calls_since(before), Vec::<String>::new());
    end
}

fn kind(end: &CycleEnd) -> Option<Kind> {
    end.trouble.as_ref().map(Trouble::kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_password_no_call_is_made_until_all_is_to_be_sent_again() {
    let mut world = encrypted().await;
    world.write("folder/file", "content");
    world.write("other", "more content");
    world.settle().await;
    let files = world.emulator.files().len();

    let mut world = world.restart();
    world.worker.form = form("another password");
    let end = held(&mut world).await;
    assert_eq!(kind(&end), Some(Kind::OtherPassword));
    assert_eq!(end.trouble.unwrap().exit().code(), 78);
    let refused = approve(&world.shared.state, &world.config, How::default()).unwrap();
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(kind(&held(&mut world).await), Some(Kind::OtherPassword));

    let how = How { encrypt_again: true, ..How::default() };
    approve(&world.shared.state, &world.config, how).unwrap().unwrap().unwrap();
    world.settle().await;
    let now = world.emulator.files();
    assert_eq!(now.len(), files + 2, "both are sent again, and the old ones are versions");
    let versions = format!("{TARGET}/.fichierd/versions");
    assert_eq!(now.iter().filter(|file| file.path.starts_with(&versions)).count(), 2);
    let Form::Crypt(crypt) = &world.worker.form else { panic!() };
    let name = world.worker.form.file_name(b"other").as_str().to_owned();
    let file = now.iter().find(|file| file.path == TARGET && file.name == name).unwrap();
    let mut plain = Vec::new();
    let mut decryptor = rclone_formats::crypt::Decryptor::new(crypt.keys());
    let stored = world.emulator.content(&file.link).unwrap();
    decryptor.push(&stored, |bytes| plain.extend_from_slice(bytes)).unwrap();
    decryptor.finish(|bytes| plain.extend_from_slice(bytes)).unwrap();
    assert_eq!(plain, b"more content");
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_encryption_on_waits_for_approval_and_leaves_no_plain_name_in_the_mirror() {
    let mut world = Bench::new().await;
    world.worker.form = Form::Plain;
    let folder = format!("folder {SECRET}");
    world.write(&format!("{folder}/inner {SECRET}/file {SECRET}"), SECRET);
    world.write(&format!("{folder}/other"), "text");
    for number in 0..200 {
        world.write(&format!("more/{number}"), number.to_string());
    }
    world.settle().await;
    world.all_chores().await;

    let mut world = world.restart();
    world.worker.form = form("a password");
    let end = held(&mut world).await;
    assert_eq!(kind(&end), Some(Kind::OtherForm));
    assert!(end.trouble.unwrap().cause().contains("202 files"), "the price is told");

    let how = How { encrypt_again: true, ..How::default() };
    approve(&world.shared.state, &world.config, how).unwrap().unwrap().unwrap();
    world.settle().await;
    let is_own = |path: &str| path.starts_with(&format!("{TARGET}/.fichierd"));
    for path in world.emulator.folders().iter().filter(|path| !is_own(path)) {
        assert!(!path.contains(SECRET), "{path} is still plain");
    }
    for file in world.emulator.files().iter().filter(|file| !is_own(&file.path)) {
        let content = world.emulator.content(&file.link).unwrap();
        assert!(content.starts_with(b"RCLONE\0\0"), "{} is still plain", file.name);
    }
    assert!(world.calls_of_cycle().await.is_empty(), "it is at rest");

    // A small change is no difference to a plain copy of the records.
    world.write("later", "text");
    world.settle().await;
    world.shared.state.clock().advance(std::time::Duration::from_secs(2 * 24 * 3600));
    world.all_chores().await;
    Box::pin(recover_from_snapshot(&world)).await;
}

async fn recover_from_snapshot(world: &Bench) {
    let dir = tempfile::tempdir().unwrap();
    let order = Order {
        target: TARGET.to_owned(),
        state_dir: dir.path().to_owned(),
        replace: false,
        walk: false,
        name: None,
        source: None,
        form: form("a password"),
        finds_scheme: true,
    };
    let client = client(&world.emulator, dir.path());
    let recovered = Box::pin(recover(&client, &order, &mut |_| {})).await.unwrap();
    assert!(recovered.unusable.is_empty(), "{:?}", recovered.unusable);
    assert!(matches!(recovered.from, Source::Snapshot { .. }), "{:?}", recovered.from);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_finds_a_wrong_password_and_a_missing_one_before_it_changes_anything() {
    let mut world = encrypted().await;
    world.write("file", "content");
    world.settle().await;
    for wrong in [form("another password"), Form::Plain] {
        world = world.lose_state();
        world.emulator.forget_calls();
        let expected = if wrong.crypt().is_some() { Kind::OtherPassword } else { Kind::OtherForm };
        world.worker.form = wrong;
        let before = world.emulator.calls();
        assert_eq!(kind(&world.cycle().await), Some(expected));
        let calls = world.emulator.calls_since(before);
        assert!(calls.iter().all(|call| call == "folder/ls.cgi"), "{calls:?}");
    }
    // Of a plain mirror there is nothing to approve.
    let again = How { encrypt_again: true, ..How::default() };
    for how in [How::default(), again] {
        let refused = approve(&world.shared.state, &world.config, how).unwrap();
        assert!(refused.unwrap_err().contains("`encrypt` is not configured"));
    }

    let mut world = world.lose_state();
    world.emulator.forget_calls();
    world.worker.form = form("another password");
    assert_eq!(kind(&world.cycle().await), Some(Kind::OtherPassword));
    approve(&world.shared.state, &world.config, again).unwrap().unwrap().unwrap();
    world.settle().await;
    let name = world.worker.form.file_name(b"file").as_str().to_owned();
    assert!(world.emulator.files().iter().any(|file| file.path == TARGET && file.name == name));
}
