//! Opening, closing, and who else may be there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fichier_state::{Error, Store};
use rusqlite::Connection;

use crate::fixture::{Fixture, file};

fn raw(dir: &Path) -> Connection {
    Connection::open(dir.join("state.db")).unwrap()
}

fn all_bytes(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| !path.ends_with("lock"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Asserts that every file of `before` is as it was; SQLite may have put an empty journal
/// beside the database to read it.
fn assert_untouched(before: &[(std::path::PathBuf, Vec<u8>)]) {
    for (path, bytes) in before {
        assert!(fs::read(path).unwrap() == *bytes, "{} changed", path.display());
    }
}

/// A closed store with one file in it.
fn closed() -> Fixture {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    fixture.write(|state| state.put_entry(&file(root, b"kept", 1)));
    let store = std::mem::replace(&mut fixture.store, Fixture::new().store);
    store.close().unwrap();
    fixture
}

#[test]
fn only_the_owner_may_read_the_state() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/state");
    let mut store = Store::open(&dir).unwrap();
    store.write(|state| state.set_note("a", Some("b"))).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let files: Vec<_> = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_second_instance_is_turned_away_until_the_first_ends() {
    let fixture = Fixture::new();
    let second = Store::open(fixture.dir.path());
    assert!(matches!(&second, Err(Error::Locked { dir }) if dir == fixture.dir.path()));
    drop(fixture.store);
    Store::open(fixture.dir.path()).unwrap();
}

#[test]
fn a_reader_beside_the_service_sees_what_is_committed_and_changes_nothing() {
    let mut fixture = Fixture::new();
    let mut reader = Store::open_read_only(fixture.dir.path()).unwrap();
    let root = fixture.mirror.root;
    fixture.write(|state| state.put_entry(&file(root, b"new", 1)));
    assert_eq!(reader.entries(root).unwrap(), [file(root, b"new", 1)]);
    let written = reader.write(|state| state.set_note("a", Some("b")));
    assert!(matches!(written, Err(Error::Storage(_))), "{written:?}");
    reader.close().unwrap();
    assert_eq!(fixture.store.note("a").unwrap(), None);
}

#[test]
fn a_reader_finds_nothing_where_the_service_never_ran() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Store::open_read_only(dir.path());
    assert!(matches!(opened, Err(Error::Absent { .. })), "{opened:?}");
    fs::write(dir.path().join("state.db"), "").unwrap();
    let opened = Store::open_read_only(dir.path());
    assert!(matches!(opened, Err(Error::Absent { .. })), "{opened:?}");
}

/// Gives a file the number of a form that is one newer than ours; returns that number.
fn make_newer(db: &rusqlite::Connection) -> i64 {
    let ours: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    db.pragma_update(None, "user_version", ours + 1).unwrap();
    ours + 1
}

#[test]
fn a_newer_file_is_refused_and_not_touched() {
    let fixture = closed();
    let newer = make_newer(&raw(fixture.dir.path()));
    let before = all_bytes(fixture.dir.path());
    for opened in [Store::open(fixture.dir.path()), Store::open_read_only(fixture.dir.path())] {
        let Err(Error::FromTheFuture { found, newest }) = opened else { panic!("{opened:?}") };
        assert_eq!((found, newest), (newer, newer - 1));
    }
    assert_untouched(&before);
}

#[test]
fn a_newer_file_with_a_journal_is_refused_and_not_touched() {
    let fixture = closed();
    // A journal that was not written back: copied while its database was open.
    let newer = raw(fixture.dir.path());
    let form = make_newer(&newer);
    let copy = tempfile::tempdir().unwrap();
    for name in ["state.db", "state.db-wal"] {
        fs::copy(fixture.dir.path().join(name), copy.path().join(name)).unwrap();
    }
    let before = all_bytes(copy.path());
    let opened = Store::open(copy.path());
    let Err(Error::FromTheFuture { found, newest }) = opened else { panic!("{opened:?}") };
    assert_eq!((found, newest), (form, form - 1));
    assert_untouched(&before);
}

#[test]
fn a_database_of_another_program_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    raw(dir.path()).execute_batch("CREATE TABLE theirs (a)").unwrap();
    let before = all_bytes(dir.path());
    let opened = Store::open(dir.path());
    assert!(matches!(opened, Err(Error::NotOurs { found: 0, .. })), "{opened:?}");
    assert_untouched(&before);
}

#[test]
fn a_file_that_is_no_database_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state.db"), "not a database, and longer than its header".repeat(9))
        .unwrap();
    let opened = Store::open(dir.path());
    assert!(matches!(opened, Err(Error::Corrupt { .. })), "{opened:?}");
}

