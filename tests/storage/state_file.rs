//! The state file is removed, exchanged, read for a long time, or belongs to another account.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use fichier_testkit::{Machine, tree, until, write};
use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;

use crate::PROGRAM;

/// A settled mirror, and its state file.
fn mirrored(files: u32) -> (Machine, PathBuf) {
    mirrored_in(Machine::of(PROGRAM), files)
}

fn mirrored_in(mut world: Machine, files: u32) -> (Machine, PathBuf) {
    for number in 0..files {
        let place = format!("{}/{number}", number % 10);
        write(&world.source("photos").join(place), format!("content of {number}"));
    }
    world.start();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.until_chores_done("photos");
    let state = world.path("state").join("state.db");
    (world, state)
}

fn without_log(state: &std::path::Path) {
    for beside in ["db-wal", "db-shm"] {
        fs::remove_file(state.with_extension(beside)).ok();
    }
}

#[test]
fn d02_a_state_file_that_is_deleted_under_the_service_ends_it_and_a_restart_adopts_all() {
    let (mut world, state) = mirrored(50);
    let (remote, sent) =
        (tree::in_account(&world.emulator, "/backup/photos"), world.emulator.bytes_received());
    fs::remove_file(&state).unwrap();
    without_log(&state);
    fs::remove_file(world.source("photos").join("3/3")).unwrap();
    write(&world.source("photos").join("new"), "n");
    let mark = world.emulator.calls();
    let service = world.take_service();
    assert_eq!(service.ended(), Some(1), "systemd is to start it again");
    assert!(world.log().contains("was deleted, or another one was put in its place"));
    assert_eq!(world.emulator.calls_since(mark), Vec::<String>::new());
    assert_eq!(tree::in_account(&world.emulator, "/backup/photos"), remote);

    world.start();
    world.run(&["sync"]).expect(0);
    let there = tree::in_account(&world.emulator, "/backup/photos");
    // Without records nothing tells that it was deleted here, so it stays.
    assert_eq!((there.contains_key("3/3"), there.contains_key("new")), (true, true));
    let snapshots = tree::snapshot_bytes(&world.emulator);
    world.emulator.assert_no_violations();
    let sent = world.emulator.bytes_received() - sent;
    assert!(sent <= 1 + snapshots, "what is there is adopted");
}

#[test]
fn d02_a_state_file_that_is_exchanged_under_the_service_is_not_written_to() {
    let (mut world, state) = mirrored(10);
    let copy = world.path("copy.db");
    let db = Connection::open_with_flags(&state, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    db.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    drop(db);
    write(&world.source("photos").join("since the copy"), "since");
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    let inode = fs::metadata(&copy).unwrap().ino();
    fs::rename(&copy, &state).unwrap();
    let mark = world.emulator.calls();
    write(&world.source("photos").join("later"), "later");
    assert_eq!(world.take_service().ended(), Some(1));
    assert_eq!(world.emulator.calls_since(mark), Vec::<String>::new());
    assert_eq!(fs::metadata(&state).unwrap().ino(), inode, "it is left as it was found");
    // The log of the old file does not belong to the new one.
    without_log(&state);
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
}

#[test]
fn d07_somebody_who_reads_the_state_for_long_keeps_its_log_bounded_and_stops_nothing() {
    let (world, state) = mirrored(10);
    let reader = Connection::open_with_flags(&state, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM entries").unwrap();
    let before: i64 =
        reader.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).unwrap();
    for round in 0..3 {
        for number in 0..400 {
            let place = format!("{}/{round} {number}", number % 10);
            write(&world.source("photos").join(place), format!("content {round} {number}"));
        }
        world.until_mirrored("photos");
    }
    let now: i64 = reader.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).unwrap();
    assert_eq!(now, before, "it reads what was there when it began");
    let log = fs::metadata(state.with_extension("db-wal")).unwrap().len();
    let database = fs::metadata(&state).unwrap().len();
    // At this rate a million files, for ten minutes, make a database of half a gigabyte at most.
    assert!(log < 256 << 20 && log < 64 * database, "{log} bytes of log, {database} of state");
    drop(reader);
    world.assert_at_rest();
}

#[test]
fn d09_copies_that_are_made_under_load_are_whole() {
    let mut world = Machine::of(PROGRAM);
    world.start();
    let state = world.path("state").join("state.db");
    let copy = world.path("copy.db");
    for round in 0..8 {
        for number in 0..60 {
            let place = format!("{}/{round} {number}", number % 10);
            write(&world.source("photos").join(place), format!("content {round} {number}"));
        }
        let before = world.emulator.calls();
        until("it is at work", || (world.emulator.calls() > before).then_some(()));
        let from = Connection::open_with_flags(&state, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut to = Connection::open(&copy).unwrap();
        let backup = rusqlite::backup::Backup::new(&from, &mut to).unwrap();
        backup.run_to_completion(100, std::time::Duration::from_millis(1), None).unwrap();
        drop(backup);
        let verdict: String = to.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok", "in round {round}");
        let strays: i64 = to
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(strays, 0, "in round {round}");
    }
    world.until_mirrored("photos");
    world.assert_at_rest();
}

#[test]
fn d06_the_state_of_another_account_is_refused_before_anything_is_changed() {
    let (mut mine, my_state) = mirrored(10);
    let world = Machine::with(PROGRAM, |builder| builder.key("the-key-of-another-account"));
    // Folders of two accounts have different ids.
    for number in 0..30 {
        world.emulator.add_folder(&format!("/private/{number}"));
    }
    let (mut other, other_state) = mirrored_in(world, 3);
    for world in [&mut mine, &mut other] {
        let service = world.take_service();
        service.signal(Signal::TERM);
        assert_eq!(service.ended(), Some(0));
    }
    let remote = other.emulator.files().len();
    fs::copy(&my_state, &other_state).unwrap();
    let mark = other.emulator.calls();
    assert_eq!(other.start_that_ends(), Some(78));
    assert!(other.log().contains("was made with another 1fichier account"));
    let changes: Vec<String> = other.emulator.calls_since(mark);
    assert!(changes.iter().all(|call| call == "folder/ls.cgi"), "{changes:?}");
    assert_eq!(other.emulator.files().len(), remote);
    other.run(&["sync"]).expect(78).says("another 1fichier account");
}

#[test]
fn d06_a_new_key_of_the_same_account_goes_on() {
    let (mut world, _) = mirrored(3);
    world.take_service().kill();
    let key = "another-key-of-the-same-account-0123456789";
    world.emulator.set_key(key);
    world.write_key(key, 0o600);
    world.start();
    write(&world.source("photos").join("new"), "n");
    world.until_mirrored("photos");
    world.assert_at_rest();
}
