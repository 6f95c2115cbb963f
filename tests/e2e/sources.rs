//! Sources that go, come back, turn out to be another folder, are large, or always change.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fichier_testkit::tree::{self, Tree};
use fichier_testkit::{Machine, crypt, target, until, write};
use rustix::process::Signal;

use crate::PROGRAM;

/// Waits until the mirror is held, as for a disk that is not mounted.
fn until_held(world: &Machine, because: &str, remote: &Tree) {
    until(&format!("it is held because {because}"), || {
        let mirror = world.mirror("photos");
        let what = mirror["what"].as_str().unwrap().to_owned();
        (mirror["state"] == "held" && what.contains(because)).then_some(())
    });
    world.run(&["sync", "photos"]).expect(4).says(because);
    assert_eq!(tree::in_account(&world.emulator, "/backup/photos"), *remote);
}

#[test]
fn a_source_that_goes_or_is_another_holds_its_mirror_alone_and_comes_back() {
    let mut world = Machine::of(PROGRAM);
    // Held mirrors are looked at again after a minute, or at the next rescan.
    world.add_mirror("photos", "rescan = \"1s\"");
    world.add_mirror("docs", "");
    let (source, away) = (world.source("photos"), world.path("away"));
    for name in ["a", "b/c", "b/d"] {
        write(&source.join(name), format!("content of {name}"));
    }
    fs::rename(&source, &away).unwrap();
    world.start();
    until("it waits for the source", || (world.mirror("photos")["state"] == "held").then_some(()));
    let mut letters = 0;
    let mut other_goes_on = |world: &Machine| {
        letters += 1;
        write(&world.source("docs").join(format!("letter {letters}")), format!("{letters}"));
        world.until_mirrored("docs");
    };
    other_goes_on(&world);
    fs::rename(&away, &source).unwrap();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    let remote = tree::in_account(&world.emulator, "/backup/photos");
    assert_eq!(remote.len(), 3);

    fs::rename(&source, &away).unwrap();
    until_held(&world, "does not exist", &remote);
    other_goes_on(&world);
    fs::create_dir(&source).unwrap();
    until_held(&world, "is empty", &remote);
    write(&source.join("of another disk"), "x");
    until_held(&world, "put it back", &remote);
    other_goes_on(&world);

    fs::remove_dir_all(&source).unwrap();
    fs::rename(&away, &source).unwrap();
    let sent = world.emulator.bytes_received();
    write(&source.join("new"), "n");
    world.until_mirrored("photos");
    let received = world.emulator.bytes_received() - sent;
    assert_eq!(received, crypt::bytes_of(&["n"]), "nothing else is sent again");
    world.assert_at_rest();
}

/// A link on the way that the owner of a folder there has made: with it they could have folders
/// uploaded that only root may read.
#[test]
fn z41_a_planted_link_on_the_way_to_the_source_holds_the_mirror_and_uploads_nothing() {
    const EVE: u32 = 61_001;
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root may give folders to others");
    }
    let mut world = Machine::of(PROGRAM);
    let (home, docs) = (world.path("home"), world.path("home/docs"));
    world.add_mirror("photos", &format!("source = \"{}/mirrored\"", docs.display()));
    world.add_mirror("others", "");
    write(&docs.join("mirrored/letter"), "of Eve");
    write(&world.path("secret/mirrored/key"), "of root");
    for folder in [&home, &docs, &docs.join("mirrored")] {
        chown(folder, Some(EVE), Some(EVE)).unwrap();
    }
    world.start();
    until("the letter is there", || {
        tree::in_account(&world.emulator, "/backup/photos").contains_key("letter").then_some(())
    });
    let remote = tree::in_account(&world.emulator, "/backup/photos");

    fs::rename(&docs, world.path("home/away")).unwrap();
    symlink(world.path("secret"), &docs).unwrap();
    lchown(&docs, Some(EVE), Some(EVE)).unwrap();
    world.service().signal(Signal::USR1);
    until("it is held", || (world.mirror("photos")["state"] == "held").then_some(()));
    world
        .run(&["sync", "photos"])
        .expect(4)
        .says("home/docs belongs to user 61001, and leads to a folder of user 0")
        .says("write the path without it as `source`");
    assert_eq!(tree::in_account(&world.emulator, "/backup/photos"), remote);
    let degraded = world.status().unwrap()["degraded"].to_string();
    assert!(degraded.contains("source_behind_link"), "{degraded}");

    fs::remove_file(&docs).unwrap();
    fs::rename(world.path("home/away"), &docs).unwrap();
    write(&docs.join("mirrored/second"), "of Eve");
    world.service().signal(Signal::USR1);
    until("it goes on", || {
        tree::in_account(&world.emulator, "/backup/photos").contains_key("second").then_some(())
    });
}

