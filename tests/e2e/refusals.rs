//! Exit codes and plain words when the program cannot start, or may not go on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use fichier_emulator::Offer;
use fichier_testkit::{Machine, until, write};

use crate::PROGRAM;

#[test]
fn a_second_instance_ends_with_75_and_does_no_harm() {
    let mut world = Machine::of(PROGRAM);
    world.start();
    world.run(&["run"]).expect(75).says("another");
    write(&world.source("photos").join("one"), "one");
    world.until_mirrored("photos");
    world.assert_at_rest();
}

#[test]
fn a_wrong_configuration_ends_with_78_and_says_where_and_what_to_do() {
    let world = Machine::of(PROGRAM);
    fs::set_permissions(world.path("api_key"), fs::Permissions::from_mode(0o640)).unwrap();
    let chmod = format!("chmod 600 {}", world.path("api_key").display());
    for command in [&["run"][..], &["sync"], &["check"]] {
        world.run(command).expect(78).says(&chmod);
    }
    fs::remove_file(world.path("api_key")).unwrap();
    for command in [&["run"][..], &["sync"], &["check"]] {
        world.run(command).expect(78).says("api_key");
    }
    world.write_key("", 0o600);
    world.run(&["run"]).expect(78).says("api_key");
    let good = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), good.replace("settle =", "setle =")).unwrap();
    for command in [&["run"][..], &["check"], &["sync"], &["status"]] {
        let ran = world.run(command).expect(78).says("settle").says("setle");
        let caret = ran.stderr.lines().chain(ran.stdout.lines()).any(|line| line.contains('^'));
        assert!(caret, "the place is shown: {}", ran.stderr);
        let ran = ran.says("config.toml:13:1");
        assert_eq!(ran.stdout, "");
    }
    fs::remove_file(world.config()).unwrap();
    world.run(&["run"]).expect(78).says("config.toml");
    assert_eq!(world.emulator.calls(), 0);
}

#[test]
fn a_key_that_is_refused_at_the_start_ends_the_service_with_77() {
    let world = Machine::of(PROGRAM);
    world.emulator.revoke_key();
    world.run(&["run"]).expect(77).says("refused the API key");
    world.run(&["sync"]).expect(77).says("refused the API key");
}

#[test]
fn an_account_without_a_subscription_is_told_so_in_plain_words() {
    let world = Machine::of(PROGRAM);
    world.emulator.set_offer(Offer::None);
    world.run(&["run"]).expect(77).says("no Premium or Access subscription");
}

/// Mounts and unmounts a file system, where that is allowed.
fn mount_something(at: &Path) {
    fs::create_dir(at).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(at).output();
    if mount.is_ok_and(|ran| ran.status.success()) {
        assert!(Command::new("umount").arg(at).status().unwrap().success());
    }
}

#[test]
fn a_key_that_is_refused_later_makes_the_service_wait_and_say_so() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.emulator.revoke_key();
    fs::rename(world.source("photos").join("one"), world.source("photos").join("uno")).unwrap();
    until("the status says so", || {
        let mirror = world.mirror("photos");
        let what = mirror["what"].as_str().unwrap().to_owned();
        (mirror["state"] == "problem" && what.contains("refused the API key")).then_some(())
    });
    world.run(&["status"]).expect(0).says("refused the API key");
    let before = world.emulator.calls();
    // Even changes bring at most one request an hour, and none sends a file: a node would store it
    // without an account.
    write(&world.source("photos").join("two"), "two");
    write(&world.source("photos").join("three"), "three");
    mount_something(&world.path("elsewhere"));
    let asked = until("it looks again, twice", || {
        let asked: Vec<_> = world.emulator.requests().split_off(before);
        (asked.len() >= 2).then_some(asked)
    });
    assert!(asked.iter().all(|request| request.endpoint == "folder/ls.cgi"), "{asked:?}");
    // An hour of the service is 3.6 s on this clock.
    assert!(asked[1].at_ms - asked[0].at_ms >= 3_500, "{asked:?}");

    world.emulator.set_key(world.emulator.api_key());
    reload_key(&world);
    world.until_mirrored("photos");
    world.assert_at_rest();
    // The work between cycles may be under way.
    until("it is idle", || (world.mirror("photos")["state"] == "idle").then_some(()));
}

/// A reload does not wait for the hour to end.
fn reload_key(world: &Machine) {
    world.service().signal(rustix::process::Signal::HUP);
}

#[test]
fn d06_a_state_of_another_account_ends_with_78_and_is_left_alone() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.run(&["sync"]).expect(0);
    let mut store = fichier_state::Store::open(&world.path("state")).unwrap();
    let other = r#"{"key":"that of another account","account":"0123456789abcdef"}"#;
    store.write(|w| w.set_note("account of the records", Some(other))).unwrap();
    store.close().unwrap();
    let calls = world.emulator.calls();
    for command in ["sync", "run"] {
        world.run(&[command]).expect(78).says("another 1fichier account");
    }
    let calls = world.emulator.calls_since(calls);
    assert!(calls.iter().all(|call| call == "user/info.cgi"), "{calls:?}");
}
