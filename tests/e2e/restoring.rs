//! `fichierd restore` and the commands that look back, as their user types them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use fichier_testkit::{Machine, crypt, until, write};
use serde_json::Value;

use crate::PROGRAM;

/// All files below a folder, with their contents.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fichier_testkit::tree::on_disk(folder).into_iter().collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Waits until the clock shows the next second: moments are seconds.
pub(crate) fn next_second() -> String {
    let now = jiff::Timestamp::now().as_second();
    until("a second goes by", || (jiff::Timestamp::now().as_second() > now).then_some(()));
    jiff::Timestamp::from_second(now).unwrap().to_string()
}

#[test]
fn an_earlier_time_is_looked_at_compared_and_restored() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("a/one"), "first");
    write(&source.join("a/gone"), "will be removed");
    world.start();
    world.run(&["sync"]).expect(0);
    let original = contents(&source);
    let then = next_second();
    write(&source.join("a/one"), "second, longer");
    fs::remove_file(source.join("a/gone")).unwrap();
    world.run(&["sync"]).expect(0);

    world.run(&["ls", "photos", "a"]).expect(0).says("a/one");
    let before = world.run(&["ls", "photos", "-R", "--at", &then, "--json"]).expect(0);
    let entries = json(&before.stdout)["entries"].clone();
    let paths: Vec<&str> =
        entries.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["a", "a/gone", "a/one"]);
    let compared = world.run(&["diff", "photos", "--from", &then]).expect(0);
    assert_eq!(compared.stdout, "removed     a/gone\nchanged     a/one\n");
    let one = source.join("a/one");
    let versions = world.run(&["versions", one.to_str().unwrap(), "--json"]).expect(0);
    let versions = json(&versions.stdout)["versions"].clone();
    assert_eq!(versions.as_array().unwrap().len(), 2);
    assert_eq!((&versions[0]["until"], &versions[1]["restorable"]), (&Value::Null, &true.into()));
    world.run(&["history", "photos"]).expect(0).says("1 sent");

    let dest = world.path("restored");
    let dest = dest.to_str().unwrap();
    let tried = ["restore", "photos", dest, "--at", &then, "--dry-run"];
    world.run(&tried).expect(0).says("2 files").says("2 calls");
    assert!(!Path::new(dest).exists(), "a dry run makes nothing");
    let calls = world.emulator.calls();
    let restored = world.run(&["restore", "photos", dest, "--at", &then, "--json"]).expect(0);
    assert_eq!(json(&restored.stdout)["done"]["downloads"], 2);
    assert_eq!(contents(Path::new(dest)), original);
    assert!(world.emulator.calls() - calls <= 2 + 5);
    world.emulator.assert_no_violations();
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("one"), "text");
    world.run(&["sync"]).expect(0);
    world.run(&["restore", "photo", "/tmp/x"]).expect(2).says("recorded: photos");
    world.run(&["ls", "photos", "--at", "the other day"]).expect(2).says("2026-11-24");
    world.run(&["ls", "photos", "--at", "2001-01-01"]).expect(2).says("begins at");
    world.run(&["ls", "photos", "nothing"]).expect(1).says("held no nothing");
    world.run(&["versions", "/nowhere"]).expect(2).says("not below the source of any mirror");
    let source = source.to_str().unwrap();
    world.run(&["restore", "photos", source]).expect(2).says("--in-place");
    let inside = format!("{source}/inside");
    world.run(&["restore", "photos", &inside]).expect(2).says("--in-place");
    assert!(!Path::new(&inside).exists());
    let dest = world.path("x");
    let nothing = ["restore", "photos", dest.to_str().unwrap(), "--path", "*.none"];
    world.run(&nothing).expect(1).says("nothing matches");

    fs::remove_file(world.source("photos").join("one")).unwrap();
    world.run(&["restore", "photos", source, "--in-place"]).expect(0).says("1 file restored");
    assert_eq!(fs::read_to_string(world.source("photos").join("one")).unwrap(), "text");
}

#[test]
fn a_restore_that_is_killed_ten_times_goes_on_and_ends_exact() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for number in 0..60 {
        write(&source.join(format!("{}/{number}", number % 7)), format!("{number} ").repeat(9_000));
    }
    write(&source.join("large"), vec![b'L'; 6 << 20]);
    world.run(&["sync"]).expect(0);
    let dest = world.path("restored");
    let finished = || {
        let there = contents(&dest).into_iter();
        there.filter(|(path, _)| !path.starts_with(".fichierd-restore")).count()
    };
    for _ in 0..10 {
        let before = finished();
        let mut restoring = world
            .command(&["restore", "photos"])
            .arg(&dest)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("one more file is there", || {
            let ended = restoring.try_wait().unwrap().is_some();
            (ended || finished() > before).then_some(())
        });
        restoring.kill().unwrap();
        restoring.wait().unwrap();
    }
    let (calls, done) = (world.emulator.calls(), finished());
    assert!(done >= 10);
    world.run(&["restore", "photos", dest.to_str().unwrap()]).expect(0);
    assert_eq!(contents(&dest), contents(&source));
    assert!(!dest.join(".fichierd-restore").exists());
    let calls = world.emulator.calls() - calls;
    assert!(calls <= 61 - done, "{calls} calls, and {done} of 61 files were there");
    world.emulator.assert_no_violations();
}

#[test]
fn a_full_disk_ends_a_restore_and_room_lets_it_go_on() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may mount a small file system");
        return;
    }
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for number in 0..8 {
        write(&source.join(format!("{number}")), vec![b'0' + number; 300_000]);
    }
    world.run(&["sync"]).expect(0);
    let dest = world.path("small");
    fs::create_dir(&dest).unwrap();
    let mount = |options: &str| {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&dest).status();
        mounted.is_ok_and(|status| status.success())
    };
    if !mount("size=1m") {
        eprintln!("skipped: nothing may be mounted here");
        return;
    }
    let full = world.run(&["restore", "photos", dest.to_str().unwrap()]);
    let resized = mount("remount,size=16m");
    let again = world.run(&["restore", "photos", dest.to_str().unwrap()]);
    let found = contents(&dest);
    let unmounted = Command::new("umount").arg(&dest).status().unwrap().success();
    assert!(unmounted && resized);
    full.expect(1).says("cannot write to").says("run the same command again");
    again.expect(0);
    assert_eq!(found, contents(&source));
}

#[test]
fn a_drill_is_kept_whether_or_not_the_service_runs() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for number in 0..5 {
        write(&source.join(format!("{number}")), format!("content {number}"));
    }
    world.run(&["sync"]).expect(0);
    for running in [false, true] {
        if running {
            world.start();
        }
        let drilled = world.run(&["drill", "photos", "--json"]).expect(0);
        assert_eq!(json(&drilled.stdout)["files"], 5);
        assert_eq!(world.mirror("photos")["proofs"]["drill"]["good"], true);
        world.run(&["status"]).expect(0).says("a test restore worked");
    }
    let name = crypt::stored_file("3");
    for file in world.emulator.files().iter().filter(|file| file.name == name) {
        world.emulator.damage_content(&file.link, fichier_emulator::Damage::Silent);
    }
    world.run(&["drill", "photos"]).expect(3).says("`3`").says("fichierd verify photos --full");
    assert_eq!(world.mirror("photos")["proofs"]["drill"]["good"], false);
}
