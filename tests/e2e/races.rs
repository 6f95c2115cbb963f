//! Files that change while the service handles them: while they are sent, in kind, in size, all at
//! once.
//!
//! A large file sets the moment of a change: it is being sent as long as the node has only a part
//! of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use fichier_testkit::{Machine, crypt, target, tree, until, write};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::PROGRAM;

/// Makes something at a path.
type Make = fn(&Path);

/// The size of a file that can be changed while it is sent.
const LARGE: usize = 48 << 20;

/// A world whose service has begun to send `large`, and has most of it before it.
fn sending() -> (Machine, PathBuf) {
    let mut world = Machine::of(PROGRAM);
    // All files go into one upload, however short ago they were written.
    world.add_mirror("photos", "settle = \"0s\"");
    let large = world.source("photos").join("a-large");
    write(&large, vec![1; LARGE]);
    for small in 0..5 {
        write(&world.source("photos").join(format!("small-{small}")), format!("small {small}"));
    }
    world.start();
    until("the node gets it", || (world.emulator.bytes_received() > 1 << 20).then_some(()));
    (world, large)
}

/// The account equals the disk; contents that were sent in between never stood in its place, and
/// are gone.
fn assert_only_the_last_was_published(world: &Machine) {
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.assert_mirrored();
    assert_eq!(versions(world), Vec::<String>::new(), "something half was published");
}

fn versions(world: &Machine) -> Vec<String> {
    let files = world.emulator.files().into_iter();
    let versions = files.filter(|file| file.path.contains("/.fichierd/versions"));
    versions.map(|file| crypt::plain_file(&file.name)).collect()
}

#[test]
fn f01_a_file_that_grows_while_it_is_sent_is_published_only_as_it_is_afterwards() {
    let (world, large) = sending();
    File::options().append(true).open(&large).unwrap().write_all(&[2; 4096]).unwrap();
    assert_only_the_last_was_published(&world);
}

#[test]
fn f02_a_file_that_is_cut_while_it_is_sent_breaks_the_upload_off_and_the_others_go_without_it() {
    let (world, large) = sending();
    File::options().write(true).open(&large).unwrap().set_len(1 << 10).unwrap();
    assert_only_the_last_was_published(&world);
    let requests = world.emulator.requests();
    let uploads: Vec<_> = requests.iter().filter(|r| r.endpoint == "upload.cgi").collect();
    assert_eq!(uploads[0].status, 0, "the first was broken off");
    assert_eq!(uploads[1].links, 5, "the others went without it");
    let whole = uploads[1..].iter().filter(|upload| upload.links == 6).count();
    assert_eq!(whole, 0, "and were not sent again with it");
}

#[test]
fn f05_files_that_vanish_one_after_another_from_an_upload_hold_up_nothing_and_nobody() {
    let (world, _) = sending();
    for small in 0..4 {
        fs::remove_file(world.source("photos").join(format!("small-{small}"))).unwrap();
    }
    assert_only_the_last_was_published(&world);
    // The first attempt breaks off at the first of them; the second is without all of them.
    let sent = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    let once = crypt::stored_bytes(LARGE as u64) + 5 * crypt::stored_bytes(10);
    assert!(sent <= 2 * once, "{sent} bytes were sent");
}

#[test]
fn f03_a_file_that_is_rewritten_in_place_while_it_is_sent_is_published_only_as_it_is_afterwards() {
    for offset in [0, LARGE as u64 - 4096] {
        let (world, large) = sending();
        File::options().write(true).open(&large).unwrap().write_all_at(&[3; 4096], offset).unwrap();
        assert_only_the_last_was_published(&world);
    }
}

#[test]
fn f04_a_file_that_is_replaced_by_a_rename_while_it_is_sent_ends_as_the_new_one() {
    let (world, large) = sending();
    let new = world.path("new");
    fs::write(&new, vec![4; 1 << 20]).unwrap();
    fs::rename(&new, &large).unwrap();
    assert_only_the_last_was_published(&world);
}

