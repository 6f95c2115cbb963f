//! The records of an encrypted mirror are lost, and its snapshots, too: its names are read from the
//! remote folders with the password.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use fichier_emulator::{Action, Emulator, Fault};
use fichier_state::Store;
use fichier_testkit::bench::{OPTIONS, client};
use fichier_testkit::{Bench, TARGET};
use fichierd::base::{Crypt, Form};
use fichierd::restore::recovery::recover;
use fichierd::restore::{
    Order, Owners, Plan, Progress, RecoverError, Recovered, Report, Restore, Selection, Source,
    Tree, Walked,
};
use rclone_formats::crypt::names::{Encoding, NameScheme};
use tempfile::TempDir;

use super::sealed::{keys, plain, ring, sealed};

const FILES: [(&str, usize); 5] =
    [("a", 10), ("2025/b", 65_536), ("2025/it's ä/c d", 70_000), ("e/f/g", 1), ("empty", 0)];

fn form(password: &str, scheme: NameScheme) -> Form {
    Form::Crypt(Arc::new(Crypt::new(keys(password), scheme).unwrap()))
}

/// Puts the files into the target, enciphered.
fn fill(emulator: &Emulator, form: &Form) {
    for (nonce, (path, size)) in (1..).zip(FILES) {
        let mut folder = TARGET.to_owned();
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        for part in above.split('/').filter(|part| !part.is_empty()) {
            folder = format!("{folder}/{}", form.folder_name(part.as_bytes()).as_str());
        }
        let object = sealed(&plain(size, nonce), &keys("secret"), nonce);
        emulator.add_file(&folder, form.file_name(name.as_bytes()).as_str(), &object);
    }
}

async fn recovered(
    emulator: &Emulator,
    dir: &Path,
    form: &Form,
    replace: bool,
) -> Result<Recovered, RecoverError> {
    let order = Order {
        target: TARGET.to_owned(),
        state_dir: dir.to_owned(),
        replace,
        walk: true,
        name: Some("photos".to_owned()),
        source: None,
        form: form.clone(),
        finds_scheme: false,
    };
    recover(&client(emulator, dir), &order, &mut |_| {}).await
}

fn walked(recovered: &Recovered) -> Walked {
    match &recovered.from {
        Source::Walk(walked) => walked.clone(),
        Source::Snapshot { .. } => panic!("there is no snapshot"),
    }
}

async fn restored(emulator: &Emulator, dir: &Path, dest: &Path) -> Report {
    let keyring = ring(&["secret"]);
    let store = Store::open_read_only(dir).unwrap();
    let mirror = store.mirror("photos", TARGET).unwrap().unwrap();
    let tree = Tree::new(&store, &mirror, store.newest_moment().unwrap()).with_keys(&keyring);
    let everything = Selection::parse(&[], BTreeSet::new()).unwrap();
    let plan = Plan::of(&store, &tree, &everything).unwrap();
    let (client, progress) = (client(emulator, dir), Arc::new(Progress::default()));
    let dest = dest.to_owned();
    let restore = Restore::new(client, dest, Owners::numeric(), OPTIONS, progress).unwrap();
    let outcome = restore.run(plan).await;
    assert!(outcome.stopped.is_none(), "{outcome:?}");
    outcome.report
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_contents_come_back_without_any_record() {
    let standard = |encoding| NameScheme::Standard { encoding, folders: true };
    for scheme in [
        standard(Encoding::Base32),
        standard(Encoding::Base32768),
        NameScheme::Off { suffix: ".bin".to_owned() },
    ] {
        let emulator = Bench::new().await.emulator;
        let form = form("secret", scheme);
        fill(&emulator, &form);
        let (dir, dest) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let found = walked(&recovered(&emulator, dir.path(), &form, false).await.unwrap());
        assert_eq!((found.files, found.folders), (5, 4));
        assert_eq!((found.refused_names, found.unread_names), (0, 0));
        let report = restored(&emulator, dir.path(), dest.path()).await;
        assert_eq!((report.problems.len(), report.files), (0, 5), "{:?}", report.problems);
        for (nonce, (path, size)) in (1..).zip(FILES) {
            assert!(fs::read(dest.path().join(path)).unwrap() == plain(size, nonce), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_cut_or_is_not_ours_is_on_record_as_it_is_stored() {
    let emulator = Bench::new().await.emulator;
    let form = form("secret", NameScheme::default());
    fill(&emulator, &form);
    let long = "x".repeat(200);
    let cut = form.folder_name(long.as_bytes());
    let folder = format!("{TARGET}/{}", cut.as_str());
    let name = form.file_name(b"inside");
    emulator.add_file(&folder, name.as_str(), &sealed(b"inside", &keys("secret"), 77));
    let (dir, dest) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let found = walked(&recovered(&emulator, dir.path(), &form, false).await.unwrap());
    assert_eq!((found.files, found.unread_names), (6, 1));
    let report = restored(&emulator, dir.path(), dest.path()).await;
    assert_eq!((report.problems.len(), report.files), (0, 6));
    let inside = dest.path().join(cut.as_str()).join("inside");
    assert_eq!(fs::read(inside).unwrap(), b"inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_finds_names_that_it_cannot_read_and_begins_anew_when_told() {
    let emulator = Bench::new().await.emulator;
    let form_of = |password| form(password, NameScheme::default());
    fill(&emulator, &form_of("secret"));
    let dir = TempDir::new().unwrap();
    let wrong = recovered(&emulator, dir.path(), &form_of("another"), false).await.unwrap();
    assert!(walked(&wrong).unread_names >= 8, "{wrong:?}");
    let refused = recovered(&emulator, dir.path(), &form_of("secret"), false).await.unwrap_err();
    assert!(matches!(refused, RecoverError::Known { .. }), "{refused:?}");
    let anew = recovered(&emulator, dir.path(), &form_of("secret"), true).await.unwrap();
    assert_eq!(walked(&anew).unread_names, 0);
    let dest = TempDir::new().unwrap();
    assert_eq!(restored(&emulator, dir.path(), dest.path()).await.files, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_has_begun_is_not_gone_on_with_by_another_password() {
    let emulator = Bench::new().await.emulator;
    let form_of = |password| form(password, NameScheme::default());
    fill(&emulator, &form_of("secret"));
    let dir = TempDir::new().unwrap();
    // The folders above the target, the target, and one in it are listed.
    emulator.inject(Fault::once("folder/ls.cgi", Action::StallHeaders).after(4));
    let (mark, another) = (emulator.calls() + 4, form_of("another"));
    tokio::select! {
        done = recovered(&emulator, dir.path(), &another, false) => panic!("{done:?}"),
        () = async {
            while emulator.calls() <= mark {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    for other in [form_of("secret"), Form::Plain] {
        let refused = recovered(&emulator, dir.path(), &other, false).await.unwrap_err();
        assert!(matches!(refused, RecoverError::OtherForm(_)), "{refused:?}");
    }
    let anew = recovered(&emulator, dir.path(), &form_of("secret"), true).await.unwrap();
    assert_eq!((walked(&anew).files, walked(&anew).unread_names), (5, 0));
    let dest = TempDir::new().unwrap();
    assert_eq!(restored(&emulator, dir.path(), dest.path()).await.files, 5);
}
