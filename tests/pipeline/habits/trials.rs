//! `check --probe` also tries what a careful client never does: it reports each answer that the
//! service may give, and leaves nothing behind that others could see.

use std::collections::BTreeMap;
use std::time::Duration;

use fichier_emulator::{Action, BadKeyOnNode, EmptyFile, Fault, LongName, Rules};
use fichierd::remote::probe::probe;
use tempfile::TempDir;

use super::probe::{TIME_SCALE, assert_clean, client, emulator};

/// The answers about an empty account, by question.
async fn told(rules: impl FnOnce(&mut Rules)) -> BTreeMap<String, String> {
    let emulator = emulator(rules).await;
    let dir = TempDir::new().unwrap();
    let client = client(&emulator, dir.path(), TIME_SCALE);
    let found = probe(&client, dir.path(), 7, &|_| {}).await.unwrap();
    assert!(found.stopped.is_none() && found.left.is_none(), "{found:?}");
    assert_clean(&emulator);
    let count = found.said.len();
    let told: BTreeMap<_, _> = found.said.into_iter().map(|s| (s.question, s.answer)).collect();
    assert_eq!(told.len(), count, "a question is there twice");
    told
}

#[track_caller]
fn assert_told(told: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    for (question, answer) in expected {
        assert_eq!(told.get(*question).map(String::as_str), Some(*answer), "{question}: {told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_assumed_service_each_trial_is_told_as_it_is_assumed() {
    let told = told(|_| {}).await;
    let refused = |name: &str| {
        format!(
            "refused: the service refused the folder name, which may be taken: `{name}`: Invalid \
             folder name #543"
        )
    };
    let (with_less, with_space) = (refused("probe-3c-<-"), refused(" probe-space"));
    let too_long = refused(&format!("probe-251-{}", "x".repeat(70)));
    assert_told(
        &told,
        &[
            ("file name of a file of one byte", "kept"),
            ("file name with <", "changed to `probe-3c-_-`"),
            ("file name with \\u{1}", "changed to `probe-1-_-`"),
            ("file name with \\u{b4}", "kept"),
            ("file name that begins with a space", "changed to `probe-space`"),
            ("file name that ends with a space", "changed to `probe-space`"),
            ("file name that is not composed (NFD)", "kept"),
            ("file name of 200 bytes", "kept"),
            ("file name of 250 bytes", "kept"),
            ("file name of 256 bytes", "changed to one of 250 bytes"),
            ("file name that two of an upload have, the first", "kept"),
            ("file name that two of an upload have, the second", "kept"),
            ("mv into its own folder with a new name", "not renamed, but said to be"),
            ("folder name with <", &with_less),
            ("folder name that begins with a space", &with_space),
            ("folder name that ends with a space", "kept"),
            ("folder name that is not composed (NFD)", "kept"),
            ("folder name of 250 bytes", "kept"),
            ("folder name of 251 bytes", &too_long),
            ("an empty file", "refused: the upload node found no file in what was sent"),
            (
                "listing of a folder that is gone",
                "refused: the service knows no such file or folder",
            ),
            ("upload to a folder that is gone", "stored in the account's root"),
            ("upload with a wrong key", "stored as nobody's"),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_other_answer_to_a_trial_is_told() {
    let names = told(|rules| {
        rules.mangle_names = false;
        rules.compose_names = true;
        rules.long_names = LongName::Refuse;
        rules.mkdir_changes_names = true;
        rules.empty_files = EmptyFile::Store;
        rules.unknown_folder_lists_empty = true;
        rules.bad_key_on_node = BadKeyOnNode::Refuse;
    })
    .await;
    assert_told(
        &names,
        &[
            ("file name with <", "kept"),
            ("file name that begins with a space", "kept"),
            ("file name that is not composed (NFD)", "changed to `probe-\\u{e9}`"),
            ("file name of 250 bytes", "kept"),
            ("file name of 255 bytes", "not stored"),
            ("folder name with <", "changed to `probe-3c-_-`"),
            ("folder name that begins with a space", "changed to `probe-space`"),
            ("folder name that is not composed (NFD)", "changed to `probe-\\u{e9}`"),
            ("folder name of 251 bytes", "changed to one of 250 bytes"),
            ("an empty file", "stored"),
            ("upload with a wrong key", "refused"),
        ],
    );
    let listing = &names["listing of a folder that is gone"];
    assert!(!listing.starts_with("refused: the service knows no such"), "{listing}");
    let told = told(|rules| rules.empty_files = EmptyFile::LoseUnsaid).await;
    assert_told(&told, &[("an empty file", "not stored, and no word about it")]);
}

/// The file that was sent with a wrong key stayed where a link did not work at first.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_removed_at_first_is_removed_when_its_link_works() {
    let told = told(|rules| rules.new_link_lag = Duration::from_secs(90)).await;
    assert_told(
        &told,
        &[
            ("upload to a folder that is gone", "stored in the account's root"),
            ("upload with a wrong key", "stored as nobody's"),
        ],
    );
}

/// The trials come last, so that a failure in one of them costs no useful answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_locks_the_account_ends_the_probe_and_leaves_the_other_answers() {
    let emulator = emulator(|_| {}).await;
    let dir = TempDir::new().unwrap();
    let client = client(&emulator, dir.path(), TIME_SCALE);
    // The first upload is that of ordinary files.
    emulator.inject(Fault::once("upload.cgi", Action::HardLock).after(1));
    let found = probe(&client, dir.path(), 7, &|_| {}).await.unwrap();
    assert!(found.stopped.is_some(), "{found:?}");
    assert!(found.habits.rows().iter().all(|(_, answer)| answer.is_some()), "{found:?}");
    assert!(client.pacer().hold_off().is_some());
    let calls = emulator.calls();
    assert!(probe(&client, dir.path(), 7, &|_| {}).await.is_err());
    assert_eq!(emulator.calls(), calls, "nothing is asked while it is locked");
    emulator.unlock();
    client.pacer().end_hold_off();
    let again = probe(&client, dir.path(), 7, &|_| {}).await.unwrap();
    assert!(again.stopped.is_none() && again.left.is_none(), "{again:?}");
    assert_clean(&emulator);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strays_into_the_accounts_root_is_removed_by_the_next_probe() {
    let emulator = emulator(|_| {}).await;
    let dir = TempDir::new().unwrap();
    let client = client(&emulator, dir.path(), TIME_SCALE);
    // Of ordinary files, of odd names, an empty one, and the one for a folder that is gone.
    let last = Fault::once("upload.cgi", Action::DoItThenReset).after(3);
    emulator.inject(last);
    let found = probe(&client, dir.path(), 7, &|_| {}).await.unwrap();
    assert!(found.stopped.is_some(), "{found:?}");
    let name = found.left.unwrap();
    let stray = format!("{name}.txt");
    assert!(emulator.files().iter().any(|file| file.path == "/" && file.name == stray));
    let theirs = emulator.add_file("/", "fichierd-probe.txt", b"somebody's");
    let again = probe(&client, dir.path(), 7, &|_| {}).await.unwrap();
    assert!(again.stopped.is_none() && again.left.is_none(), "{again:?}");
    assert_eq!(emulator.files().len(), 1, "{:?}", emulator.files());
    assert_eq!(emulator.content(&theirs).unwrap(), b"somebody's");
}
