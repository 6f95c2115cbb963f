//! Sources on disks that fail, return other bytes, report no changes, or die.

use std::fs;
use std::path::PathBuf;

use fichier_testkit::tree;
use fichier_testkit::{Machine, until, write};
use rustix::io::Errno;
use rustix::process::Signal;

use crate::PROGRAM;
use crate::faulty::{Answer, Asked, Faulty};
use crate::ground::own_mounts_and_fuse;

const EIO: i32 = Errno::IO.raw_os_error();

/// A world whose source is shown by a file system that fails as told.
struct Stage {
    // Before the world, because it is mounted inside it.
    faulty: Option<Faulty>,
    world: Machine,
}

impl Stage {
    fn new() -> Option<Stage> {
        if !own_mounts_and_fuse() {
            return None;
        }
        let mut world = Machine::of(PROGRAM);
        // No changes are reported, and held mirrors are looked at again at the next rescan.
        world.add_mirror("photos", "rescan = \"1s\"");
        let mut stage = Stage { faulty: None, world };
        stage.mount();
        Some(stage)
    }

    fn mount(&mut self) {
        let at = self.world.source("photos");
        self.faulty = Some(Faulty::mount(&self.behind(""), &at));
    }

    fn faulty(&self) -> &Faulty {
        self.faulty.as_ref().unwrap()
    }

    /// The real path of a file.
    fn behind(&self, place: &str) -> PathBuf {
        self.world.path("behind").join(place)
    }

    fn remote(&self) -> tree::Tree {
        tree::in_account(&self.world.emulator, "/backup/photos")
    }

    #[track_caller]
    fn until_problem(&self, path: &str, what: &str) {
        until(&format!("`{path}` has a problem: {what}"), || {
            let problems = self.world.mirror("photos")["problems"].clone();
            let mut problems = problems.as_array().unwrap().iter();
            let found = problems
                .any(|problem| problem["path"] == path && problem.to_string().contains(what));
            found.then_some(())
        });
    }

    /// The mirror ends equal to the disk, and then no problem is left.
    #[track_caller]
    fn comes_to_rest(&self) {
        self.world.until_mirrored("photos");
        self.world.service().signal(Signal::USR1);
        until("there is no problem any more", || {
            (self.world.mirror("photos")["problem_count"] == 0).then_some(())
        });
        self.world.assert_at_rest();
    }
}

#[test]
fn p07_a_file_that_cannot_be_read_is_withheld_whole_and_the_others_go_on() {
    let Some(mut stage) = Stage::new() else { return };
    let large = "0123456789".repeat(200_000);
    for name in ["good", "bad", "edited", "also good"] {
        write(&stage.behind(name), format!("{name} {large}"));
    }
    stage.faulty().fault(Asked::Read, "bad", Answer::Error(EIO));
    stage.world.start();
    stage.until_problem("bad", "Input/output error");
    until("the others are there", || {
        let there: Vec<String> = stage.remote().into_keys().collect();
        (there == ["also good", "edited", "good"]).then_some(())
    });
    // The earlier copy stays, though the file cannot be read any more.
    stage.faulty().fault(Asked::Read, "edited", Answer::Error(EIO));
    write(&stage.behind("edited"), "edited once more");
    stage.until_problem("edited", "Input/output error");
    assert_eq!(stage.remote()["edited"], format!("edited {large}").into_bytes());
    stage.faulty().end_faults();
    stage.world.run(&["sync"]).expect(0);
    stage.comes_to_rest();
    stage.world.take_service();
}

#[test]
fn p08_a_folder_that_cannot_be_listed_to_its_end_removes_nothing() {
    let Some(mut stage) = Stage::new() else { return };
    for number in 0..20 {
        write(&stage.behind(&format!("album/{number:02}")), format!("photo {number}"));
        write(&stage.behind(&format!("album/deep/{number:02}")), format!("deep {number}"));
        write(&stage.behind(&format!("other/{number:02}")), format!("other {number}"));
    }
    stage.world.start();
    stage.world.until_mirrored("photos");
    for answer in [Answer::ErrorAfter(3, EIO), Answer::ErrorAfter(0, EIO), Answer::Error(EIO)] {
        stage.faulty().fault(Asked::List, "album", answer);
        // One file is removed where it cannot be seen, and one where it can.
        let before = stage.remote().len();
        let there = fs::read_dir(stage.behind("other")).unwrap().next().unwrap().unwrap().path();
        fs::remove_file(there).unwrap();
        let removed = fs::read_dir(stage.behind("album")).unwrap();
        let removed = removed.map(|entry| entry.unwrap().path()).find(|path| path.is_file());
        fs::remove_file(removed.unwrap()).unwrap();
        stage.until_problem("album", "Input/output error");
        until("the removal elsewhere is followed", || {
            (stage.remote().len() == before - 1).then_some(())
        });
        stage.world.run(&["sync"]).expect(3);
        let remote = stage.remote();
        let albums = remote.keys().filter(|path| path.starts_with("album/")).count();
        assert_eq!((remote.len(), albums > 38 - 3), (before - 1, true), "{answer:?}");
        stage.faulty().end_faults();
        stage.world.run(&["sync"]).expect(0);
        stage.comes_to_rest();
    }
    stage.world.take_service();
}