/// Puts an unconfirmed file on record, behind the back of the checks.
fn forge(dir: &Path, clean: bool) {
    let db = raw(dir);
    db.pragma_update(None, "ignore_check_constraints", 1).unwrap();
    assert_eq!(db.execute("UPDATE entries SET whirlpool = x'00'", []).unwrap(), 1);
    assert_eq!(db.execute("UPDATE ends SET clean = ?1", [clean]).unwrap(), 1);
}

#[test]
fn an_end_that_was_not_clean_is_followed_by_a_check() {
    let fixture = closed();
    forge(fixture.dir.path(), false);
    let opened = Store::open(fixture.dir.path());
    assert!(matches!(opened, Err(Error::Corrupt { .. })), "{opened:?}");
}

#[test]
fn a_forged_row_that_was_not_looked_for_is_an_error_when_it_is_read() {
    let fixture = closed();
    forge(fixture.dir.path(), true);
    let store = Store::open(fixture.dir.path()).unwrap();
    let read = store.entries(fixture.mirror.root);
    assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
    let checked = store.check();
    assert!(matches!(checked, Err(Error::Corrupt { .. })), "{checked:?}");
}

#[test]
fn only_close_is_a_clean_end() {
    let fixture = closed();
    let clean = |dir| -> bool {
        raw(dir).query_row("SELECT clean FROM ends", [], |row| row.get(0)).unwrap()
    };
    assert!(clean(fixture.dir.path()));
    drop(Store::open(fixture.dir.path()).unwrap());
    assert!(!clean(fixture.dir.path()));
    Store::open(fixture.dir.path()).unwrap().close().unwrap();
    assert!(clean(fixture.dir.path()));
}

#[test]
fn a_closed_store_is_one_file_with_everything_in_it() {
    let fixture = closed();
    assert!(!fixture.dir.path().join("state.db-wal").exists());
    let store = Store::open(fixture.dir.path()).unwrap();
    assert_eq!(store.mirrors().unwrap(), std::slice::from_ref(&fixture.mirror));
    let kept = file(fixture.mirror.root, b"kept", 1);
    assert_eq!(store.entries(fixture.mirror.root).unwrap(), [kept]);
}

#[test]
fn a_lost_journal_leaves_a_state_that_opens() {
    let mut fixture = closed();
    fixture.store = Store::open(fixture.dir.path()).unwrap();
    fixture.write(|state| state.set_note("lost", Some("perhaps")));
    let copy = tempfile::tempdir().unwrap();
    fs::copy(fixture.dir.path().join("state.db"), copy.path().join("state.db")).unwrap();
    let store = Store::open(copy.path()).unwrap();
    let kept = file(fixture.mirror.root, b"kept", 1);
    assert_eq!(store.entries(fixture.mirror.root).unwrap(), [kept]);
    assert_eq!(store.note("lost").unwrap(), None);
}

#[test]
fn what_was_written_survives_without_close() {
    let mut fixture = closed();
    fixture.store = Store::open(fixture.dir.path()).unwrap();
    fixture.write(|state| state.set_note("kept", Some("yes")));
    let copy = tempfile::tempdir().unwrap();
    for name in ["state.db", "state.db-wal"] {
        fs::copy(fixture.dir.path().join(name), copy.path().join(name)).unwrap();
    }
    let store = Store::open(copy.path()).unwrap();
    assert_eq!(store.note("kept").unwrap().as_deref(), Some("yes"));
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let failed: Result<(), _> = fixture.store.write(|state| {
        state.put_entry(&file(root, b"a", 1))?;
        assert_eq!(state.entries(root)?.len(), 1, "a write does not see what it wrote");
        Err(Error::Missing("nothing, on purpose"))
    });
    assert!(matches!(failed, Err(Error::Missing("nothing, on purpose"))), "{failed:?}");
    assert_eq!(fixture.store.entries(root).unwrap(), []);
    fixture.write(|state| state.put_entry(&file(root, b"a", 1)));
}

#[test]
fn the_table_refuses_a_file_that_is_not_confirmed() {
    let fixture = closed();
    let db = raw(fixture.dir.path());
    for broken in [
        "link = NULL",
        "link = ''",
        "whirlpool = NULL",
        "whirlpool = zeroblob(63)",
        "fingerprint = NULL",
        "fingerprint = zeroblob(33)",
        "confirmed_s = NULL",
        "origin = NULL",
        "origin = 4",
        "unsettled = NULL",
        "size_bytes = 0",
        "symlink = x'00'",
        "kind = 2",
        "kind = 3",
        "kind = 4",
        "name = x''",
        "name = 'text'",
        "size_bytes = -1",
        "folder_id = 99",
    ] {
        db.pragma_update(None, "foreign_keys", 1).unwrap();
        let error = db.execute(&format!("UPDATE entries SET {broken}"), []).unwrap_err();
        let code = error.sqlite_error_code();
        assert_eq!(code, Some(rusqlite::ErrorCode::ConstraintViolation), "{broken}: {error}");
    }
}

#[test]
fn this_sqlite_has_no_race_in_its_journal() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}
