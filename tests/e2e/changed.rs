//! The configuration, the machine and the time change under the running service.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fichier_emulator::{Action, Fault};
use fichier_testkit::tree;
use fichier_testkit::{Machine, until, write};
use rustix::process::Signal;

use crate::PROGRAM;

/// The configuration without the block of one mirror.
fn without(world: &Machine, mirror: &str) -> String {
    let text = fs::read_to_string(world.config()).unwrap();
    let mut blocks = text.split("[[mirror]]\n");
    let head = blocks.next().unwrap().to_owned();
    let others = blocks.filter(|block| !block.contains(&format!("name = \"{mirror}\"")));
    others.fold(head, |text, block| text + "[[mirror]]\n" + block)
}

#[track_caller]
fn reload(world: &Machine, config: &str) {
    let says = "configuration reloaded";
    let before = world.log().matches(says).count();
    fs::write(world.config(), config).unwrap();
    world.service().signal(Signal::HUP);
    until(says, || (world.log().matches(says).count() > before).then_some(()));
}

#[test]
fn c05_a_mirror_that_is_no_longer_configured_is_kept_and_taken_up_again() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("docs", "");
    for name in ["a", "b/c", "b/d"] {
        write(&world.source("docs").join(name), format!("content of {name}"));
    }
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("docs");
    world.until_mirrored("photos");
    world.assert_at_rest();
    let (kept, links) = (tree::in_account(&world.emulator, "/backup/docs"), links(&world));
    let with = fs::read_to_string(world.config()).unwrap();

    // A mirror leaves the configuration, and then the disk: its files stay on 1fichier.
    reload(&world, &without(&world, "docs"));
    fs::rename(world.source("docs"), world.path("away")).unwrap();
    for restart in [false, true] {
        if restart {
            world.service().signal(Signal::TERM);
            assert_eq!(world.take_service().ended(), Some(0));
            world.start();
        }
        write(&world.source("photos").join(format!("new {restart}")), "new");
        world.until_mirrored("photos");
        world.run(&["sync"]).expect(0);
        assert_eq!(tree::in_account(&world.emulator, "/backup/docs"), kept);
        assert_eq!(world.status().unwrap()["mirrors"].as_array().unwrap().len(), 1);
    }

    // Configured again, it has the same files, which are not sent a second time.
    fs::rename(world.path("away"), world.source("docs")).unwrap();
    let sent = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    reload(&world, &with);
    world.run(&["sync"]).expect(0);
    world.until_mirrored("docs");
    let received = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    assert_eq!(received, sent, "nothing is sent again");
    assert!(links.iter().all(|link| self::links(&world).contains(link)), "each file is as it was");
    world.assert_at_rest();
}

fn links(world: &Machine) -> Vec<String> {
    let snapshots = tree::snapshots(&world.emulator);
    let files = world.emulator.files().into_iter();
    let files = files.filter(|file| snapshots.iter().all(|snapshot| snapshot.link != file.link));
    files.map(|file| file.link).collect()
}

#[test]
fn c06_a_source_that_moved_is_compared_and_nothing_is_sent_that_is_there() {
    let mut world = Machine::of(PROGRAM);
    for name in ["a", "b/c", "b/d"] {
        write(&world.source("photos").join(name), format!("content of {name}"));
    }
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    let links = links(&world);
    let sent = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);

    // It stands for another disk: other inodes, the same names and contents.
    let (old, new) = (world.source("photos"), world.path("moved"));
    let copied = Command::new("cp").arg("-a").arg(&old).arg(&new).status().unwrap();
    assert!(copied.success());
    let config = fs::read_to_string(world.config()).unwrap();
    let shown = (old.display().to_string(), new.display().to_string());
    let config = config.replace(&format!("\"{}\"", shown.0), &format!("\"{}\"", shown.1));
    reload(&world, &config);
    world.run(&["sync"]).expect(0);
    fs::remove_dir_all(&old).unwrap();
    world.run(&["sync"]).expect(0);
    let received = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    assert_eq!(received, sent, "nothing is sent again");
    assert!(links.iter().all(|link| self::links(&world).contains(link)), "each file is as it was");
    assert_eq!(tree::in_account(&world.emulator, "/backup/photos"), tree::on_disk(&new));

    write(&new.join("b/e"), "new");
    until("a change in the new place is mirrored", || {
        let shown = tree::in_account(&world.emulator, "/backup/photos");
        (shown == tree::on_disk(&new)).then_some(())
    });
    world.emulator.assert_no_violations();
}