#[test]
fn f11_rot_under_an_equal_stat_is_told_by_a_drill_and_does_not_replace_the_good_copy() {
    let Some(mut stage) = Stage::new() else { return };
    write(&stage.behind("rotting"), "what was once written");
    write(&stage.behind("sound"), "sound");
    stage.world.start();
    stage.world.until_mirrored("photos");
    stage.world.run(&["sync"]).expect(0);
    stage.world.run(&["drill", "photos"]).expect(0);
    stage.faulty().fault(Asked::Read, "rotting", Answer::OtherBytes);
    let now = fs::read(stage.world.source("photos").join("rotting")).unwrap();
    assert_ne!(now, b"what was once written");
    stage.world.run(&["sync"]).expect(0);
    stage.world.run(&["drill", "photos"]).expect(3).says("rotting").says("the disk may be failing");
    stage.world.run(&["status"]).expect(0).says("rotting");
    assert_eq!(stage.remote()["rotting"], b"what was once written");
    stage.world.run(&["verify", "photos", "--full"]).expect(0);
    stage.world.take_service();
}

#[test]
fn w13_changes_that_nobody_tells_of_are_found_by_the_next_rescan() {
    let Some(mut stage) = Stage::new() else { return };
    write(&stage.behind("album/one"), "one");
    write(&stage.behind("two"), "two");
    stage.world.start();
    stage.world.until_mirrored("photos");
    // Changed in the folder behind: no event reports any of this.
    write(&stage.behind("album/three"), "three");
    write(&stage.behind("new/deep/four"), "four");
    fs::write(stage.behind("two"), "TWO").unwrap();
    fs::remove_file(stage.behind("album/one")).unwrap();
    stage.world.until_mirrored("photos");
    stage.comes_to_rest();
    stage.world.take_service();
}

#[test]
fn r03_a_source_whose_file_system_crashes_is_waited_for() {
    let Some(mut stage) = Stage::new() else { return };
    for number in 0..5 {
        write(&stage.behind(&format!("{number}")), format!("content {number}"));
    }
    stage.world.start();
    stage.world.until_mirrored("photos");
    stage.world.run(&["sync"]).expect(0);
    stage.world.until_chores_done("photos");
    let (remote, calls) = (stage.remote(), stage.world.emulator.calls());
    stage.faulty().crash();
    until("it is held", || {
        let mirror = stage.world.mirror("photos");
        let what = mirror["what"].as_str().unwrap().to_owned();
        (mirror["state"] == "held" && what.contains("cannot be read")).then_some(())
    });
    stage.world.run(&["sync"]).expect(4).says("cannot be read");
    assert_eq!(stage.remote(), remote);
    assert_eq!(stage.world.emulator.calls_since(calls), Vec::<String>::new());
    drop(stage.faulty.take());
    stage.mount();
    write(&stage.behind("new"), "n");
    stage.world.until_mirrored("photos");
    stage.comes_to_rest();
    stage.world.take_service();
}

/// Sizes that are too large, as of sysfs, or too small.
#[test]
fn z43_a_file_of_another_length_than_told_is_a_problem_with_a_growing_pause_and_no_upload() {
    let Some(mut stage) = Stage::new() else { return };
    for number in 0..10 {
        write(&stage.behind(&format!("attributes/{number:02}")), format!("value {number}"));
        stage.faulty().fault(Asked::Attributes, &format!("{number:02}"), Answer::Size(4_096));
    }
    write(&stage.behind("more"), "much more than was told");
    stage.faulty().fault(Asked::Attributes, "more", Answer::Size(4));
    write(&stage.behind("sound"), "sound");
    stage.world.start();
    stage.until_problem("attributes/07", "tells a length of 4.00 KiB and gives fewer bytes");
    stage.until_problem("more", "tells a length of 4 B and gives more bytes");
    until("the sound file is there", || stage.remote().contains_key("sound").then_some(()));
    // Looked at again and again, they do not begin an upload.
    for _ in 0..5 {
        stage.world.run(&["sync"]).expect(3);
    }
    let begun = stage.world.emulator.requests().into_iter();
    let begun = begun.filter(|request| request.endpoint.ends_with("get_upload_server.cgi")).count();
    assert!(begun <= 3, "{begun} uploads were begun for the sound file and a snapshot");
    assert_eq!(stage.remote().into_keys().collect::<Vec<_>>(), ["sound"]);
    let problems = stage.world.mirror("photos")["problems"].clone();
    let tries = problems.as_array().unwrap().iter().map(|problem| problem["tries"].as_u64());
    assert!(tries.flatten().all(|tries| tries >= 5), "{problems}");
    stage.faulty().end_faults();
    stage.world.run(&["sync"]).expect(0);
    stage.comes_to_rest();
    stage.world.take_service();
}

/// As procfs and FUSE with direct I/O do.
#[test]
fn z44_content_with_a_told_size_of_zero_is_read_and_sent_once() {
    let Some(mut stage) = Stage::new() else { return };
    for name in ["one", "two"] {
        write(&stage.behind(name), format!("content of {name}"));
        stage.faulty().fault(Asked::Attributes, name, Answer::Size(0));
    }
    write(&stage.behind("empty"), "");
    stage.world.start();
    until("both are there", || {
        let there = stage.remote();
        let has = |name: &str| {
            there.get(name).is_some_and(|bytes| *bytes == format!("content of {name}").into_bytes())
        };
        (has("one") && has("two")).then_some(())
    });
    stage.world.run(&["sync"]).expect(0);
    stage.world.until_chores_done("photos");
    let (sent, calls) = (stage.world.emulator.bytes_received(), stage.world.emulator.calls());
    stage.world.run(&["sync"]).expect(0);
    assert_eq!(stage.world.emulator.bytes_received(), sent, "what is unchanged is not sent again");
    assert_eq!(stage.world.emulator.calls_since(calls), Vec::<String>::new());
    write(&stage.behind("one"), "other content of one");
    until("the change is there", || {
        (stage.remote()["one"] == b"other content of one").then_some(())
    });
    write(&stage.behind("two"), "");
    until("it was emptied", || (!stage.remote().contains_key("two")).then_some(()));
    stage.world.take_service();
}
