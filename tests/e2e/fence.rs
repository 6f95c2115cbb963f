//! Two daemons use one target, each with a copy of the same state, as after a machine was cloned.

use std::fs;
use std::path::Path;

use fichier_testkit::{Machine, Service, until, write};
use rustix::process::Signal;

use crate::PROGRAM;

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn c08_of_two_daemons_with_one_state_the_second_looks_first_and_then_one_is_held() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for n in 0..20 {
        write(&source.join(format!("{}/{n}", n % 4)), format!("photo {n}"));
    }
    world.run(&["sync"]).expect(0);
    let text = fs::read_to_string(world.config()).unwrap();
    let root = world.path("").display().to_string();
    let root = root.trim_end_matches('/');
    let text = text.replace(&format!("{root}/state"), &format!("{root}/clone/state"));
    let text = text.replace(&format!("{root}/control.sock"), &format!("{root}/clone/control.sock"));
    copy_folder(&world.path("state"), &world.path("clone/state"));
    let clone = world.path("clone/config.toml");
    fs::write(&clone, text).unwrap();

    world.start();
    write(&source.join("0/new"), "sent by the first");
    world.until_mirrored("photos");

    let log = world.path("clone/log");
    let said = |what: &str| {
        until(what, || fs::read_to_string(&log).unwrap_or_default().contains(what).then_some(()))
    };
    let second = Service::start(PROGRAM.command(world.user), &clone, &log);
    said("the state file is older than what is on 1fichier");
    said("the whole target was compared with the records");
    world.until_mirrored("photos");

    // The first notices when it starts again …
    world.service().signal(Signal::TERM);
    assert_eq!(world.take_service().ended(), Some(0));
    second.signal(Signal::TERM);
    assert_eq!(second.ended(), Some(0));
    // A run with nothing to do needs no claim.
    world.run(&["sync"]).expect(0).says("nothing to do");
    write(&source.join("0/another"), "sent by the first again");
    world.run(&["sync"]).expect(0).says("older than what is on 1fichier");
    // … and the second, which has looked already, at its own next start.
    let files = world.emulator.files();
    fs::remove_file(source.join("0/new")).unwrap();
    world.run_with(&clone, &["sync"]).expect(4).says("two copies of this installation");
    world.run_with(&clone, &["status"]).expect(0).says("--take-over");
    world.run_with(&clone, &["approve", "photos"]).expect(4).says("--take-over");
    assert_eq!(world.emulator.files(), files);

    world.run(&["sync"]).expect(0);
    world.until_mirrored("photos");
    world.run_with(&clone, &["approve", "--take-over", "photos"]).expect(0).says("taken over");
    world.run_with(&clone, &["sync"]).expect(0);
    write(&source.join("0/last"), "something to do");
    world.run(&["sync"]).expect(4).says("two copies of this installation");
    fs::remove_file(source.join("0/last")).unwrap();
    world.assert_mirrored();
}

#[test]
fn only_what_is_lost_is_taken_over() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.run(&["sync"]).expect(0);
    world.run(&["approve", "--take-over", "photos"]).expect(4).says("nothing was approved");
}
