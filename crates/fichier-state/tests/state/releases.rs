//! Every released form of the file can be opened by this version.
//!
//! `tests/databases/v<form>.db` is a file that the release with that form wrote; none is ever
//! changed. Before a migration is added, the file of the form before it must be there: the ignored
//! test below writes it, on the last commit that has that form.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fichier_api::FolderId;
use fichier_api::names::RemoteName;
use fichier_state::{
    Content, Cycle, Entry, FolderKey, ForeignFile, Holes, Intent, Metadata, Mirror, Moment,
    NewProblem, NewVersion, Owner, PendingFile, Proof, ProofKind, RemoteCopy, Retired, Store,
    UploadSlotRow,
};

use crate::fixture::{
    Fixture, copy, entry, file, fingerprint, metadata, path, remote, stamp, url, whirlpool,
};
use crate::held::HELD;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases")
}

/// What the first form has room for, in every release the same.
fn fill_first(fixture: &mut Fixture) {
    let (root, mirror) = (fixture.mirror.root, fixture.mirror.id);
    let folder = fixture.folder(root, b"2026");
    let name = RemoteName::encode(b"sent.jpg");
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
        cipher: None,
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

/// A row in each other table, and in `mirrors` one for each reason to wait for a decision.
fn fill_second(fixture: &mut Fixture) {
    let (root, photos) = (fixture.mirror.root, fixture.mirror.clone());
    let folder = fixture.folder(root, b"kept");
    fixture.write(|state| state.put_entry(&file(folder, b"then", 2)));
    // What changes in the second in which it was made leaves no past.
    fixture.store.clock().advance(Duration::from_secs(60));
    let now_s = fixture.store.clock().now_s();
    fixture.write(|state| {
        state.put_entry(&rich(folder))?;
        state.remove_entry(folder, b"then")?;
        state.set_foreign(folder, &[foreign()])?;
        state.set_audited(folder, now_s)?;
        state.note_missed(folder, b"now", now_s)?;
        state.put_problem(
            photos.id,
            &NewProblem {
                path: &path("kept/bad"),
                what: "unreadable",
                hint: "chmod",
                is_wide: true,
                next_try_s: now_s,
            },
            now_s,
        )?;
        state.count_lost(photos.id, &path("kept/lost"), &stamp(9))?;
        state.log_removals(photos.id, now_s, 250)?;
        state.set_allowance(photos.id, 7)?;
        state.add_versions_folder(photos.id, "2026-11-23", 0, FolderId(41))?;
        state.count_retired(FolderId(41), 1, Some("whole"))?;
        state.add_version(&version(&photos))?;
        state.put_owners(&[Owner { is_group: false, id: 1000, name: "ada".to_owned() }])?;
        state.put_proof(photos.id, ProofKind::Verify, &proof())?;
        state.add_cycle(&cycle(&photos))?;
        let moment = state.newest_moment()?;
        let whole =
            state.add_snapshot(photos.id, None, "one", now_s, moment, 10, &whirlpool(51))?;
        state.confirm_snapshot(whole, &url(51))?;
        state.add_snapshot(photos.id, Some(whole), "two", now_s, moment, 5, &whirlpool(52))?;
        for (name, _, held) in HELD {
            let (source, target) = (format!("/srv/{name}"), format!("/backup/{name}"));
            let there = state.mirror(name, &target)?;
            let row = match there {
                Some(row) => row,
                None => state.add_mirror(name, source.as_ref(), &target)?,
            };
            state.update_mirror(&Mirror {
                identity: Some(IDENTITY.to_owned()),
                incoming: Some(FolderId(100 + row.id.0)),
                versions: Some(FolderId(200 + row.id.0)),
                last_success_s: Some(1_763_900_000),
                held: held.map(str::to_owned),
                ..row
            })?;
        }
        state.set_note("paused", Some("yes"))
    });
}

/// What the daemon keeps of a source: file system, inode, and the names at its top.
const IDENTITY: &str = r#"{"uuid":"ext-00f1a2b3c4d5e6f7","inode":2,"top":[[97],[98,255]]}"#;

/// An entry with a value in every column.
fn rich(folder: FolderKey) -> Entry {
    let holes = Holes::try_from(vec![(0, 4096)]).unwrap();
    let xattrs = vec![(b"user.a".to_vec(), b"1".to_vec())];
    let remote_name = Some(RemoteName::from_service("now~1".to_owned()));
    let content = Content::File(RemoteCopy { remote_name, unsettled: true, ..copy(3) });
    Entry {
        metadata: Metadata { xattrs, links: 2, holes, ..metadata(5) },
        racy: true,
        ..entry(folder, b"now", 4, content)
    }
}

fn foreign() -> ForeignFile {
    let name = RemoteName::from_service("theirs".to_owned());
    ForeignFile { url: url(60), name, size_bytes: 6, whirlpool: Some(whirlpool(60)) }
}

fn version(photos: &Mirror) -> NewVersion {
    NewVersion {
        mirror: photos.id,
        path: path("kept/then"),
        url: url(2),
        size_bytes: 3,
        whirlpool: Some(whirlpool(2)),
        fingerprint: Some(fingerprint(2)),
        metadata: Some(metadata(-1)),
        folder: FolderId(41),
        current_from_s: 1_763_900_000,
        current_until_s: 1_763_900_060,
        reason: Retired::Deleted,
        cipher: None,
    }
}

fn proof() -> Proof {
    Proof { good: true, at_s: 1_763_900_000, files: 3, bytes: 30, detail: "as recorded".to_owned() }
}

fn cycle(photos: &Mirror) -> Cycle {
    Cycle {
        mirror: photos.id,
        started_s: 1_763_900_000,
        ended_s: 1_763_900_009,
        outcome: "done".to_owned(),
        looked_at: 9,
        uploaded_files: 1,
        uploaded_bytes: 2,
        relocated: 3,
        copied: 4,
        retired: 5,
        problems: 6,
        calls: 7,
    }
}

#[test]
fn every_released_form_is_opened_with_all_that_is_in_it() {
    let mut opened = Vec::new();
    for sample in fs::read_dir(samples()).unwrap() {
        let sample = sample.unwrap().path();
        let name = sample.file_stem().unwrap().to_str().unwrap();
        let form: i64 = name.strip_prefix('v').unwrap().parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::copy(&sample, dir.path().join("state.db")).unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.check().unwrap();
        check_first(&store, &sample);
        if form >= 2 {
            check_second(&store);
        }
        opened.push(form);
    }
    let newest = form_of(&Fixture::new().dir.path().join("state.db"));
    for form in 1..newest {
        assert!(opened.contains(&form), "no sample of form {form} in {}", samples().display());
    }
}

fn check_first(store: &Store, sample: &Path) {
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
}

fn check_second(store: &Store) {
    let photos = store.mirror("photos", "/backup/photos").unwrap().unwrap();
    let folder = store.folder_at(photos.id, &path("kept")).unwrap().unwrap().key;
    assert_eq!(store.entries(folder).unwrap(), [rich(folder)]);
    let before = Moment(store.newest_moment().unwrap().0 - 1);
    let then = store.entries_at(folder, before).unwrap();
    assert_eq!(then.iter().map(|entry| &*entry.name).collect::<Vec<_>>(), [b"then"]);
    assert_eq!(store.copies_of(3, &fingerprint(2), 9).unwrap()[0].url, url(2));
    assert_eq!(store.foreign(folder).unwrap(), [foreign()]);
    assert_eq!(store.missed_before(photos.id, i64::MAX).unwrap(), [folder]);
    assert_eq!(store.oldest_audit(photos.id).unwrap().unwrap().1, 1);
    assert_eq!(store.problems(None).unwrap()[0].path, path("kept/bad"));
    assert_eq!(store.removals_since(photos.id, 0).unwrap(), 250);
    assert_eq!(store.allowance(photos.id).unwrap(), 7);
    assert!(store.retired_name_taken(FolderId(41), "whole").unwrap());
    assert_eq!(store.versions(photos.id, None, 9).unwrap()[0].path, path("kept/then"));
    assert_eq!(store.owners().unwrap()[0].name, "ada");
    assert_eq!(store.proofs(photos.id, ProofKind::Verify).unwrap(), [proof()]);
    assert_eq!(store.cycles(None, 9).unwrap(), [cycle(&photos)]);
    let snapshots = store.snapshots(photos.id).unwrap();
    assert_eq!(snapshots[0].base, Some(snapshots[1].id));
    assert_eq!(store.newest_snapshot(photos.id).unwrap().unwrap().url, Some(url(51)));
    assert!(store.paused().unwrap());
    for (name, sentence, held) in HELD {
        let mirror = store.mirror(name, &format!("/backup/{name}")).unwrap().unwrap();
        assert_eq!(mirror.held.as_deref(), held, "it was: {sentence}");
        assert_eq!(mirror.identity.as_deref(), Some(IDENTITY));
    }
}

/// The note of the answers about the service, once a file of the second form with these notes has
/// been opened.
#[track_caller]
fn answers_after(met: Option<&str>, answers: Option<&str>) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.db");
    fs::copy(samples().join("v2.db"), &file).unwrap();
    let db = rusqlite::Connection::open(&file).unwrap();
    for (key, value) in [("name_taken", met), ("traits of the service", answers)] {
        let Some(value) = value else { continue };
        db.execute("INSERT INTO notes (key, value) VALUES (?1, ?2)", [key, value]).unwrap();
    }
    db.execute("UPDATE moments SET at_s = 1763900100 WHERE id = 1", []).unwrap();
    db.execute("DELETE FROM moments WHERE id > 1", []).unwrap();
    db.close().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.note("name_taken").unwrap(), None);
    store.note("traits of the service").unwrap()
}

