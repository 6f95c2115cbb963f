//! Trees with the worst names and files that real servers have.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use fichier_emulator::Storage;
use fichier_testkit::{Machine, crypt, tree, write};
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::PROGRAM;

/// Names that some program between here and the service could fail on.
fn nasty_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "with space",
        " leading space",
        "trailing space ",
        "..dots",
        "...",
        "dots..",
        "..%2f..",
        "-rf",
        "--config",
        "~",
        "*",
        "?",
        "a:b",
        "a|b",
        "<b>bold</b>",
        "&amp;",
        "100%",
        "%41",
        "semi;colon",
        "\"double\"",
        "it's",
        "`backtick`",
        "$HOME",
        "$(reboot)",
        "back\\slash",
        "new\nline",
        "return\rcarriage",
        "tab\tstop",
        "\u{1}control\u{7f}",
        "#hash",
        "ß",
        "日本語",
        "😀 emoji 👨‍👩‍👧",
        "caf\u{e9}",
        "cafe\u{301}",
        "readme",
        "README",
        "CON",
        "nul.txt",
        "a\u{202e}b",
        "‛quoted",
        "fullwidth／slash",
        "\u{feff}bom",
        ".hidden",
        "desktop.ini",
        "name.",
        "[set]",
        "=eq&and=more",
        "+plus+",
        "@at",
        "\u{2028}",
    ]
    .map(|name| name.as_bytes().to_vec())
    .into();
    names.push(b"not \xff utf-8 \xfe".to_vec());
    names.push(b"\xc3".to_vec());
    names.push(vec![b'n'; 250]);
    names.push(vec![b'm'; 255]);
    names.push("é".repeat(125).into_bytes());
    names
}

fn at(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

#[test]
fn every_name_that_the_disk_allows_is_mirrored_as_a_file_and_as_a_folder() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for (number, name) in nasty_names().iter().enumerate() {
        write(&at(&source.join("files"), name), format!("file {number}"));
        write(&at(&source.join("folders"), name).join("inside"), format!("folder {number}"));
        fs::create_dir_all(at(&source.join("empty"), name)).unwrap();
    }
    world.start();
    world.until_mirrored("photos");
    let mirror = world.mirror("photos");
    assert_eq!(mirror["problem_count"], 0, "{mirror:#}");
    assert_eq!(
        tree::folders_of(&tree::on_disk(&source)),
        tree::folders_in_account(&world.emulator, "/backup/photos")
    );
    world.assert_at_rest();

    // All of them can be renamed, and removed.
    fs::rename(source.join("files"), source.join("moved")).unwrap();
    for (number, name) in nasty_names().iter().enumerate() {
        let moved = at(&source.join("moved"), name);
        fs::rename(moved, source.join("moved").join(format!("plain {number}"))).unwrap();
    }
    world.until_mirrored("photos");
    fs::remove_dir_all(source.join("folders")).unwrap();
    fs::remove_dir_all(source.join("empty")).unwrap();
    world.until_mirrored("photos");
    world.assert_at_rest();
}

