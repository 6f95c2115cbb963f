//! The reports of degraded states: one line when a state begins, one when it ends with how long it
//! lasted, and in between an entry in `status` with since, cause and what to do.

use std::fs;

use fichier_emulator::{Action, Fault};
use fichier_testkit::{Machine, until, write};
use rustix::process::Signal;
use serde_json::Value;

use crate::PROGRAM;

/// The entry of one state, if it is there.
fn entry(world: &Machine, kind: &str) -> Option<Value> {
    let status = world.status()?;
    let entries = status["degraded"].as_array().expect("degraded").clone();
    entries.into_iter().find(|entry| entry["kind"] == kind)
}

/// How often the journal has the beginning, and the end.
fn told(world: &Machine, title: &str) -> (usize, usize) {
    let log = world.log();
    let lines = log.lines().filter(|line| line.contains(title));
    let (ends, begins): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains("ended after"));
    (begins.len(), ends.len())
}

#[track_caller]
fn until_degraded(world: &Machine, kind: &str, title: &str) -> Value {
    let found = until(&format!("`{kind}` is in the status"), || entry(world, kind));
    assert_eq!(told(world, title), (1, 0), "`{kind}` was told when it began:\n{}", world.log());
    for field in ["cause", "what_to_do", "since"] {
        assert_ne!(found[field].as_str().unwrap_or_default(), "", "{field} of {found}");
    }
    until("a person reads it too", || {
        let text = world.run(&["status"]).expect(0).stdout;
        (text.contains(title) && text.contains("what to do")).then_some(())
    });
    found
}

#[track_caller]
fn until_over(world: &Machine, kind: &str, title: &str) {
    until(&format!("the end of `{kind}` is told"), || (told(world, title).1 == 1).then_some(()));
    assert_eq!(told(world, title), (1, 1), "once each:\n{}", world.log());
    assert_eq!(entry(world, kind), None);
}

#[test]
fn a_healthy_service_shows_no_degraded_state_and_logs_none() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    assert_eq!(world.status().unwrap()["degraded"], serde_json::json!([]));
    assert!(!world.log().contains("what to do"), "{}", world.log());
}

#[test]
fn an_unreachable_service_is_told_once_at_each_end_whatever_is_tried_meanwhile() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("music", "target = \"/music\"");
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    for endpoint in ["upload/get_upload_server.cgi", "folder/ls.cgi"] {
        world.emulator.inject(Fault::always(endpoint, Action::Reset));
    }
    write(&world.source("photos").join("two"), "two");
    write(&world.source("music").join("tune"), "tune");
    let title = "1fichier cannot be reached";
    let found = until_degraded(&world, "unreachable", title);
    assert_eq!((&found["mirror"], &found["stops"]), (&Value::Null, &Value::Bool(true)));
    // Both mirrors have met the error, more than once.
    let before = world.emulator.calls();
    until("it tries again", || (world.emulator.calls() > before + 20).then_some(()));
    assert_eq!(told(&world, title), (1, 0));
    world.emulator.clear_faults();
    until_over(&world, "unreachable", title);
    world.until_mirrored("photos");
    until("the other mirror goes on too", || {
        fichier_testkit::tree::in_account(&world.emulator, "/music")
            .contains_key("tune")
            .then_some(())
    });
}

#[test]
fn a_source_that_comes_and_goes_is_one_state_with_one_line_at_each_end() {
    // A minute of patience is two seconds here.
    let mut world = Machine::at_scale(PROGRAM, 30);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    let (source, away) = (world.source("photos"), world.path("away"));
    let title = "the source is missing";
    for _ in 0..3 {
        fs::rename(&source, &away).unwrap();
        world.service().signal(Signal::USR1);
        until("it is missed", || entry(&world, "source_missing"));
        fs::rename(&away, &source).unwrap();
        world.service().signal(Signal::USR1);
        until("it is back", || entry(&world, "source_missing").is_none().then_some(()));
    }
    until_over(&world, "source_missing", title);
}

