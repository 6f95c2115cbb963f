//! The machine is gone: its user recovers with the key and the name of the target.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use fichier_testkit::crypt::{self, Lack};
use fichier_testkit::tree;
use fichier_testkit::{Machine, write};

use crate::PROGRAM;

/// A settled mirror three levels deep, with its snapshot, whose state is then lost.
fn lost() -> Machine {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "target = \"/backup/server/photos\"");
    for n in 0..200 {
        write(&world.source("photos").join(format!("{}/file-{n}", n % 5)), format!("file {n}"));
    }
    write(&world.source("photos").join("empty"), "");
    world.run(&["sync"]).expect(0);
    fs::rename(world.path("state"), world.path("lost-state")).unwrap();
    world
}

#[test]
fn a_new_machine_knows_all_again_from_key_and_target() {
    let world = lost();
    let sent = world.emulator.bytes_received();
    let before = world.emulator.calls();
    let ran = world.run(&["recover", "--target", "/backup/server/photos/"]).expect(0);
    let ran = ran.says("recovered `photos` from ").says("-full.zst");
    let ran = ran.says("40 of 40 files as recorded").says("fichierd restore photos DEST");
    ran.says("recovered.toml");
    let calls = world.emulator.calls_since(before);
    assert!(calls.len() < 10, "{} calls: {calls:?}", calls.len());
    let text = fs::read_to_string(world.path("state/recovered.toml")).unwrap();
    assert_eq!(text, fs::read_to_string(world.config()).unwrap());

    let again = world.run(&["recover", "--target", "/backup/server/photos"]);
    again.expect(4).says("on record").says("--replace");
    let dest = world.path("dest");
    world.run(&["restore", "photos", dest.to_str().unwrap()]).expect(0);
    assert_eq!(tree::on_disk(&dest), tree::on_disk(&world.source("photos")));
    assert!(dest.join("empty").exists(), "only the records knew of it");

    world.run(&["sync"]).expect(0);
    assert_eq!(world.emulator.bytes_received(), sent);
}

#[test]
fn what_is_newer_than_the_snapshot_is_found_by_a_walk() {
    let world = lost();
    fs::rename(world.path("lost-state"), world.path("state")).unwrap();
    write(&world.source("photos").join("0/newer"), "sent a moment before the fire");
    world.run(&["sync"]).expect(0);
    fs::remove_dir_all(world.path("state")).unwrap();
    let target = "/backup/server/photos";
    let ran = world.run(&["recover", "--target", target]).expect(0);
    ran.says("1 file newer than the records").says("--walk");
    let dest = world.path("dest");
    world.run(&["restore", "photos", dest.to_str().unwrap()]).expect(0);
    assert!(!dest.join("0/newer").exists());

    let facts = |path: &str| {
        let found = fs::metadata(dest.join(path)).unwrap();
        (found.mode(), found.mtime(), found.mtime_nsec())
    };
    let before = (facts("1"), facts("0/file-0"));
    world.run(&["recover", "--target", target, "--replace", "--walk"]).expect(3);
    world.run(&["restore", "photos", dest.to_str().unwrap()]).expect(0);
    assert_eq!(
        (facts("1"), facts("0/file-0")),
        before,
        "metadata that is not known is not changed"
    );
    assert_eq!(tree::on_disk(&dest), tree::on_disk(&world.source("photos")));
    assert!(dest.join("empty").exists(), "what the first restore brought stays");
}

#[test]
fn without_a_snapshot_it_says_what_is_lost() {
    let world = lost();
    world.emulator.remove_folder("/backup/server/photos/.fichierd/state");
    let ran = world.run(&["recover", "--target", "/backup/server/photos"]).expect(3);
    // Of an encrypted mirror the empty file is on the service.
    let (files, lost) = match crypt::is_on() {
        true => (201, "lost without a snapshot: times, modes and owners, links, empty folders"),
        false => (200, "links, empty files and folders"),
    };
    let found = format!("{files} files in 5 folders");
    ran.says("no snapshot was usable").says(&found).says(lost);
    let dest = world.path("dest");
    world.run(&["restore", "photos", dest.to_str().unwrap()]).expect(0);
    assert_eq!(dest.join("empty").exists(), crypt::is_on());
    let sent = world.emulator.bytes_received();
    world.run(&["sync"]).expect(0);
    if !crypt::skips(Lack::RecognitionForFree) {
        assert_eq!(world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator), sent);
    }
}

#[test]
fn what_cannot_be_recovered_is_said_so() {
    let world = Machine::of(PROGRAM);
    world.run(&["recover", "--target", "/backup/none"]).expect(1).says("no folder /backup/none");
    world.run(&["recover", "--target", "photos"]).expect(2);
    world.emulator.revoke_key();
    world.run(&["recover", "--target", "/backup/none"]).expect(77);
}

#[test]
fn the_sheet_names_all_that_a_new_machine_needs_and_no_secret() {
    let world = Machine::of(PROGRAM);
    world.run(&["recovery-sheet"]).expect(0).says("newest snapshot  none yet");
    write(&world.source("photos").join("one"), "one");
    world.run(&["sync"]).expect(0);
    let sheet = world.run(&["recovery-sheet"]).expect(0);
    let sheet = sheet.says("target  /backup/photos").says("-000001-full.zst");
    let sheet = sheet.says("fichierd recover --target /backup/photos");
    sheet.says("fichierd restore photos DEST").says("console/params.pl");
}
