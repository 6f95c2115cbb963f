//! SIGTERM, SIGHUP and SIGUSR1.

use std::fs;
use std::time::{Duration, Instant};

use fichier_testkit::{Machine, crypt, tree, until, write};
use rustix::process::Signal;

use crate::PROGRAM;

#[test]
fn a_stop_under_load_is_prompt_and_nothing_finished_is_sent_again() {
    let mut world = Machine::of(PROGRAM);
    let mut total = 0;
    for number in 0..40 {
        let content = vec![number; 1 << 20];
        total += crypt::stored_bytes(content.len() as u64);
        write(&world.source("photos").join(format!("{number}")), content);
    }
    world.start();
    until("it is sending", || (world.emulator.bytes_received() > 1 << 20).then_some(()));
    let asked = Instant::now();
    let service = world.take_service();
    service.signal(Signal::TERM);
    assert_eq!(service.ended(), Some(0));
    // The bound that systemd has (TimeoutStopSec), with room to spare.
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());

    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    let received = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    assert_eq!(received, total, "each byte is sent once");
}

#[test]
fn a_reload_takes_up_mirrors_and_key_and_refuses_a_bad_configuration_as_a_whole() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");

    let good = fs::read_to_string(world.config()).unwrap();
    let bad = good.replace("[pace]", "[[mirror]]\nname = \"docs\"\n[pace]\nparralel = 3");
    fs::write(world.config(), bad).unwrap();
    reload(&world, "reload refused");
    write(&world.source("photos").join("two"), "two");
    world.until_mirrored("photos");

    world.add_mirror("docs", "");
    write(&world.source("docs").join("letter"), "letter");
    reload(&world, "configuration reloaded");
    world.until_mirrored("docs");
    write(&world.source("docs").join("second letter"), "second letter");
    write(&world.source("photos").join("three"), "three");
    world.until_mirrored("docs");
    world.until_mirrored("photos");

    let new_key = "another0key0another0key0another0";
    world.emulator.set_key(new_key);
    world.write_key(new_key, 0o600);
    reload(&world, "configuration reloaded");
    write(&world.source("photos").join("four"), "four");
    world.until_mirrored("photos");
    world.assert_at_rest();
    assert_eq!(sent(&world), ["four", "letter", "one", "second letter", "three", "two"]);
    assert!(!world.log().contains(new_key));
}

/// The files that were ever sent, sorted: one that was sent twice is twice among them. Copies of the
/// records, which may be cut short by anything, are not.
fn sent(world: &Machine) -> Vec<String> {
    let files = world.emulator.files().into_iter();
    let of_mirrors = files.filter(|file| !file.path.contains("/.fichierd/state"));
    let mut names: Vec<String> = of_mirrors.map(|file| crypt::plain_file(&file.name)).collect();
    names.sort();
    names
}

/// Sends SIGHUP and waits until the log has the line again.
fn reload(world: &Machine, says: &str) {
    let said = |world: &Machine| world.log().matches(says).count();
    let before = said(world);
    world.service().signal(Signal::HUP);
    until(&format!("the log says `{says}`"), || (said(world) > before).then_some(()));
}

#[test]
fn a_look_at_everything_can_be_asked_for_with_a_signal() {
    let mut world = Machine::of(PROGRAM);
    world.start();
    write(&world.source("photos").join("one"), "one");
    world.until_mirrored("photos");
    world.assert_at_rest();
    let last = || world.mirror("photos")["last_success"].as_str().map(str::to_owned);
    let before = last();
    // Times of success are whole seconds.
    until("it has looked again", || {
        world.service().signal(Signal::USR1);
        (last() != before).then_some(())
    });
    world.assert_mirrored();
}

#[test]
fn o06_a_storm_of_signals_is_survived_and_everything_arrives_once() {
    let mut world = Machine::of(PROGRAM);
    let mut total = 0;
    for number in 0..20 {
        let content = vec![number; 1 << 20];
        total += crypt::stored_bytes(content.len() as u64);
        write(&world.source("photos").join(format!("{number}")), content);
    }
    world.start();
    let mut sent = 0;
    until("it has received many while it worked", || {
        // A closed pipe, and a signal that is not used, are no reasons to end.
        for signal in [Signal::HUP, Signal::USR1, Signal::PIPE, Signal::USR2] {
            world.service().signal(signal);
            sent += 1;
        }
        (sent >= 400 && world.differences("photos").is_empty()).then_some(())
    });
    assert!(world.service.as_mut().is_some_and(fichier_testkit::Service::is_running));
    world.until_mirrored("photos");
    world.assert_at_rest();
    let received = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    assert_eq!(received, total, "each byte is sent once");
}