#[test]
fn held_removals_and_a_pause_are_told_until_somebody_decides_and_outlive_a_restart() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "max_removals = 1\nremovals_floor = 0");
    for name in ["a", "b", "c", "d"] {
        write(&world.source("photos").join(name), name);
    }
    world.start();
    world.until_mirrored("photos");
    for name in ["a", "b", "c"] {
        fs::remove_file(world.source("photos").join(name)).unwrap();
    }
    let title = "removals are held";
    let found = until_degraded(&world, "removals_held", title);
    assert_eq!(found["stops"], false, "additions go on");
    world.run(&["pause"]).expect(0);
    until("the pause is in the status", || entry(&world, "paused"));
    assert!(world.log().contains("paused: somebody"), "{}", world.log());

    // Stopped, the service shows the last record; started, it goes on with the same episode.
    world.service().signal(Signal::TERM);
    assert_eq!(world.take_service().ended(), Some(0));
    let stopped = entry(&world, "removals_held").expect("on record");
    assert_eq!(stopped["since"], found["since"]);
    fs::remove_file(world.path("service.log")).unwrap();
    world.start();
    let started = until_degraded(&world, "removals_held", title);
    assert_eq!(started["since"], found["since"]);
    assert_eq!(world.mirror("photos")["held"]["since"], found["since"]);

    world.run(&["resume"]).expect(0);
    until("the end of the pause is told", || world.log().contains(": paused").then_some(()));
    world.run(&["approve", "photos"]).expect(0);
    until_over(&world, "removals_held", title);
    world.until_mirrored("photos");
}

#[test]
fn a_refused_reload_is_a_state_until_a_good_one_and_each_refusal_is_told() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    let good = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), "not_a_key = 1\n").unwrap();
    world.service().signal(Signal::HUP);
    let title = "the new configuration is refused";
    until(&format!("{title}, in the log"), || (told(&world, title) == (1, 0)).then_some(()));
    world.service().signal(Signal::HUP);
    let says = "reload refused";
    until("the next refusal", || (world.log().matches(says).count() == 2).then_some(()));
    fs::write(world.config(), good).unwrap();
    assert!(entry(&world, "configuration_refused").is_some());
    world.service().signal(Signal::HUP);
    until_over(&world, "configuration_refused", title);
}

#[test]
fn c01_a_refused_key_is_told_with_what_to_do_and_over_when_mended() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.emulator.revoke_key();
    write(&world.source("photos").join("two"), "two");
    let found = until_degraded(&world, "key_refused", "the API key is refused");
    assert!(found["what_to_do"].as_str().unwrap().contains("systemctl restart fichierd"));
    assert!(found["next_try"].is_string(), "{found}");
    world.emulator.set_key(world.emulator.api_key());
    world.service().signal(Signal::HUP);
    until_over(&world, "key_refused", "the API key is refused");
    world.until_mirrored("photos");
}

#[test]
fn u12_full_storage_is_one_state_while_removals_go_on() {
    let mut world = Machine::of(PROGRAM);
    for name in ["one", "two"] {
        write(&world.source("photos").join(name), name);
    }
    world.start();
    world.until_mirrored("photos");
    world.emulator.inject(Fault::always("upload.cgi", Action::Quota));
    for number in 0..40 {
        write(&world.source("photos").join(format!("new {number}")), format!("{number}"));
    }
    let title = "1fichier takes no uploads";
    until_degraded(&world, "uploads_refused", title);
    fs::remove_file(world.source("photos").join("one")).unwrap();
    until("the removal went on", || {
        let shown = fichier_testkit::tree::in_account(&world.emulator, "/backup/photos");
        (!shown.contains_key("one")).then_some(())
    });
    assert_eq!(told(&world, title), (1, 0));
    world.emulator.clear_faults();
    world.until_mirrored("photos");
    until_over(&world, "uploads_refused", title);
}

#[test]
fn r02_a_source_that_is_missing_at_the_start_is_watched_once_it_is_there() {
    let mut world = Machine::of(PROGRAM);
    let (source, away) = (world.source("photos"), world.path("away"));
    write(&source.join("one"), "one");
    fs::rename(&source, &away).unwrap();
    world.start();
    until_degraded(&world, "source_missing", "the source is missing");
    assert!(entry(&world, "not_watched").is_some());
    fs::rename(&away, &source).unwrap();
    world.service().signal(Signal::USR1);
    world.until_mirrored("photos");
    until_over(&world, "not_watched", "the source is not watched");
    // Its next timed look is an hour away.
    write(&source.join("two"), "two");
    world.until_mirrored("photos");
    assert_eq!(world.mirror("photos")["watch"]["mode"], "watching");
}
