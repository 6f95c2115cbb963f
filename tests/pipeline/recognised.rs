//! Enciphered files that are on no record, since the records were lost or rclone wrote them: each is
//! known again by the nonce in its header, for one call and no byte, or sent where that costs less.

use std::sync::Arc;

use fichier_emulator::{Action, Fault};
use fichier_testkit::bench::OPTIONS;
use fichier_testkit::{Bench, TARGET};
use fichierd::base::{Crypt, Form};
use rclone_formats::crypt::names::{Encoding, NameScheme};
use rclone_formats::crypt::{Encryptor, Keys, Nonce};

/// A file from which on it takes longer to send it than to make a call.
const LARGE: usize = 5 << 20;

fn keys() -> Keys {
    Keys::derive(b"a password", Some(b"a salt")).unwrap()
}

fn form(scheme: NameScheme) -> Form {
    Form::Crypt(Arc::new(Crypt::new(keys(), scheme).unwrap()))
}

async fn encrypted(scheme: NameScheme) -> Bench {
    let mut world = Bench::new().await;
    world.worker.form = form(scheme);
    world
}

/// Puts a file on the service as rclone would.
fn put_by_rclone(world: &Bench, folder: &str, name: &str, content: &[u8]) -> String {
    let form = &world.worker.form;
    let mut object = Vec::new();
    let nonce: [u8; 24] = std::array::from_fn(|n| *name.as_bytes().get(n).unwrap_or(&1));
    let mut encryptor = Encryptor::new(&keys(), Nonce::from_bytes(nonce));
    encryptor.push(content, |bytes| object.extend_from_slice(bytes));
    encryptor.finish(|bytes| object.extend_from_slice(bytes));
    let at = match folder {
        "" => TARGET.to_owned(),
        folder => format!("{TARGET}/{}", form.folder_name(folder.as_bytes()).as_str()),
    };
    world.emulator.add_folder(&at);
    world.emulator.add_file(&at, form.file_name(name.as_bytes()).as_str(), &object)
}

fn content(name: &str, size_bytes: usize) -> Vec<u8> {
    name.bytes().cycle().take(size_bytes).collect()
}

/// The state is lost; the new one has the same form.
fn lose_state(world: Bench) -> Bench {
    let form = world.worker.form.clone();
    let mut world = world.lose_state();
    world.worker.form = form;
    world
}

