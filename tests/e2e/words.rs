//! What commands say: times in the zone of the reader, what waits and why, and an exit code that
//! fits.

use std::fs;
use std::path::Path;
use std::process::Command;

use fichier_emulator::{Action, Fault};
use fichier_testkit::program::Ran;
use fichier_testkit::{Machine, tree, until, write};

use crate::PROGRAM;

/// A time zone that is an hour or two away from UTC on every day of the year, as a rule, which needs
/// no table of zones on the machine.
const PARIS: (&str, &str) = ("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");

fn in_paris(mut command: Command) -> Ran {
    Ran::of(&command.env(PARIS.0, PARIS.1).output().unwrap())
}

#[test]
fn z101_people_read_local_times_with_their_zone_and_programs_utc() {
    let mut world = Machine::of(PROGRAM);
    world.environment = vec![(PARIS.0, PARIS.1.to_owned())];
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    let log = world.log();
    let time = log.split_whitespace().next().unwrap();
    assert!(time.ends_with("+01:00") || time.ends_with("+02:00"), "{log}");
    let why =
        in_paris(world.command(&["why", world.source("photos").join("one").to_str().unwrap()]));
    let why = why.expect(0).stdout;
    assert!(why.contains(" CET") || why.contains(" CEST"), "{why}");
    let json = in_paris(world.command(&["status", "--json"])).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let last = json["mirrors"][0]["last_success"].as_str().unwrap();
    assert!(last.ends_with('Z'), "{last}");
}

#[test]
fn z101_a_log_of_json_bears_utc() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.emulator.revoke_key();
    let ran = in_paris(world.command(&["--log-format", "json", "run"])).expect(77);
    let line: serde_json::Value =
        serde_json::from_str(ran.stderr.lines().find(|line| line.starts_with('{')).unwrap())
            .unwrap();
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
}

#[test]
fn z103_commands_with_nothing_to_do_say_so() {
    for running in [false, true] {
        let mut world = Machine::of(PROGRAM);
        write(&world.source("photos").join("one"), "one");
        world.run(&["sync"]).expect(0);
        if running {
            world.start();
            until("no work is under way", || {
                (world.mirror("photos")["state"] == "idle").then_some(())
            });
        }
        let said = |arguments: &[&str]| world.run(arguments).expect(0).stdout;
        assert_eq!(said(&["approve", "photos"]), "nothing is held: there is nothing to decide\n");
        assert_eq!(said(&["reject", "photos"]), "nothing is held: there is nothing to decide\n");
        assert!(said(&["resume"]).starts_with("nothing was paused"));
        let pruned = said(&["prune", "photos"]);
        assert_eq!(pruned, "there are no unmanaged files: nothing was removed\n");
        let pruned = said(&["prune", "photos", "--dry-run"]);
        assert_eq!(pruned, "photos: there are no unmanaged files: nothing would be removed\n");
        assert!(said(&["pause"]).starts_with("paused"));
        assert!(said(&["pause"]).starts_with("it was paused already"));
        assert!(!said(&["resume"]).starts_with("nothing was paused"));
    }
}

#[test]
fn z105_a_dry_run_ends_as_the_sync_would() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("one"), "one");
    world.run(&["sync"]).expect(0);
    let same = |code: i32, what: &str| {
        let told = world.run(&["sync", "--dry-run"]).expect(code).says(what);
        assert!(!told.stdout.contains("retire"), "{}", told.stdout);
        world.run(&["sync"]).expect(code).says(what);
    };
    fs::rename(&source, world.path("away")).unwrap();
    same(4, "photos: ");
    fs::create_dir(&source).unwrap();
    same(4, "photos: ");
    fs::remove_dir(&source).unwrap();
    write(&source, "a file");
    same(4, "photos: ");
    fs::remove_file(&source).unwrap();
    fs::rename(world.path("away"), &source).unwrap();
    same(0, "photos: ");
}

#[test]
fn z105_work_that_needs_the_service_ends_as_a_sync_does() {
    for running in [false, true] {
        let mut world = Machine::of(PROGRAM);
        write(&world.source("photos").join("a/one"), "one");
        world.run(&["sync"]).expect(0);
        world.add_mirror("photos", "exclude = [\"a\"]");
        world.run(&["sync"]).expect(0);
        if running {
            world.start();
            until("no work is under way", || {
                (world.mirror("photos")["state"] == "idle").then_some(())
            });
        }
        world.emulator.inject(Fault::always("*", Action::Flood));
        let ran = until("no work is under way", || {
            let ran = world.run(&["prune", "photos"]);
            (!ran.stderr.contains("under way")).then_some(ran)
        });
        ran.expect(75).says("flood");
    }
}