#[test]
fn f05_a_file_that_is_deleted_while_it_is_sent_leaves_nothing_behind() {
    let (world, large) = sending();
    fs::remove_file(&large).unwrap();
    assert_only_the_last_was_published(&world);
    let left = world
        .emulator
        .files()
        .into_iter()
        .filter(|file| crypt::plain_file(&file.name) == "a-large");
    assert_eq!(left.map(|file| file.path).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn f06_a_file_that_becomes_something_else_while_it_is_sent_is_not_read_as_that() {
    let outside = "a file outside of the source";
    for kind in ["link", "fifo", "folder"] {
        let (world, large) = sending();
        fs::write(world.path("outside"), outside).unwrap();
        fs::remove_file(&large).unwrap();
        match kind {
            "link" => symlink(world.path("outside"), &large).unwrap(),
            "fifo" => mknodat(CWD, &large, FileType::Fifo, Mode::RUSR, 0).unwrap(),
            _ => write(&large.join("file"), "a file in a folder now"),
        }
        assert_only_the_last_was_published(&world);
        let contents = tree::in_account(&world.emulator, &target("photos"));
        assert!(contents.values().all(|content| content != outside.as_bytes()), "{kind}");
    }
}

#[test]
fn f06_paths_that_change_their_kind_at_rest_follow_and_special_files_are_never_opened() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let path = source.join("changing");
    write(&path, "a file");
    write(&source.join("other"), "other");
    world.start();
    world.until_mirrored("photos");
    // A reader of the FIFO would wait for a writer for ever.
    let kinds: [(&str, Make); 6] = [
        ("folder", |path| write(&path.join("in it"), "a file in a folder")),
        ("link", |path| symlink("/etc/hostname", path).unwrap()),
        ("file", |path| write(path, "a file again")),
        ("fifo", |path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap()),
        ("socket", |path| drop(UnixListener::bind(path).unwrap())),
        ("file at last", |path| write(path, "a file at last")),
    ];
    for (number, (kind, make)) in kinds.into_iter().enumerate() {
        let is_folder = path.symlink_metadata().unwrap().is_dir();
        if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.unwrap();
        make(&path);
        write(&source.join("other"), format!("and {kind} {number}"));
        world.until_mirrored("photos");
        world.run(&["sync"]).expect(0);
    }
    world.assert_mirrored();
}

#[test]
fn f09_a_file_above_300_gb_is_reported_once_and_costs_nothing_afterwards() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    fs::create_dir_all(&source).unwrap();
    let huge = File::create(source.join("huge")).unwrap();
    if let Err(error) = huge.set_len(1 << 40) {
        eprintln!("skipped: no file of 1 TiB can be made here: {error}");
        return;
    }
    write(&source.join("small"), "small");
    world.start();
    until("it is reported, and the other is there", || {
        let mirror = world.mirror("photos");
        let said = mirror["problems"][0]["what"].as_str().is_some_and(|w| w.contains("300 GB"));
        (said && mirror["files"] == 1).then_some(())
    });
    // The copy of the records is an upload, too.
    world.until_chores_done("photos");
    let mark = world.emulator.calls();
    world.run(&["sync"]).expect(3);
    world.run(&["sync"]).expect(3);
    let calls = world.emulator.calls_since(mark);
    let asked = calls.iter().filter(|call| call.starts_with("upload"));
    assert_eq!(asked.count(), 0, "{calls:?}");
    huge.set_len(10).unwrap();
    until("it is small, and there", || {
        tree::in_account(&world.emulator, &target("photos")).contains_key("huge").then_some(())
    });
}

#[test]
fn f10_a_file_that_may_not_be_read_is_a_problem_until_it_may() {
    let Some(user) = PROGRAM.ordinary_user() else {
        eprintln!("skipped: no user without all rights can be had (setpriv)");
        return;
    };
    let mut world = Machine::of(PROGRAM);
    world.user = user;
    let closed = world.source("photos").join("closed");
    write(&closed, "may not be read");
    write(&world.source("photos").join("open"), "may be read");
    world.hand_over();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    world.start();
    until("it is a problem, and the other is there", || {
        let mirror = world.mirror("photos");
        (mirror["problem_count"] == 1 && mirror["files"] == 1).then_some(())
    });
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    until("both are there", || (world.mirror("photos")["files"] == 2).then_some(()));
    until("no problem is left", || (world.mirror("photos")["problem_count"] == 0).then_some(()));
    world.assert_mirrored();
}

#[test]
fn f12_after_a_mass_rewrite_every_earlier_content_is_kept_and_the_burst_is_shown() {
    const FILES: usize = 120;
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let path = |number: usize| source.join(format!("{}/document-{number}", number % 4));
    for number in 0..FILES {
        write(&path(number), format!("what {number} says"));
    }
    world.start();
    world.until_mirrored("photos");
    world.until_chores_done("photos");
    assert!(!world.run(&["status"]).expect(0).stdout.contains("BURST"));
    for number in 0..FILES {
        fs::write(path(number), format!("{:x}", number * 7_919 + 1_000_003)).unwrap();
    }
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    let kept = versions(&world);
    assert_eq!(kept.len(), FILES, "{kept:?}");
    let files = world.emulator.files();
    let stored = files.iter().filter_map(|file| world.emulator.content(&file.link));
    let contents: Vec<_> = stored.map(crypt::plain_content).collect();
    for number in 0..FILES {
        let before = format!("what {number} says").into_bytes();
        assert!(contents.contains(&before), "what {number} said is lost");
    }
    assert_eq!(world.mirror("photos")["replaced_in_24_h"], FILES);
    world.run(&["status"]).expect(0).says("BURST: 120 files");
}
