//! F07: the system calls with which programs save a file. Each save is one upload of the final
//! content, and no name that a program uses on the way reaches the service.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use fichier_testkit::{Machine, crypt, write};
use rusqlite::Connection;

use crate::PROGRAM;

/// Saves `doc` in a folder with this content.
type Save = fn(&Path, &str);

/// Writes as a careful program does.
fn put(path: &Path, content: &str) {
    let mut file = File::create(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.sync_all().unwrap();
}

/// vim with `backupcopy=no`: a swap file, a probe whether the folder takes files, the old file
/// moved aside, the new one under its name, and the other files removed.
fn vim(folder: &Path, content: &str) {
    let (doc, swap, probe, aside) =
        (folder.join("doc"), folder.join(".doc.swp"), folder.join("4913"), folder.join("doc~"));
    put(&swap, "b0VIM 9.0");
    put(&probe, "");
    fs::remove_file(&probe).unwrap();
    fs::rename(&doc, &aside).unwrap();
    put(&doc, content);
    fs::remove_file(&aside).unwrap();
    fs::remove_file(&swap).unwrap();
}

/// emacs with `file-precious-flag`: a lock that is a dangling link, an auto-save file, a new file
/// that takes the place of the old one.
fn emacs(folder: &Path, content: &str) {
    let (lock, auto, new) =
        (folder.join(".#doc"), folder.join("#doc#"), folder.join("doc12345abc"));
    symlink("somebody@host.4711:1700000000", &lock).unwrap();
    put(&auto, "half of it");
    put(&new, content);
    fs::rename(&new, folder.join("doc")).unwrap();
    fs::remove_file(&auto).unwrap();
    fs::remove_file(&lock).unwrap();
}

/// LibreOffice: a lock file, a new file in the same folder, a rename.
fn libreoffice(folder: &Path, content: &str) {
    let (lock, new) = (folder.join(".~lock.doc#"), folder.join("lu4711abc.tmp"));
    put(&lock, ",somebody,host,24.11.2026 12:00,file:///;");
    put(&new, content);
    fs::rename(&new, folder.join("doc")).unwrap();
    fs::remove_file(&lock).unwrap();
}

/// `sed -i`: a new file, a rename.
fn sed(folder: &Path, content: &str) {
    put(&folder.join("sedAb3xYz"), content);
    fs::rename(folder.join("sedAb3xYz"), folder.join("doc")).unwrap();
}

/// rsync: a hidden new file in the same folder, its time set, a rename.
fn rsync(folder: &Path, content: &str) {
    let new = folder.join(".doc.Xy12Zw");
    put(&new, content);
    let noon = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    File::options().write(true).open(&new).unwrap().set_modified(noon).unwrap();
    fs::rename(&new, folder.join("doc")).unwrap();
}

/// `git checkout`: the file is removed and written anew.
fn git(folder: &Path, content: &str) {
    fs::remove_file(folder.join("doc")).unwrap();
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).open(folder.join("doc")).unwrap();
    file.write_all(content.as_bytes()).unwrap();
}

/// An editor that writes in place, in pieces.
fn in_place(folder: &Path, content: &str) {
    let mut file = File::create(folder.join("doc")).unwrap();
    for piece in content.as_bytes().chunks(7) {
        file.write_all(piece).unwrap();
    }
}

#[test]
fn f07_each_save_of_a_program_is_one_upload_of_the_final_content() {
    let mut world = Machine::of(PROGRAM);
    // Longer than a save takes on a busy machine.
    world.add_mirror("photos", "settle = \"700ms\"\nsettle_at_most = \"1m\"");
    let folder = world.source("photos");
    write(&folder.join("doc"), "first");
    world.start();
    world.until_mirrored("photos");
    world.until_chores_done("photos");
    let ways: [(&str, Save); 7] = [
        ("vim", vim),
        ("emacs", emacs),
        ("libreoffice", libreoffice),
        ("sed", sed),
        ("rsync", rsync),
        ("git", git),
        ("in place", in_place),
    ];
    for (name, save) in ways {
        let mark = world.emulator.calls();
        save(&folder, &format!("as {name} has saved it, a moment ago"));
        world.until_mirrored("photos");
        // The old copy goes after the new one.
        world.run(&["sync"]).expect(0);
        let calls = world.emulator.calls_since(mark);
        let uploads = calls.iter().filter(|call| *call == "upload.cgi").count();
        assert_eq!(uploads, 1, "{name}: {calls:?}");
    }
    let files = world.emulator.files().into_iter().filter(|file| !file.path.contains("state"));
    let mut names: Vec<String> = files.map(|file| crypt::plain_file(&file.name)).collect();
    names.sort();
    names.dedup();
    assert_eq!(names, ["doc"], "names at the service, versions included");
    world.assert_mirrored();
}

#[test]
fn f07_a_database_with_a_write_ahead_log_is_sent_as_it_is_when_closed() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "settle = \"700ms\"\nsettle_at_most = \"1m\"");
    let path = world.source("photos").join("data.db");
    let change = |statement: &str| {
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        db.execute_batch(statement).unwrap();
        db.close().unwrap();
    };
    change("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    world.start();
    world.until_mirrored("photos");
    world.until_chores_done("photos");
    let mark = world.emulator.calls();
    change("INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)");
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    let calls = world.emulator.calls_since(mark);
    assert_eq!(calls.iter().filter(|call| *call == "upload.cgi").count(), 1, "{calls:?}");
    let names = world.emulator.files().into_iter().map(|file| crypt::plain_file(&file.name));
    let others: Vec<_> =
        names.filter(|name| name.contains("-wal") || name.contains("-shm")).collect();
    assert_eq!(others, Vec::<String>::new());
    world.assert_mirrored();
}
