//! K21, K22, K23, K25: no memory, panics, a loop that hangs, and a program that dies again and
//! again.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fichier_testkit::{Machine, crypt, tree, until, write};
use rustix::process::{Pid, Signal};

use crate::PROGRAM;

fn filled() -> Machine {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "settle = \"20ms\"\n");
    for number in 0..20 {
        write(&world.source("photos").join(format!("{}/{number}", number % 3)), "content");
    }
    world
}

#[test]
fn k22_a_panic_in_any_part_ends_the_process_with_1_and_the_next_start_goes_on() {
    // The loop, a cycle, its walk, the thread that reads files, the one that packs the records, the
    // watch, and the task that takes commands.
    for point in [
        "daemon:turn",
        "cycle:begun",
        "scan:folder",
        "upload:opens",
        "upload:told",
        "snapshot:packed",
        "watch:work",
        "control:asked",
    ] {
        let mut world = filled();
        world.environment = vec![("FAILPOINTS", format!("{point}=panic"))];
        world.launch();
        let mut service = world.take_service();
        let mut looks = 0;
        until(&format!("it panics at {point}"), || {
            // A change on disk, and a command.
            looks += 1;
            write(&world.source("photos").join(format!("new-{looks}/another")), "content");
            world.status();
            (!service.is_running()).then_some(())
        });
        assert_eq!(service.ended(), Some(1), "{point}");
        assert!(world.log().contains("panicked at"), "{point} is not logged");
        world.environment.clear();
        world.start();
        world.until_mirrored("photos");
        world.assert_mirrored();
    }
}

/// The service manager, as far as it receives datagrams.
struct Manager {
    socket: UnixDatagram,
    /// The time for which the unit allows the service to be silent.
    interval: Duration,
}

impl Manager {
    fn of(world: &mut Machine, interval: Duration) -> Manager {
        let path = world.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        world.environment = vec![
            ("NOTIFY_SOCKET", path.to_str().unwrap().to_owned()),
            ("WATCHDOG_USEC", interval.as_micros().to_string()),
        ];
        Manager { socket, interval }
    }

    /// Waits for a sign of life; `false` when the interval passes without one.
    fn hears(&self) -> bool {
        let began = std::time::Instant::now();
        let mut buffer = [0; 1024];
        loop {
            let Some(left) = self.interval.checked_sub(began.elapsed()) else { return false };
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            if buffer[..length].windows(10).any(|text| text == b"WATCHDOG=1") {
                return true;
            }
        }
    }
}

#[test]
fn k23_a_loop_that_hangs_goes_silent_and_is_killed_and_the_next_start_goes_on() {
    let mut world = filled();
    let manager = Manager::of(&mut world, Duration::from_secs(1));
    world.environment.push(("FAILPOINTS", "daemon:turn=6*off->sleep(3600000)".to_owned()));
    world.launch();
    until("it goes silent", || (!manager.hears()).then_some(()));
    // The process is there, and would be for ever.
    assert!(world.service.as_mut().unwrap().is_running());
    world.take_service().kill();
    world.environment.clear();
    world.start();
    world.until_mirrored("photos");
    world.assert_mirrored();
    let size = tree::stored_bytes(&tree::on_disk(&world.source("photos")));
    let sent = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    assert!(sent <= 2 * size + 20_000, "{sent} bytes were sent for {size}");
}

#[test]
fn k23_a_service_with_nothing_to_do_is_not_taken_for_one_that_hangs() {
    let mut world = filled();
    // A short interval for a unit; a service that does not hang sends two signs of life in it.
    let manager = Manager::of(&mut world, Duration::from_secs(4));
    world.start();
    world.until_mirrored("photos");
    world.until_chores_done("photos");
    for heard in 0..3 {
        assert!(manager.hears(), "silent after {heard} signs of life at rest");
    }
}

