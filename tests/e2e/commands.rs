//! The commands, beside a running service and without one.

use std::fs;

use fichier_emulator::{Action, Fault};
use fichier_testkit::tree;
use fichier_testkit::{Machine, until, write};

use crate::PROGRAM;

fn there(world: &Machine) -> Vec<String> {
    tree::in_account(&world.emulator, "/backup/photos").into_keys().collect()
}

/// Three of five mirrored files are removed: more than may be without a question.
fn with_held_removals(running: bool) -> Machine {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "removals_floor = 1");
    let source = world.source("photos");
    for name in ["1", "2", "3", "4", "5"] {
        write(&source.join(name), format!("content {name}"));
    }
    if running {
        world.start();
    }
    world.run(&["sync"]).expect(0);
    assert_eq!(there(&world).len(), 5);
    for name in ["1", "2", "3"] {
        fs::remove_file(source.join(name)).unwrap();
    }
    write(&source.join("6"), "additions go on");
    world.run(&["sync"]).expect(4).says("fichierd approve photos");
    assert_eq!(there(&world), ["1", "2", "3", "4", "5", "6"]);
    // A cycle that has begun continues to its end.
    let held = || Some(world.mirror("photos")).filter(|mirror| mirror["state"] == "held");
    assert_eq!(until("removals are held", held)["held"]["removals"], 3);
    world.run(&["status"]).expect(0).says("fichierd approve photos").says("reject photos");
    world
}

#[test]
fn held_removals_go_on_when_they_are_approved() {
    for running in [false, true] {
        let world = with_held_removals(running);
        world.run(&["approve", "photos"]).expect(0).says("3 removals go on");
        world.run(&["sync"]).expect(0);
        assert_eq!(there(&world), ["4", "5", "6"]);
        assert_eq!(world.mirror("photos")["held"], serde_json::Value::Null);
        world.run(&["approve", "photos"]).expect(0).says("nothing is held");
        world.assert_at_rest();
    }
}