#[test]
fn z108_a_mirror_that_waits_says_for_what() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    world.emulator.inject(Fault::always("*", Action::StallHeaders));
    write(&world.source("photos").join("two"), "two");
    until("the status tells the wait", || {
        let what = world.mirror("photos")["what"].as_str().unwrap().to_owned();
        what.contains("; no answer from 1fichier for ").then_some(())
    });
    world.emulator.clear_faults();
}

#[test]
fn z109_a_source_that_became_a_file_is_told_with_a_remedy_that_works() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    fs::rename(&source, world.path("away")).unwrap();
    write(&source, "a file");
    let state = || {
        let status = world.status().unwrap();
        let of_it = |it: &&serde_json::Value| it["kind"] == "source_missing";
        status["degraded"].as_array().unwrap().iter().find(of_it).cloned()
    };
    let told = until("it is told", state);
    let remedy = told["what_to_do"].as_str().unwrap();
    assert!(remedy.contains("put its folder back") && !remedy.contains("approve"), "{remedy}");
    world.run(&["approve", "photos"]).expect(4).says("cannot be approved");
    until("the watch knows it", || {
        (world.mirror("photos")["watch"]["mode"] == "off").then_some(())
    });
    fs::remove_file(&source).unwrap();
    fs::rename(world.path("away"), &source).unwrap();
    write(&source.join("two"), "two");
    world.until_mirrored("photos");
    until("the state has ended", || state().is_none().then_some(()));
}

#[test]
fn z112_a_restore_that_was_stopped_says_so_in_json() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.run(&["sync"]).expect(0);
    world.emulator.revoke_key();
    let restored = world.path("restored");
    let ran = world.run(&["restore", "photos", restored.to_str().unwrap(), "--json"]).expect(77);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(
        document["done"]["stopped"].as_str().unwrap().contains("refused the API key"),
        "{document}"
    );
    assert_eq!(document["done"]["files"], 0, "{document}");
}

#[test]
fn z112_why_tells_of_a_source_that_is_held() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("one"), "one");
    write(&source.join("sub/two"), "two");
    world.run(&["sync"]).expect(0);
    fs::rename(&source, world.path("away")).unwrap();
    fs::create_dir(&source).unwrap();
    world.run(&["sync"]).expect(4);
    let path = source.join("one");
    let told = world.run(&["why", path.to_str().unwrap()]).expect(0).stdout;
    for part in ["its copy is kept", "is empty, but 2 files", "fichierd approve photos"] {
        assert!(told.contains(part), "{told}");
    }
}

/// The states of a stopped mirror, as `status --json` names them.
fn degraded(world: &Machine) -> Vec<String> {
    let status = world.status().unwrap();
    let states = status["degraded"].as_array().unwrap();
    states.iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn z109_what_is_to_be_done_about_a_stopped_mirror_helps_when_it_is_done() {
    type Case = (&'static str, fn(&Machine), &'static [&'static str], usize);
    let approve: &[&str] = &["approve", "photos"];
    let cases: [Case; 4] = [
        ("source_empty", |world| empty(&world.source("photos")), approve, 0),
        (
            "source_changed",
            |world| {
                fs::rename(world.source("photos"), world.path("before")).unwrap();
                write(&world.source("photos").join("another"), "folder");
            },
            approve,
            1,
        ),
        (
            "target_gone",
            |world| {
                world.emulator.remove_folder("/backup/photos");
                write(&world.source("photos").join("three"), "three");
            },
            approve,
            3,
        ),
        (
            "source_missing",
            |world| fs::rename(world.source("photos"), world.path("before")).unwrap(),
            &[],
            2,
        ),
    ];
    for (kind, change, remedy, files) in cases {
        let world = Machine::of(PROGRAM);
        write(&world.source("photos").join("one"), "one");
        write(&world.source("photos").join("sub/two"), "two");
        world.run(&["sync"]).expect(0);
        change(&world);
        let stopped = world.run(&["sync"]).expect(4);
        assert_eq!(degraded(&world), [kind], "{}", stopped.stdout);
        if remedy.is_empty() {
            fs::rename(world.path("before"), world.source("photos")).unwrap();
        } else {
            assert!(stopped.stdout.contains("fichierd approve photos"), "{}", stopped.stdout);
            world.run(remedy).expect(0);
        }
        world.run(&["sync"]).expect(0);
        assert_eq!(degraded(&world), [""; 0], "{kind}");
        let there = tree::in_account(&world.emulator, "/backup/photos");
        assert_eq!(there.len(), files, "{kind}");
    }
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}