#[test]
fn what_was_met_when_a_name_was_taken_joins_the_answers_about_the_service() {
    const MET: &str = r#"{"name_taken":{"is":"must_be_free","at_s":1763900100,"by":"work"}}"#;
    const TWINS: &str = r#"{"name_taken":{"is":"twins","at_s":1763900100,"by":"work"}}"#;
    assert_eq!(answers_after(None, None), None);
    assert_eq!(answers_after(Some("must be free"), None).as_deref(), Some(MET));
    assert_eq!(answers_after(Some("twins"), None).as_deref(), Some(TWINS));
    assert_eq!(answers_after(Some("something else"), None), None);
    for unreadable in ["", "{", "[1]", "7"] {
        assert_eq!(answers_after(Some("twins"), Some(unreadable)).as_deref(), Some(TWINS));
        assert_eq!(answers_after(None, Some(unreadable)).as_deref(), Some(unreadable));
    }

    let probed = |is: &str| format!(r#"{{"batch":{{"is":7,"at_s":5}},"name_taken":{is}}}"#);
    let is = |is: &str| probed(&format!(r#"{{"is":"{is}","at_s":5}}"#));
    let work = |is: &str| probed(&format!(r#"{{"is":"{is}","at_s":1763900100,"by":"work"}}"#));
    for (met, answers, expected) in [
        (None, is("twins"), is("twins")),
        (Some("something else"), is("renamed"), is("renamed")),
        // The probe says the same, and says more.
        (Some("twins"), is("twins"), is("twins")),
        (Some("must be free"), is("renamed"), is("renamed")),
        // They contradict each other: what was met in the work counted for more.
        (Some("must be free"), is("twins"), work("must_be_free")),
        (Some("twins"), is("overwritten"), work("twins")),
        (Some("twins"), probed("null"), work("twins")),
    ] {
        assert_eq!(answers_after(met, Some(&answers)), Some(expected), "{met:?}, {answers}");
    }
}

fn form_of(file: &Path) -> i64 {
    let db = rusqlite::Connection::open(file).unwrap();
    db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
#[ignore = "writes the sample of the newest form into the source tree"]
fn keep_a_sample_of_the_newest_form() {
    let mut fixture = Fixture::new();
    fill_first(&mut fixture);
    fill_second(&mut fixture);
    let from = fixture.dir.path().join("state.db");
    fixture.store.close().unwrap();
    let form = form_of(&from);
    let to = samples().join(format!("v{form}.db"));
    assert!(!to.exists(), "{} is released and stays as it is", to.display());
    fs::copy(from, to).unwrap();
}
