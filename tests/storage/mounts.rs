//! Sources on disks that come and go, while the service runs and while it does not.
//!
//! In none of these cases does anything on 1fichier change: a missing file was not deleted.

use std::fs;
use std::path::Path;
use std::process::Command;

use fichier_testkit::tree::{self, Tree};
use fichier_testkit::{Machine, User, crypt, until, write};

use crate::PROGRAM;
use crate::ground::{Image, Mounted, own_mounts, run, tmpfs};

/// The speed of the clock. Two mirrors begin with the same listings, and on a busy machine a
/// request may take 30 ms.
const TIME_SCALE: u32 = 200;

/// A world whose source is a disk of its own with some files on it, and a second mirror that must
/// go on, whatever happens to the first.
struct Stage {
    // Before the world, because file systems mounted inside it must be unmounted first.
    mounted: Option<Mounted>,
    image: Image,
    world: Machine,
    remote: Tree,
    quiet_since: usize,
    letters: u32,
    times: usize,
}

impl Stage {
    fn new() -> Option<Stage> {
        if !own_mounts() {
            return None;
        }
        let mut world = Machine::at_scale(PROGRAM, TIME_SCALE);
        // Held mirrors are looked at again after a minute, or at the next rescan.
        world.add_mirror("photos", "rescan = \"1s\"");
        world.add_mirror("docs", "");
        let image = Image::make(world.path("disk.img"), 8);
        let mounted = Some(image.mount(&world.source("photos")));
        for place in ["one", "album/two", "album/deep/three", "trip/four"] {
            write(&world.source("photos").join(place), format!("content of {place}"));
        }
        write(&world.source("docs").join("letter 0"), "0");
        Some(Stage {
            mounted,
            image,
            world,
            remote: Tree::new(),
            quiet_since: 0,
            letters: 0,
            times: 0,
        })
    }

    /// The same, mirrored and settled.
    fn mirrored() -> Option<Stage> {
        let mut stage = Stage::new()?;
        stage.world.start();
        stage.settled();
        Some(stage)
    }

    /// From here on nothing may happen to the files that are there now.
    fn settled(&mut self) {
        self.world.until_mirrored("photos");
        self.world.run(&["sync"]).expect(0);
        self.world.until_chores_done("photos");
        self.world.until_chores_done("docs");
        self.remote = tree::in_account(&self.world.emulator, "/backup/photos");
        self.quiet_since = self.world.emulator.calls();
    }

    fn unmount(&mut self) {
        self.mounted.take().unwrap().unmount();
    }

    fn mount(&mut self) {
        self.mounted = Some(self.image.mount(&self.world.source("photos")));
    }

    #[track_caller]
    fn until_held(&self, because: &str) {
        until(&format!("it is held because {because}"), || {
            let mirror = self.world.mirror("photos");
            let what = mirror["what"].as_str().unwrap().to_owned();
            (mirror["state"] == "held" && what.contains(because)).then_some(())
        });
        self.world.run(&["status"]).expect(0).says(because);
        self.world.run(&["sync", "photos"]).expect(4).says(because);
    }

    /// The other mirror goes on, and no file of the held one was touched.
    #[track_caller]
    fn nothing_was_lost(&mut self) {
        self.letters += 1;
        let letter = self.world.source("docs").join(format!("letter {}", self.letters));
        write(&letter, format!("{}", self.letters));
        self.world.until_mirrored("docs");
        self.assert_untouched();
    }

    #[track_caller]
    fn assert_untouched(&self) {
        let remote = tree::in_account(&self.world.emulator, "/backup/photos");
        assert_eq!(remote, self.remote);
        assert_eq!(removals_since(&self.world, self.quiet_since), Vec::<String>::new());
    }

    /// Everything continues by itself, and only the new file is sent.
    #[track_caller]
    fn comes_back(&mut self) {
        let sent = self.world.emulator.bytes_received();
        // A content that was there before would come back from the versions.
        self.times += 1;
        let new = "n".repeat(100 + self.times);
        write(&self.world.source("photos").join("new"), &new);
        self.world.until_mirrored("photos");
        assert_eq!(
            self.world.emulator.bytes_received(),
            sent + crypt::bytes_of(&[&new]),
            "nothing else is sent again"
        );
        assert_eq!(removals_since(&self.world, self.quiet_since), Vec::<String>::new());
        fs::remove_file(self.world.source("photos").join("new")).unwrap();
        self.world.until_mirrored("photos");
        self.world.assert_at_rest();
    }
}

/// Requests that remove something from a mirror: removals, and moves into the versions.
fn removals_since(world: &Machine, mark: usize) -> Vec<String> {
    let emulator = &world.emulator;
    let is_versions = |id: i64| {
        let all = emulator.folders();
        let mut versions = all.iter().filter(|path| path.contains("/.fichierd/versions"));
        versions.any(|path| emulator.folder_id(path) == Some(id))
    };
    let requests = emulator.requests().into_iter().skip(mark);
    let removals = requests.filter(|request| {
        let is_removal = request.endpoint.ends_with("/rm.cgi");
        let is_move = request.endpoint.ends_with("/mv.cgi");
        is_removal || is_move && request.folder_id.is_some_and(is_versions)
    });
    removals.map(|request| request.endpoint).collect()
}