#[test]
fn k25_a_program_that_dies_at_every_start_changes_nothing_and_systemd_stops_trying() {
    let mut world = filled();
    world.run(&["sync"]).expect(0);
    // The second run that has something to do makes the folder of the claims.
    write(&world.source("photos").join("second"), "content");
    world.run(&["sync"]).expect(0);
    write(&world.source("photos").join("waits"), "content");
    fs::remove_file(world.source("photos").join("0/0")).unwrap();
    let (mark, files) = (world.emulator.calls(), world.emulator.files());
    for _ in 0..10 {
        world.environment = vec![("FAILPOINTS", "cycle:begun=return".to_owned())];
        world.launch();
        assert_eq!(world.take_service().ended(), None);
    }
    let calls = world.emulator.calls_since(mark);
    // Each start claims the target once (decision 7), in fichierd's own folder there. Only the first
    // one follows a process that ended as it should, and need not look at the claims before.
    let (first, others) = calls.split_at(2);
    assert!(Machine::is_start(first) && others.chunks(3).all(Machine::is_start), "{calls:?}");
    assert_eq!(world.emulator.files(), files);
    world.emulator.assert_no_violations();
    for unit in ["fichierd.service", "fichierd-user.service"] {
        let unit = format!("{}/../../systemd/{unit}", env!("CARGO_MANIFEST_DIR"));
        let unit = fs::read_to_string(unit).unwrap();
        assert!(unit.lines().any(|line| line == "StartLimitBurst=10"), "{unit}");
        assert!(unit.lines().any(|line| line == "StartLimitIntervalSec=10min"), "{unit}");
    }
    world.environment.clear();
    world.start();
    world.until_mirrored("photos");
    world.assert_mirrored();
}

/// The memory limit, less than a single upload takes.
const LIMIT: usize = 256 << 10;

/// A group of processes with next to no memory, if one can be made.
struct Starved(PathBuf);

impl Starved {
    fn make() -> Result<Starved, String> {
        let name = format!("fichierd-test-{}", std::process::id());
        // Control groups of the second form, then of the first.
        let forms =
            [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")];
        let mut why = String::new();
        for (top, limit) in forms {
            let group = Starved(Path::new(top).join(&name));
            // Not made here: a folder without this file is not a control group.
            let set = |file: &str, value: &str| {
                let mut file = File::options().write(true).open(group.0.join(file))?;
                file.write_all(value.as_bytes())
            };
            let made = fs::create_dir(&group.0).and_then(|()| set(limit, &LIMIT.to_string()));
            match made {
                Ok(()) => return Ok(group),
                Err(error) => why += &format!("{top}: {error}; "),
            }
        }
        Err(why)
    }

    fn take_in(&self, process: Pid) {
        let process = process.as_raw_nonzero();
        fs::write(self.0.join("cgroup.procs"), process.to_string()).unwrap();
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}

#[test]
fn k21_killed_for_want_of_memory_the_next_start_goes_on() {
    let mut world = Machine::of(PROGRAM);
    let mut total = 0;
    for number in 0..40 {
        write(&world.source("photos").join(format!("{number}")), vec![number; 1 << 20]);
        total += crypt::stored_bytes(1 << 20);
    }
    world.launch();
    until("it is sending", || (world.emulator.bytes_received() > 1 << 20).then_some(()));
    let starved = Starved::make();
    let mut service = world.take_service();
    match &starved {
        Ok(group) => group.take_in(service.id()),
        Err(why) => {
            eprintln!("killed by hand, as no control group could be made: {why}");
            service.signal(Signal::KILL);
        }
    }
    until("it is killed", || (!service.is_running()).then_some(()));
    assert_eq!(service.ended(), None, "by a signal");
    world.start();
    world.until_mirrored("photos");
    world.until_chores_done("photos");
    world.assert_mirrored();
    let sent = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    assert!(sent <= 2 * total, "{sent} bytes were sent for {total}");
}