#[test]
fn z42_a_source_that_is_a_link_is_said_to_be_one_and_not_a_missing_disk() {
    let mut world = Machine::of(PROGRAM);
    let (source, real) = (world.source("photos"), world.path("real"));
    write(&source.join("a"), "a");
    fs::rename(&source, &real).unwrap();
    symlink(&real, &source).unwrap();
    let said = world.run(&["sync"]).expect(4);
    let said = said.says("is a symbolic link to").says("write the path without it as `source`");
    assert!(!said.stderr.contains("disk"), "{}", said.stderr);
    world.add_mirror("photos", &format!("source = \"{}\"", real.display()));
    world.run(&["sync"]).expect(0);
    assert!(tree::in_account(&world.emulator, "/backup/photos").contains_key("a"));
}

#[test]
fn a_bulk_first_mirror_does_not_hold_back_a_small_change_of_another() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("bulk", "");
    write(&world.source("photos").join("first"), "first");
    for number in 0..3_000 {
        let place = format!("{}/{number}", number % 150);
        write(&world.source("bulk").join(place), format!("content {number}"));
    }
    world.start();
    until("the bulk is on its way", || {
        let bulk = world.emulator.folder_id(&target("bulk"))?;
        let made = |request: &fichier_emulator::Request| {
            request.endpoint == "folder/mkdir.cgi" && request.folder_id == Some(bulk)
        };
        world.emulator.requests().iter().any(made).then_some(())
    });
    write(&world.source("photos").join("small change"), "small change");
    world.until_mirrored("bulk");
    world.until_mirrored("photos");

    let requests = world.emulator.requests();
    let photos = world.emulator.folder_id("/backup/photos");
    let is_move = |request: &fichier_emulator::Request| request.endpoint == "file/mv.cgi";
    let published: Vec<usize> = (0..requests.len())
        .filter(|at| is_move(&requests[*at]) && requests[*at].folder_id == photos)
        .collect();
    let last_of_bulk = requests.iter().rposition(is_move).unwrap();
    let small_change = *published.last().unwrap();
    // 150 folders are filled by 150 calls, and most of them were still to come.
    let still_to_come = requests[small_change..=last_of_bulk].iter().filter(|r| is_move(r)).count();
    assert!(still_to_come > 75, "{still_to_come} of 150 folders were filled after it");
    world.assert_at_rest();
}

#[test]
fn a_file_that_never_rests_is_published_at_last_and_said_to_be_unsettled() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "settle = \"200ms\"\nsettle_at_most = \"400ms\"");
    let source = world.source("photos");
    write(&source.join("quiet"), "quiet");
    let writer = Writer::start(&source.join("busy.log"));
    world.start();
    until("the file that always changes is there", || {
        tree::in_account(&world.emulator, "/backup/photos").contains_key("busy.log").then_some(())
    });
    until("it is said to be unsettled", || {
        let mirror = world.mirror("photos");
        (mirror["unsettled"] == serde_json::json!(["busy.log"])).then_some(())
    });
    world.run(&["status"]).expect(0).says("busy.log");
    // It is on record too, not only in the memory of the service.
    world.take_service().kill();
    assert_eq!(world.mirror("photos")["unsettled"], serde_json::json!(["busy.log"]));
    drop(writer);
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    assert_eq!(world.mirror("photos")["unsettled"], serde_json::json!([]));
}

/// A writer that appends to a file all the time, until dropped.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    fn start(path: &Path) -> Writer {
        let mut file = File::create(path).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                file.write_all(b"one more line\n").unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        Writer { stop, thread: Some(thread) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