#[test]
fn r01_a_source_that_is_unmounted_while_the_service_runs_is_waited_for_and_looked_through_again() {
    let Some(mut stage) = Stage::mirrored() else { return };
    for _ in 0..2 {
        stage.unmount();
        stage.until_held("is empty");
        stage.nothing_was_lost();
        stage.mount();
        stage.comes_back();
        stage.settled();
    }
}

/// The source contains no marker: its identity is kept in the state (docs/decisions/0007).
#[test]
fn r01_a_source_that_can_only_be_read_is_mirrored_and_known_again() {
    let Some(mut stage) = Stage::new() else { return };
    let read_only = |at: &Path| run(Command::new("mount").args(["-o", "remount,ro"]).arg(at));
    read_only(&stage.world.source("photos"));
    stage.world.start();
    stage.settled();
    stage.unmount();
    stage.until_held("is empty");
    stage.mount();
    read_only(&stage.world.source("photos"));
    until("it goes on", || (stage.world.mirror("photos")["state"] == "idle").then_some(()));
    stage.nothing_was_lost();
    let mut names: Vec<_> = fs::read_dir(stage.world.source("photos"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["album", "lost+found", "one", "trip"]);
    stage.world.assert_at_rest();
}

#[test]
fn r02_an_empty_mountpoint_before_the_start_holds_its_mirror_alone() {
    let Some(mut stage) = Stage::mirrored() else { return };
    drop(stage.world.take_service());
    stage.unmount();
    stage.world.start();
    stage.until_held("is empty");
    stage.nothing_was_lost();
    stage.mount();
    stage.comes_back();
}

#[test]
fn r03_a_source_that_is_unmounted_lazily_is_not_taken_for_emptied() {
    let Some(mut stage) = Stage::mirrored() else { return };
    stage.mounted.take().unwrap().unmount_lazily();
    stage.until_held("is empty");
    stage.nothing_was_lost();
    stage.mount();
    stage.comes_back();
}

#[test]
fn r04_another_disk_in_its_place_is_not_mirrored_until_somebody_approves_of_it() {
    let Some(mut stage) = Stage::mirrored() else { return };
    stage.unmount();
    let other = Image::make(stage.world.path("other.img"), 8);
    let mounted = other.mount(&stage.world.source("photos"));
    // This disk is refused although its contents look familiar.
    write(&stage.world.source("photos").join("one"), "content of one");
    write(&stage.world.source("photos").join("of another disk"), "x");
    stage.until_held("is on another file system");
    stage.nothing_was_lost();
    mounted.unmount();
    stage.mount();
    stage.comes_back();
}

#[test]
fn r06_a_nested_mount_that_goes_makes_its_folder_unavailable_and_not_deleted() {
    let Some(mut stage) = Stage::new() else { return };
    let inside = stage.world.source("photos").join("cards");
    let card = Image::make(stage.world.path("card.img"), 8);
    let mounted = card.mount(&inside);
    for number in 0..5 {
        write(&inside.join(format!("{number}")), format!("on the card {number}"));
    }
    stage.world.start();
    stage.settled();

    mounted.unmount();
    // The rest of the mirror goes on, its removals too.
    fs::remove_file(stage.world.source("photos").join("one")).unwrap();
    until("the removal beside it is followed", || {
        let there = tree::in_account(&stage.world.emulator, "/backup/photos");
        (!there.contains_key("one")).then_some(())
    });
    until("the folder is told to be unavailable", || {
        let problems = stage.world.mirror("photos")["problems"].to_string();
        problems.contains("cards").then_some(())
    });
    stage.world.run(&["sync"]).expect(3).says("problem");
    let on_card = inside.join("1");
    let why = stage.world.run(&["why", on_card.to_str().unwrap()]).expect(0);
    why.says("the file system that was here is not mounted").says("the copy of 20");
    let there = tree::in_account(&stage.world.emulator, "/backup/photos");
    assert_eq!(there.keys().filter(|path| path.starts_with("cards/")).count(), 5);

    let mounted = card.mount(&inside);
    write(&inside.join("5"), "new on the card");
    stage.world.until_mirrored("photos");
    until("the problem is gone", || {
        (stage.world.mirror("photos")["problem_count"] == 0).then_some(())
    });
    stage.world.assert_at_rest();
    drop(stage.world.take_service());
    mounted.unmount();
}

/// Mounts the folder `what` at the folder `at`, which gets the device of what is around it.
fn bind(what: &Path, at: &Path) -> Mounted {
    fs::create_dir_all(at).unwrap();
    run(Command::new("mount").arg("--bind").args([what, at]));
    assert_eq!(device(at), device(at.parent().unwrap()), "the device tells no mount point");
    Mounted { at: at.to_owned() }
}

fn device(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).unwrap().dev()
}

