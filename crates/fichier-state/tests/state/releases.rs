//! Every released form of the file can be opened by this version.
//!
//! `tests/databases/v<form>.db` is a file that the release with that form wrote; none is ever
//! changed. When a migration is added, keep the file of the form before it: run the ignored
//! test below on the last commit that had it.

use std::fs;
use std::path::{Path, PathBuf};

use fichier_state::{Content, Intent, PendingFile, Store, UploadSlotRow};

use crate::fixture::{Fixture, entry, file, metadata, path, remote, stamp, url};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases")
}

/// One row of what matters most, in every release the same.
fn fill(fixture: &mut Fixture) {
    let (root, mirror) = (fixture.mirror.root, fixture.mirror.id);
    let folder = fixture.folder(root, b"2026");
    let name = fichier_api::names::RemoteName::encode(b"sent.jpg");
    let pending = PendingFile {
        seq: 0,
        path: path("2026/sent.jpg"),
        sent_as: name.clone(),
        name,
        stamp: stamp(3),
        metadata: metadata(1),
        size_bytes: 3,
        whirlpool: None,
        fingerprint: None,
        url: None,
        unsettled: false,
    };
    let slot = UploadSlotRow { slot: "ABCDEFGHIJ".to_owned(), node: "n".to_owned() };
    fixture.write(|state| {
        state.set_folder_remote(folder, Some(remote(31)), None)?;
        state.put_entry(&file(folder, b"a.jpg", 1))?;
        state.put_entry(&entry(folder, b"empty", 0, Content::Empty))?;
        state.put_entry(&entry(folder, b"link", 5, Content::Symlink(b"a.jpg".into())))?;
        state.begin(mirror, &Intent::Remove { urls: vec![url(7)], paths: vec![path("gone")] })?;
        state.begin_upload(mirror, &slot, &[pending])?;
        state.set_note("installation", Some("sample"))
    });
}

#[test]
fn every_released_form_is_opened_with_all_that_is_in_it() {
    let mut opened = 0;
    for sample in fs::read_dir(samples()).unwrap() {
        let sample = sample.unwrap().path();
        if sample.extension().is_none_or(|extension| extension != "db") {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::copy(&sample, dir.path().join("state.db")).unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.check().unwrap();
        let mirror = store.mirror("photos", "/backup/photos").unwrap().unwrap();
        let folder = store.folder_at(mirror.id, &path("2026")).unwrap().unwrap();
        assert_eq!(folder.remote, Some(remote(31)), "{}", sample.display());
        assert_eq!(
            store.entries(folder.key).unwrap(),
            [
                file(folder.key, b"a.jpg", 1),
                entry(folder.key, b"empty", 0, Content::Empty),
                entry(folder.key, b"link", 5, Content::Symlink(b"a.jpg".into())),
            ]
        );
        assert_eq!(store.intents(mirror.id).unwrap().len(), 1);
        assert_eq!(store.uploads(mirror.id).unwrap()[0].files.len(), 1);
        assert_eq!(store.installation().unwrap().as_deref(), Some("sample"));
        opened += 1;
    }
    assert!(opened > 0, "no samples in {}", samples().display());
}

#[test]
#[ignore = "writes the sample of the newest form into the source tree"]
fn keep_a_sample_of_the_newest_form() {
    let mut fixture = Fixture::new();
    fill(&mut fixture);
    let from = fixture.dir.path().join("state.db");
    fixture.store.close().unwrap();
    let form: i64 = rusqlite::Connection::open(&from)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    let to = samples().join(format!("v{form}.db"));
    assert!(!to.exists(), "{} is released and stays as it is", to.display());
    fs::copy(from, to).unwrap();
}