async fn restored(world: &Bench) -> tempfile::TempDir {
    let back = tempfile::tempdir().unwrap();
    let mut keyring = fichierd::restore::Keyring::default();
    keyring.add(&keys());
    let plan = world.plan_with(world.moment(), &keyring);
    world.try_restore(plan, back.path(), OPTIONS).await.unwrap();
    back
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rclone_wrote_is_taken_on_record_for_a_call_each_and_restored() {
    let base64 = NameScheme::Standard { encoding: Encoding::Base64, folders: true };
    let off = NameScheme::Off { suffix: ".bin".to_owned() };
    for scheme in [NameScheme::default(), base64, off] {
        let mut world = encrypted(scheme.clone()).await;
        let files = [("", "empty", 0), ("", "small", 7), ("a folder", "large", LARGE)];
        let mut links = Vec::new();
        for (folder, name, size_bytes) in files {
            let content = content(name, size_bytes);
            links.push(put_by_rclone(&world, folder, name, &content));
            world.write(format!("{folder}/{name}").trim_start_matches('/'), content);
        }
        let end = world.cycle().await;
        assert!(end.trouble.is_none(), "{:?}", end.trouble);
        assert_eq!((end.report.adopted, end.report.uploaded_files), (3, 0), "{scheme:?}");
        assert_eq!(world.asked("download/get_token.cgi"), 3);
        let headers = world.emulator.downloads();
        assert!(headers.iter().all(|request| request.status == 206), "{headers:?}");
        assert_eq!(world.calls_of_cycle().await, Vec::<String>::new());
        let now: Vec<String> = world.emulator.files().into_iter().map(|file| file.link).collect();
        assert!(links.iter().all(|link| now.contains(link)));
        let back = restored(&world).await;
        for (folder, name, size_bytes) in files {
            let path = back.path().join(folder).join(name);
            assert!(std::fs::read(path).unwrap() == content(name, size_bytes), "{name}");
        }
        world.emulator.assert_no_violations();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_state_large_files_are_known_again_and_many_small_ones_sent() {
    let mut world = encrypted(NameScheme::default()).await;
    for n in 0..3 {
        world.write(&format!("large-{n}"), content(&format!("{n}"), LARGE));
    }
    for n in 0..40 {
        world.write(&format!("small-{n}"), format!("small {n}"));
    }
    world.settle().await;
    let sent = world.emulator.bytes_received();
    let mut world = lose_state(world);
    let end = world.cycle().await;
    assert_eq!((end.report.adopted, end.report.uploaded_files), (3, 40));
    assert!(world.emulator.bytes_received() - sent < LARGE as u64);
    world.settle().await;
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_content_of_the_same_size_is_sent_and_what_was_there_becomes_a_version() {
    let mut world = encrypted(NameScheme::default()).await;
    let theirs = put_by_rclone(&world, "", "file", &content("theirs", LARGE));
    let plain = "not enciphered, though it has a name and a size as if it were";
    let name = world.worker.form.file_name(b"plain").as_str().to_owned();
    let not_crypt = world.emulator.add_file(TARGET, &name, plain.as_bytes());
    world.write("file", content("ours", LARGE));
    world.write("plain", vec![1; plain.len() - 48]);
    let end = world.cycle().await;
    assert_eq!((end.report.adopted, end.report.uploaded_files), (0, 2), "{:?}", end.trouble);
    assert_eq!(world.calls_of_cycle().await, Vec::<String>::new());
    let kept = world.emulator.files();
    for link in [theirs, not_crypt] {
        let file = kept.iter().find(|file| file.link == link).unwrap();
        assert!(file.path.contains("/.fichierd/versions"), "{}", file.path);
    }
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_does_not_come_is_waited_for_twice_and_then_the_file_is_sent() {
    let mut world = encrypted(NameScheme::default()).await;
    for name in ["one", "other"] {
        put_by_rclone(&world, "", name, &content(name, LARGE));
        world.write(name, content(name, LARGE));
    }
    world.write("new", "nothing is there");
    world.emulator.inject(Fault::always("download", Action::Reset));
    for tries in 1..=3 {
        let before = world.asked("download/get_token.cgi");
        let end = world.cycle().await;
        assert!(end.trouble.is_none(), "{:?}", end.trouble);
        assert_eq!(end.report.problems, 2, "try {tries}");
        // The second file is not tried after the first has shown that no server can be reached.
        assert_eq!(world.asked("download/get_token.cgi") - before, 2, "try {tries}");
        let (_, why) = world.problems().into_iter().find(|(path, _)| path == "one").unwrap();
        assert!(why.starts_with("it could not be compared with what is on 1fichier: "), "{why}");
    }
    assert_eq!(world.emulator.bytes_received(), world.worker.form.object_bytes(16));
    let before = world.asked("download/get_token.cgi");
    let end = world.cycle().await;
    assert_eq!((end.report.uploaded_files, end.report.problems), (2, 0));
    assert_eq!(world.asked("download/get_token.cgi"), before);
    assert_eq!(world.problems(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_files_are_recognised_loses_none_and_asks_only_for_the_rest() {
    for n in 0.. {
        let mut world = encrypted(NameScheme::default()).await;
        for name in ["a", "bb", "ccc"] {
            put_by_rclone(&world, "", name, &content(name, 100));
            world.write(name, content(name, 100));
        }
        let reached = world.kill_at(n, true).await;
        let form = world.worker.form.clone();
        let mut world = world.die_and_start();
        world.worker.form = form;
        world.settle().await;
        assert_eq!(world.emulator.bytes_received(), 0, "killed at {n}");
        assert!(world.asked("download/get_token.cgi") <= 4, "killed at {n}");
        if !reached {
            assert!(n > 8, "only {n} requests");
            break;
        }
    }
}