#[test]
fn what_is_no_file_or_has_no_bytes_is_neither_sent_nor_waited_for() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("kept"), "kept");
    write(&source.join("empty file"), "");
    fs::create_dir_all(source.join("a/b/c")).unwrap();
    symlink("..", source.join("a/b/loop")).unwrap();
    symlink("loop to itself", source.join("loop to itself")).unwrap();
    symlink("nowhere", source.join("dangling")).unwrap();
    symlink("/etc", source.join("elsewhere")).unwrap();
    symlink("kept", source.join("link to kept")).unwrap();
    // A reader of a FIFO waits for a writer, for ever.
    mkfifoat(CWD, source.join("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap();
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    // Of an encrypted mirror the empty file is on the service.
    let (files, empty) =
        if crypt::is_on() { (2, "safe since") } else { (1, "safe in the records") };
    assert_eq!(tree::in_account(&world.emulator, "/backup/photos").len(), files);
    let calls = world.emulator.calls();
    let folder = source.join("a/b/c");
    let made_later = "made on 1fichier when a file goes into it";
    world.run(&["why", folder.to_str().unwrap()]).expect(0).says(made_later);
    let path = source.join("empty file");
    world.run(&["why", path.to_str().unwrap()]).expect(0).says(empty);
    for kept_in_state in ["dangling", "link to kept", "a/b/loop"] {
        let path = source.join(kept_in_state);
        world.run(&["why", path.to_str().unwrap()]).expect(0).says("safe in the records");
    }
    assert_eq!(world.emulator.calls(), calls);
}

#[test]
fn a_file_that_may_not_be_read_is_a_problem_and_stops_nothing_else() {
    let Some(user) = PROGRAM.ordinary_user() else {
        eprintln!("skipped: root reads everything, and no other user can be had here");
        return;
    };
    let mut world = Machine::of(PROGRAM);
    world.user = user;
    let source = world.source("photos");
    write(&source.join("readable"), "readable");
    write(&source.join("secret"), "secret");
    write(&source.join("closed/inside"), "inside");
    world.hand_over();
    let close = |name: &str, mode| {
        fs::set_permissions(source.join(name), Permissions::from_mode(mode)).unwrap();
    };
    close("secret", 0o000);
    close("closed", 0o000);
    let ran = world.run(&["sync"]).expect(3);
    assert!(ran.stdout.contains("2 files with a problem"), "{}", ran.stdout);
    let there = |world: &Machine| -> Vec<String> {
        tree::in_account(&world.emulator, "/backup/photos").into_keys().collect()
    };
    assert_eq!(there(&world), ["readable"]);
    world.run(&["status"]).expect(0).says("secret").says("ermission denied");

    close("secret", 0o600);
    close("closed", 0o700);
    world.run(&["sync"]).expect(0);
    assert_eq!(there(&world), ["closed/inside", "readable", "secret"]);
    // Files that can no longer be read stay where they were.
    close("closed", 0o000);
    world.run(&["sync"]).expect(3);
    assert_eq!(there(&world), ["closed/inside", "readable", "secret"]);
    world.run(&["status"]).expect(0).says("closed").says("nothing below it is removed");
    close("closed", 0o700);
    world.run(&["sync"]).expect(0);
    assert_eq!(world.mirror("photos")["problem_count"], 0);
    world.emulator.assert_no_violations();
}

/// 2 GiB and a byte if `FICHIERD_TEST_LARGE` is set: more than fits in 31 bits.
#[test]
fn a_large_file_with_holes_arrives_whole() {
    let large = std::env::var_os("FICHIERD_TEST_LARGE").is_some();
    let size = if large { (2 << 30) + 1 } else { (64 << 20) + 1 };
    let mut world = Machine::with(PROGRAM, |emulator| emulator.storage(Storage::Discard));
    let source = world.source("photos");
    File::create(source.join("disk.img")).unwrap().set_len(size).unwrap();
    world.start();
    let found = world.until_done("it is published", || {
        let files = world.emulator.files();
        files.into_iter().find(|file| file.path == "/backup/photos")
    });
    let stored = crypt::stored_bytes(size);
    assert_eq!((crypt::plain_file(&found.name).as_str(), found.size), ("disk.img", stored));
    world.run(&["sync"]).expect(0);
    world.until_done("nothing is under way", || {
        tree::staged(&world.emulator).is_empty().then_some(())
    });
    let received = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    assert_eq!(received, stored);
    assert_eq!(world.mirror("photos")["bytes"], size);
    world.emulator.assert_no_violations();
}

#[test]
fn more_files_in_a_folder_than_a_listing_shows_are_all_mirrored() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for number in 0..5_001 {
        write(&source.join(format!("{number}")), format!("content {number}"));
    }
    world.start();
    world.until_mirrored("photos");
    fs::remove_file(source.join("5000")).unwrap();
    fs::rename(source.join("17"), source.join("seventeen")).unwrap();
    world.until_mirrored("photos");
    world.assert_at_rest();
}
