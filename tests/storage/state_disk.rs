//! The disk of the state fails, is slow, or can no longer be written to.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use fichier_testkit::tree;
use fichier_testkit::{Machine, User, until, write};
use rustix::io::Errno;

use crate::PROGRAM;
use crate::faulty::{Answer, Asked, Faulty};
use crate::ground::{Image, own_mounts, own_mounts_and_fuse, run};

const EIO: i32 = Errno::IO.raw_os_error();
const EROFS: i32 = Errno::ROFS.raw_os_error();

const DATABASE: &str = "state.db";
const LOG: &str = "state.db-wal";

/// A world whose state lies on a file system that fails as told.
struct Stage {
    // Before the world, because it is mounted inside it.
    faulty: Faulty,
    world: Machine,
    letters: u32,
}

impl Stage {
    fn new() -> Option<Stage> {
        if !own_mounts_and_fuse() {
            return None;
        }
        let mut world = Machine::of(PROGRAM);
        world.add_mirror("photos", "rescan = \"1s\"");
        let behind = world.path("behind");
        let faulty = Faulty::mount(&behind, &world.path("state"));
        for name in ["kept", "edited", "removed"] {
            write(&world.source("photos").join(name), format!("content of {name}"));
        }
        Some(Stage { faulty, world, letters: 0 })
    }

    /// The same, mirrored and settled.
    fn mirrored() -> Option<Stage> {
        let mut stage = Stage::new()?;
        stage.world.start();
        stage.world.until_mirrored("photos");
        stage.world.run(&["sync"]).expect(0);
        stage.world.until_chores_done("photos");
        Some(stage)
    }

    fn change_something(&mut self) {
        self.letters += 1;
        let source = self.world.source("photos");
        write(&source.join(format!("letter {}", self.letters)), format!("{}", self.letters));
        write(&source.join("edited"), format!("edited for the {}. time", self.letters));
        fs::remove_file(source.join("removed")).ok();
    }

    #[track_caller]
    fn until_state_fails(&self) {
        until("it says that the state cannot be used", || {
            let mirror = self.world.mirror("photos");
            let what = mirror["what"].as_str().unwrap().to_owned();
            (mirror["state"] == "problem" && what.contains("state")).then_some(())
        });
        self.world.run(&["sync"]).expect(1).says("cannot use the state file");
    }
}

#[test]
fn p05_when_the_state_cannot_be_written_or_synced_nothing_is_changed_until_it_was_checked() {
    let Some(mut stage) = Stage::mirrored() else { return };
    for asked in [Asked::Write, Asked::Sync] {
        for file in [LOG, DATABASE] {
            let calls = stage.world.emulator.calls();
            let checks = opened_anew(&stage.world);
            let remote = tree::in_account(&stage.world.emulator, "/backup/photos");
            // Nothing is written to the database itself before the log is.
            stage.faulty.fault(asked, LOG, Answer::Error(EIO));
            stage.faulty.fault(asked, file, Answer::Error(EIO));
            stage.change_something();
            stage.until_state_fails();
            assert_eq!(stage.world.emulator.calls_since(calls), Vec::<String>::new());
            assert_eq!(tree::in_account(&stage.world.emulator, "/backup/photos"), remote);
            stage.faulty.end_faults();
            stage.world.until_mirrored("photos");
            assert!(opened_anew(&stage.world) > checks, "it is opened anew and checked");
            until("the mirror is idle", || {
                (stage.world.mirror("photos")["state"] == "idle").then_some(())
            });
            stage.world.assert_at_rest();
        }
    }
    stage.world.take_service();
}

#[test]
fn p05_an_fsync_that_fails_once_is_not_just_repeated() {
    let Some(mut stage) = Stage::mirrored() else { return };
    let checks = opened_anew(&stage.world);
    stage.faulty.fault_times(1, Asked::Sync, LOG, Answer::Error(EIO));
    stage.change_something();
    stage.world.until_mirrored("photos");
    assert_eq!(stage.faulty.left(), 0, "it failed");
    assert_eq!(opened_anew(&stage.world), checks + 1);
    stage.world.assert_at_rest();
    // Everything acknowledged since then is there for another process too.
    stage.world.take_service().kill();
    stage.world.start();
    stage.world.assert_at_rest();
    stage.world.take_service();
}

#[test]
fn p05_a_state_that_cannot_be_read_ends_the_start_before_any_request() {
    let Some(mut stage) = Stage::mirrored() else { return };
    stage.world.take_service().kill();
    let calls = stage.world.emulator.calls();
    stage.faulty.fault(Asked::Read, DATABASE, Answer::Error(EIO));
    stage.change_something();
    assert_eq!(stage.world.start_that_ends(), Some(1));
    assert!(stage.world.log().contains("cannot use the state file"));
    assert_eq!(stage.world.emulator.calls_since(calls), Vec::<String>::new());
    stage.faulty.end_faults();
    stage.world.start();
    stage.world.until_mirrored("photos");
    stage.world.assert_at_rest();
    stage.world.take_service();
}