#[test]
fn rejected_removals_stay_until_they_are_pruned() {
    for running in [false, true] {
        let world = with_held_removals(running);
        world.run(&["reject", "photos"]).expect(0).says("3 paths");
        world.run(&["sync"]).expect(0);
        assert_eq!(there(&world), ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(world.mirror("photos")["unmanaged"], 3);

        let before = world.emulator.calls();
        world.run(&["prune", "--dry-run", "photos"]).expect(0).says("remove 2").says("3 files");
        assert_eq!(world.emulator.calls(), before);
        world.run(&["prune", "photos"]).expect(0).says("3 ");
        assert_eq!(there(&world), ["4", "5", "6"]);
        world.run(&["prune", "--dry-run", "photos"]).expect(0).says("nothing would be removed");
        world.assert_at_rest();
    }
}

#[test]
fn a_dry_run_tells_what_would_be_done_and_does_none_of_it() {
    for running in [false, true] {
        let mut world = Machine::of(PROGRAM);
        let source = world.source("photos");
        write(&source.join("old name"), "as it was");
        if running {
            world.start();
            world.run(&["pause"]).expect(0);
            // A cycle that has begun continues to its end.
            until("it rests", || (world.mirror("photos")["state"] != "working").then_some(()));
        } else {
            world.run(&["sync", "--dry-run"]).expect(0).says("old name").says("1 file to send");
            assert_eq!(world.emulator.calls(), 0);
            assert!(!world.path("state").exists(), "not even the state is made");
            world.run(&["sync"]).expect(0);
            fs::rename(source.join("old name"), source.join("new name")).unwrap();
        }
        write(&source.join("second"), "more");
        // A file is sent when it has been quiet for a while.
        until("the plan is shown", || {
            let told = world.run(&["sync", "--dry-run"]).expect(0);
            told.stdout.contains("second").then_some(())
        });
        let calls = world.emulator.calls();
        let state = fs::read(world.path("state/state.db")).unwrap();
        world.run(&["sync", "--dry-run", "photos"]).expect(0).says("second");
        assert_eq!(world.emulator.calls(), calls);
        assert_eq!(fs::read(world.path("state/state.db")).unwrap(), state);
        world.run(&["sync", "--dry-run", "nope"]).expect(2).says("photos");
    }
}

#[test]
fn a_pause_holds_over_a_restart_and_until_it_is_resumed() {
    let mut world = Machine::of(PROGRAM);
    world.run(&["pause"]).expect(0).says("not running");
    world.start();
    write(&world.source("photos").join("one"), "one");
    assert_eq!(world.status().unwrap()["paused"], true);
    world.run(&["sync"]).expect(4).says("fichierd resume");
    world.run(&["status"]).expect(0).says("paused");
    assert_eq!(world.emulator.calls(), 0);
    world.run(&["resume"]).expect(0);
    world.until_mirrored("photos");
    world.run(&["pause"]).expect(0);
    world.take_service().kill();
    let calls = world.emulator.calls();
    world.start();
    assert_eq!(world.status().unwrap()["paused"], true);
    assert_eq!(world.emulator.calls(), calls);
    world.run(&["resume"]).expect(0);
    world.assert_at_rest();
}

#[test]
fn status_and_why_answer_with_and_without_a_service() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let why =
        |world: &Machine, path: &str| world.run(&["why", source.join(path).to_str().unwrap()]);
    let never = world.status().expect("a status before anything was done");
    assert_eq!(
        (&never["running"], &never["mirrors"][0]["state"]),
        (&false.into(), &"never".into())
    );
    why(&world, "one").expect(0).says("never recorded");
    world.add_mirror("photos", "exclude = [\"*.tmp\"]");
    write(&source.join("one"), "one");
    write(&source.join("two.tmp"), "two");
    write(&source.join(".fichierd"), "ours by name");
    world.run(&["sync"]).expect(3).says("1 file with a problem");
    for running in [false, true] {
        if running {
            world.start();
            world.run(&["sync"]).expect(3);
        }
        let status = world.status().unwrap();
        assert_eq!(status["schema"], "fichierd.status/1");
        assert_eq!(status["running"], running);
        assert_eq!(
            (&status["mirrors"][0]["files"], &status["mirrors"][0]["bytes"]),
            (&1.into(), &3.into())
        );
        // What has a problem is not safe, so the mirror has never been complete.
        assert!(status["mirrors"][0]["last_success"].is_null(), "{status:#}");
        assert_eq!(status["mirrors"][0]["complete"], false, "{status:#}");
        assert_eq!(status["mirrors"][0]["completeness"]["problems"], 1, "{status:#}");
        why(&world, "one").expect(0).says("safe since");
        why(&world, "two.tmp").expect(0).says("*.tmp").says("exclude");
        why(&world, ".fichierd").expect(0).says("is reserved for fichierd");
        assert_eq!(status["mirrors"][0]["problems"][0]["path"], ".fichierd");
        why(&world, "not there").expect(0).says("never recorded");
        world.run(&["why", "/elsewhere"]).expect(0).says("not below the source of any mirror");
    }
}

#[test]
fn in_a_long_hold_off_sync_ends_with_75_and_the_status_says_until_when() {
    for running in [false, true] {
        // The emulator's clock would make the hour end at once.
        let mut world = Machine::at_scale(PROGRAM, 1);
        write(&world.source("photos").join("one"), "one");
        world.emulator.inject(Fault::always("*", Action::HardLock));
        if running {
            world.start();
        } else {
            world.run(&["sync"]).expect(75).says("locked this address");
        }
        let calls = until("a call is answered with a lock", || {
            world.status().unwrap()["hold_off"]["until"].is_string().then(|| world.emulator.calls())
        });
        assert_eq!(calls, 1);
        world.run(&["sync"]).expect(75).says("hold-off");
        world.run(&["status"]).expect(0).says("nothing may be sent").says("next look in");
        assert_eq!(world.emulator.calls(), calls);
    }
}