/// The target waits for approval, and is moved with everything in it.
#[test]
fn c06_a_new_target_is_held_until_it_is_approved_and_then_nothing_is_sent_again() {
    let mut world = Machine::of(PROGRAM);
    for name in ["a", "b/c"] {
        write(&world.source("photos").join(name), format!("content of {name}"));
    }
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    let old = tree::in_account(&world.emulator, "/backup/photos");
    let sent = world.emulator.bytes_received();
    let config = fs::read_to_string(world.config()).unwrap();
    reload(&world, &config.replace("/backup/photos", "/elsewhere/photos"));
    world.run(&["sync"]).expect(4).says("fichierd approve photos");
    world.run(&["status"]).expect(0).says("/elsewhere/photos");
    assert_eq!(tree::in_account(&world.emulator, "/backup/photos"), old);
    world.run(&["approve", "photos"]).expect(0).says("moved to /elsewhere/photos");
    world.run(&["sync"]).expect(0);
    let shown = || tree::in_account(&world.emulator, "/elsewhere/photos");
    assert_eq!(shown(), tree::on_disk(&world.source("photos")));
    assert_eq!(world.emulator.bytes_received(), sent);
    fs::remove_file(world.source("photos").join("a")).unwrap();
    until("a removal goes to the new side", || {
        (shown() == tree::on_disk(&world.source("photos"))).then_some(())
    });
    assert!(tree::in_account(&world.emulator, "/backup/photos").is_empty());
    world.emulator.assert_no_violations();
}

#[test]
fn z85_a_mirror_that_is_renamed_under_the_service_sends_nothing_and_keeps_its_history() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("a"), "content");
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    let sent = world.emulator.bytes_received();
    let config = fs::read_to_string(world.config()).unwrap();
    reload(&world, &config.replace("name = \"photos\"", "name = \"pictures\""));
    world.run(&["sync"]).expect(0).says("pictures");
    assert_eq!(world.emulator.bytes_received(), sent);
    world.run(&["ls", "pictures"]).expect(0).says("a");
    world.emulator.assert_no_violations();
}

#[test]
fn t03_after_a_long_stop_everything_is_looked_at_and_nothing_comes_in_a_burst() {
    let mut world = Machine::of(PROGRAM);
    for number in 0..60 {
        write(&world.source("photos").join(format!("{number}/file")), format!("{number}"));
    }
    world.start();
    until("it is at work", || (world.emulator.calls() > 20).then_some(()));
    world.service().signal(Signal::STOP);
    // Stopped for more than an hour of the service, as fast as its clock runs here.
    let stopped = Instant::now();
    write(&world.source("photos").join("meanwhile"), "meanwhile");
    until("time passes", || (stopped.elapsed() > Duration::from_secs(4)).then_some(()));
    world.service().signal(Signal::CONT);
    world.until_mirrored("photos");
    until("it is logged", || world.log().contains("looking at everything").then_some(()));
    // Three calls in any second, also right after the stop.
    world.emulator.assert_no_violations();
    world.assert_at_rest();
}

#[test]
fn o03_a_prune_of_many_calls_does_not_keep_the_service_from_answering() {
    let mut world = Machine::of(PROGRAM);
    for name in ["a", "b", "c.raw"] {
        write(&world.source("photos").join(name), name);
    }
    world.start();
    world.until_mirrored("photos");
    world.add_mirror("photos", "exclude = [\"*.raw\"]");
    let config = fs::read_to_string(world.config()).unwrap();
    reload(&world, &config);
    until("what is excluded is unmanaged", || {
        (world.mirror("photos")["unmanaged"] == 1).then_some(())
    });
    world.run(&["sync"]).expect(0);
    world.until_chores_done("photos");
    let before = world.emulator.calls();
    world.emulator.inject(Fault::always("file/mv.cgi", Action::Delay(Duration::from_secs(4))));
    let begin = || {
        world
            .command(&["prune", "photos"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut prune = begin();
    until("it prunes", || {
        // A cycle may be under way at first: then the command says so, and is run again.
        if prune.try_wait().unwrap().is_some_and(|ended| ended.code() == Some(75)) {
            prune = begin();
        }
        world.emulator.calls_since(before).contains(&"file/mv.cgi".to_owned()).then_some(())
    });
    let status = world.status().expect("the service answers");
    assert_eq!(status["running"], true);
    assert_eq!(status["mirrors"][0]["state"], "working");
    assert!(prune.try_wait().unwrap().is_none(), "it answered while the prune went on");
    world.emulator.clear_faults();
    assert_eq!(until("the prune ends", || prune.try_wait().unwrap()).code(), Some(0));
    let shown = tree::in_account(&world.emulator, "/backup/photos");
    assert!(!shown.contains_key("c.raw"));
}
