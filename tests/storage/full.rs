//! Disks that fill up: the disk of the state, that of the log, and a log that is not read any more.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fichier_testkit::tree;
use fichier_testkit::{Machine, Service, User, until, write};

use crate::PROGRAM;
use crate::ground::{own_mounts, tmpfs};

/// Takes all the room on a disk, until dropped.
struct Ballast(PathBuf);

impl Ballast {
    fn fill(folder: &Path) -> Ballast {
        let path = folder.join("ballast");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        Ballast(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// Requests that change something at the service.
fn changes_since(world: &Machine, mark: usize) -> Vec<String> {
    let mut calls = world.emulator.calls_since(mark);
    calls.retain(|call| call != "folder/ls.cgi" && call != "end.pl" && call != "user/info.cgi");
    calls
}

#[test]
fn p03_while_the_disk_of_the_state_is_full_nothing_is_changed_and_it_goes_on_by_itself() {
    if !own_mounts() {
        return;
    }
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "rescan = \"1s\"");
    let disk = tmpfs(&world.path("state"), 8 << 20);
    for name in ["kept", "edited", "renamed", "removed"] {
        write(&world.source("photos").join(name), format!("content of {name}"));
    }
    world.start();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.until_chores_done("photos");

    let ballast = Ballast::fill(&disk.at);
    let calls = world.emulator.calls();
    let remote = tree::in_account(&world.emulator, "/backup/photos");
    let source = world.source("photos");
    write(&source.join("album/new"), "new");
    write(&source.join("edited"), "edited while the disk is full");
    fs::rename(source.join("renamed"), source.join("under another name")).unwrap();
    fs::remove_file(source.join("removed")).unwrap();
    until("it names the problem", || {
        let mirror = world.mirror("photos");
        let what = mirror["what"].as_str().unwrap().to_owned();
        (mirror["state"] == "problem" && what.contains("state")).then_some(())
    });
    world.run(&["status"]).expect(0).says("disk is full");
    assert!(world.log().contains("the state folder cannot be used"), "it is logged");
    world.run(&["sync"]).expect(1).says("disk is full");
    assert_eq!(changes_since(&world, calls), Vec::<String>::new());
    assert_eq!(tree::in_account(&world.emulator, "/backup/photos"), remote);

    drop(ballast);
    world.until_mirrored("photos");
    until("the mirror is idle again", || (world.mirror("photos")["state"] == "idle").then_some(()));
    until("its end is logged", || world.log().contains("ended after").then_some(()));
    world.assert_at_rest();
    world.take_service();
}

#[test]
fn d10_a_disk_that_fills_up_again_and_again_under_a_working_service_costs_nothing_but_time() {
    if !own_mounts() {
        return;
    }
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "rescan = \"1s\"");
    // Room for the state, and not for much of a log beside it.
    let disk = tmpfs(&world.path("state"), 12 << 20);
    world.start();
    let source = world.source("photos");
    let mut waited = false;
    for round in 0..4 {
        for number in 0..300 {
            write(
                &source.join(format!("{}/{round} {number}", number % 10)),
                format!("{round} {number}"),
            );
        }
        let before = world.emulator.calls();
        until("it is at work", || (world.emulator.calls() > before + 3).then_some(()));
        let ballast = Ballast::fill(&disk.at);
        // The log has room of its own until it has to grow: then the service waits.
        until("it waits, or had room enough", || {
            let waits = world.mirror("photos")["state"] == "problem";
            waited |= waits;
            (waits || world.differences("photos").is_empty()).then_some(())
        });
        drop(ballast);
    }
    assert!(waited, "the disk was never full enough to matter");
    world.until_mirrored("photos");
    world.assert_at_rest();
    // And after a restart, which reads all of it.
    world.take_service().kill();
    world.start();
    world.assert_at_rest();
    world.take_service();
}

#[test]
fn p04_a_log_that_is_full_or_that_nobody_reads_any_more_stops_nothing() {
    if !own_mounts() {
        return;
    }
    let mut world = Machine::of(PROGRAM);
    let disk = tmpfs(&world.path("log"), 64 << 10);
    let _ballast = Ballast::fill(&disk.at);
    // All output goes to a disk without room.
    let log = world.path("log").join("service.log");
    start_and_mirror(&mut world, "full", &log);

    // All output goes into a pipe whose reader has gone.
    start_into_closed_pipe(&mut world);
}

fn start_and_mirror(world: &mut Machine, name: &str, log: &Path) {
    let service = Service::start(PROGRAM.command(User::Ours), &world.config(), log);
    world.service = Some(service);
    write(&world.source("photos").join(name), format!("content of {name}"));
    world.until_mirrored("photos");
    world.run(&["status"]).expect(0);
    world.run(&["sync"]).expect(0);
    world.take_service();
}

/// The program's stdout and stderr are a pipe that no one reads, and the journal's socket is dead.
fn start_into_closed_pipe(world: &mut Machine) {
    let socket = world.path("journal");
    drop(UnixDatagram::bind(&socket).unwrap());
    let mut command = PROGRAM.command(User::Ours);
    command.env("NOTIFY_SOCKET", &socket);
    command.args(["--log-level", "debug", "--config"]).arg(world.config()).arg("run");
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    write(&world.source("photos").join("unheard"), "said to nobody");
    world.until_mirrored("photos");
    world.run(&["status"]).expect(0);
    assert_eq!(child.try_wait().unwrap(), None, "the service goes on");
    child.kill().unwrap();
    child.wait().unwrap();
}