fn opened_anew(world: &Machine) -> usize {
    world.log().matches("the file was opened anew and is sound").count()
}

#[test]
fn p06_a_state_that_became_read_only_stops_changes_until_it_can_be_written_again() {
    let Some(mut stage) = Stage::mirrored() else { return };
    let calls = stage.world.emulator.calls();
    for asked in [Asked::Write, Asked::Change] {
        stage.faulty.fault(asked, "", Answer::Error(EROFS));
    }
    stage.change_something();
    stage.until_state_fails();
    assert_eq!(stage.world.emulator.calls_since(calls), Vec::<String>::new());
    stage.faulty.end_faults();
    stage.world.until_mirrored("photos");
    stage.world.assert_at_rest();
    stage.world.take_service();
}

/// The kernel does the same after an error of the disk (`errors=remount-ro`).
#[test]
fn p06_after_the_kernel_gave_the_state_up_nothing_is_changed_and_a_restart_goes_on() {
    if !own_mounts() {
        return;
    }
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "rescan = \"1s\"");
    let image = Image::make(world.path("state.img"), 16);
    let mounted = image.mount(&world.path("state"));
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.until_chores_done("photos");

    run(Command::new("mount").args(["-o", "remount,abort"]).arg(&mounted.at));
    let calls = world.emulator.calls();
    write(&world.source("photos").join("two"), "two");
    until("it waits", || (world.mirror("photos")["state"] == "problem").then_some(()));
    world.run(&["sync"]).expect(1);
    assert_eq!(world.emulator.calls_since(calls), Vec::<String>::new());
    world.take_service().kill();
    assert_eq!(world.start_that_ends(), Some(1));
    assert_eq!(world.emulator.calls_since(calls), Vec::<String>::new());
    mounted.unmount();
    let mounted = image.mount(&world.path("state"));
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    world.take_service();
    mounted.unmount();
}

/// The five seconds of each fsync, and the minute that systemd waits, are both divided by 24 here.
#[test]
fn p10_a_very_slow_disk_is_no_hang_and_the_work_goes_on() {
    let Some(mut stage) = Stage::new() else { return };
    let watchdog = Watchdog::start(stage.world.path("notify"), Duration::from_millis(2_500));
    stage.faulty.fault(Asked::Sync, "", Answer::Late(Duration::from_millis(200)));
    for number in 0..20 {
        let place = format!("{}/{number}", number % 4);
        write(&stage.world.source("photos").join(place), format!("content {number}"));
    }
    stage.world.start_with(watchdog.over(PROGRAM.command(User::Ours)));
    stage.world.until_mirrored("photos");
    assert!(!watchdog.would_have_killed(), "systemd would have killed it");
    stage.faulty.end_faults();
    stage.world.assert_at_rest();
    stage.world.take_service();
}

#[test]
fn a_service_that_has_nothing_to_do_feeds_a_watchdog_of_any_length() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    let watchdog = Watchdog::start(world.path("notify"), Duration::from_secs(2));
    world.start_with(watchdog.over(PROGRAM.command(User::Ours)));
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.until_chores_done("photos");
    let before = watchdog.fed();
    until("it is fed again and again", || (watchdog.fed() > before + 4).then_some(()));
}

/// Does what systemd does with `WatchdogSec=`.
struct Watchdog {
    socket: PathBuf,
    patience: Duration,
    barked: Arc<AtomicBool>,
    fed: Arc<AtomicU64>,
}

impl Watchdog {
    fn start(socket: PathBuf, patience: Duration) -> Watchdog {
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(patience)).unwrap();
        let barked = Arc::new(AtomicBool::new(false));
        let fed = Arc::new(AtomicU64::new(0));
        let (bark, feed) = (Arc::clone(&barked), Arc::clone(&fed));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Any message is a sign of life here; it begins with the first.
            manager.set_read_timeout(None).unwrap();
            let mut heard = manager.recv(&mut buffer);
            manager.set_read_timeout(Some(patience)).unwrap();
            while let Ok(length) = heard {
                let says = String::from_utf8_lossy(&buffer[..length]);
                feed.fetch_add(u64::from(says.contains("WATCHDOG=1")), Ordering::Relaxed);
                heard = manager.recv(&mut buffer);
            }
            bark.store(true, Ordering::Relaxed);
        });
        Watchdog { socket, patience, barked, fed }
    }

    /// Gives the program the address of the watchdog.
    fn over(&self, mut program: Command) -> Command {
        program.env("NOTIFY_SOCKET", &self.socket);
        program.env("WATCHDOG_USEC", self.patience.as_micros().to_string());
        program
    }

    fn fed(&self) -> u64 {
        self.fed.load(Ordering::Relaxed)
    }

    fn would_have_killed(&self) -> bool {
        self.barked.load(Ordering::Relaxed)
    }
}