#[test]
fn z48_a_bind_mount_that_goes_or_is_another_makes_its_folder_unavailable_and_not_deleted() {
    let Some(mut stage) = Stage::new() else { return };
    let (card, other) = (stage.world.path("card"), stage.world.path("other card"));
    let inside = stage.world.source("docs").join("cards");
    for number in 0..5 {
        write(&card.join(format!("{number}")), format!("on the card {number}"));
        write(&card.join(format!("deep/{number}")), format!("deep on the card {number}"));
        write(&other.join(format!("of another {number}")), "x");
    }
    let mounted = bind(&card, &inside);
    stage.world.start();
    stage.settled();
    stage.world.until_mirrored("docs");
    stage.world.run(&["sync"]).expect(0);

    let docs = |stage: &Stage| tree::in_account(&stage.world.emulator, "/backup/docs");
    let stays = |stage: &Stage, beside: &str| {
        // The rest of the mirror goes on.
        fs::rename(
            stage.world.source("docs").join("letter 0"),
            stage.world.source("docs").join(beside),
        )
        .unwrap();
        until("the change beside it is followed", || {
            docs(stage).contains_key(beside).then_some(())
        });
        until("the folder is told to be unavailable", || {
            let problems = stage.world.mirror("docs")["problems"].to_string();
            (problems.contains("cards") && problems.contains("not mounted")).then_some(())
        });
        stage.world.run(&["sync", "docs"]).expect(3);
        let there = docs(stage);
        assert_eq!(there.keys().filter(|path| path.starts_with("cards/")).count(), 10, "{there:?}");
        fs::rename(
            stage.world.source("docs").join(beside),
            stage.world.source("docs").join("letter 0"),
        )
        .unwrap();
    };
    mounted.unmount();
    stays(&stage, "while it is unmounted");
    let mounted = bind(&other, &inside);
    stays(&stage, "while another is mounted");
    mounted.unmount();

    let mounted = bind(&card, &inside);
    write(&inside.join("5"), "new on the card");
    stage.world.until_mirrored("docs");
    until("the problem is gone", || {
        (stage.world.mirror("docs")["problem_count"] == 0).then_some(())
    });
    stage.world.assert_at_rest();
    // A restart gives every mount another number, and changes nothing.
    drop(stage.world.take_service());
    mounted.unmount();
    let mounted = bind(&card, &inside);
    let sent = stage.world.emulator.bytes_received();
    stage.world.run(&["sync", "docs"]).expect(0);
    assert_eq!(stage.world.emulator.bytes_received(), sent);
    mounted.unmount();
}

#[test]
fn r08_a_source_that_may_not_be_read_is_waited_for() {
    use std::os::unix::fs::PermissionsExt;

    let Some(mut stage) = Stage::new() else { return };
    let Some(User::Nobody) = PROGRAM.ordinary_user() else {
        return eprintln!("skipped: another user cannot be had");
    };
    stage.world.user = User::Nobody;
    stage.world.hand_over();
    stage.world.start();
    stage.settled();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&stage.world.source("photos"), 0);
    stage.until_held("cannot be read");
    stage.nothing_was_lost();
    mode(&stage.world.source("photos"), 0o755);
    stage.comes_back();
}

#[test]
fn r11_an_automount_that_expires_is_waited_for() {
    let Some(mut stage) = Stage::new() else { return };
    // An automounter does not leave an empty folder of the same disk, but a file system of its own.
    stage.unmount();
    let trigger = tmpfs(&stage.world.source("photos"), 1 << 20);
    stage.mount();
    stage.world.start();
    stage.settled();
    stage.unmount();
    stage.until_held("is empty");
    stage.nothing_was_lost();
    stage.mount();
    stage.comes_back();
    drop(stage.world.take_service());
    stage.unmount();
    trigger.unmount();
}

#[test]
fn r12_a_source_that_was_rolled_back_to_a_snapshot_is_followed_and_the_guard_holds() {
    let Some(mut stage) = Stage::new() else { return };
    let snapshot = stage.world.path("snapshot.img");
    stage.mounted.take().unwrap().unmount();
    let old = stage.image.copy(snapshot);
    stage.mount();
    let source = stage.world.source("photos");
    fs::write(source.join("one"), "edited since").unwrap();
    for number in 0..150 {
        write(&source.join(format!("since/{number}")), format!("since the snapshot {number}"));
    }
    stage.world.start();
    stage.settled();

    stage.unmount();
    stage.image = old;
    stage.mount();
    stage.until_held("150 removals are held");
    // Files that it holds now are mirrored, files that it no longer holds stay.
    let there = tree::in_account(&stage.world.emulator, "/backup/photos");
    assert_eq!(there["one"], b"content of one");
    assert_eq!(there.keys().filter(|path| path.starts_with("since/")).count(), 150);
    stage.world.run(&["approve", "photos"]).expect(0);
    stage.world.until_mirrored("photos");
    stage.world.assert_at_rest();
}
