//! Tests that need limits or mounts of their own: they run this test program once more, in a user and
//! mount namespace, where the kernel lets an ordinary user set both.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::super::{MountWatch, WatchMode};
use super::{NEVER, World};

/// Set in the second process, to a text from the test.
const INSIDE: &str = "FICHIERD_TEST_INSIDE";

const POLL: Duration = Duration::from_millis(50);

/// True inside the namespaces. Outside, runs `test` there after the shell commands `setup`, and
/// returns false.
fn inside_namespaces(test: &str, setup: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let permitted = Command::new("unshare").args(["-Urm", "true"]).stderr(Stdio::null()).status();
    if !permitted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system does not permit `unshare -Urm`");
        return false;
    }
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-ec", &format!("{setup}\nexec \"$@\""), "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("disk::watch::tests::namespaces::{test}")])
        .env(INSIDE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

fn set_watch_limit(limit: u32) {
    fs::write("/proc/sys/user/max_inotify_watches", limit.to_string()).unwrap();
}

fn forty_folders(root: &Path) {
    for number in 0..40 {
        fs::create_dir_all(root.join(format!("{number}"))).unwrap();
    }
}

#[test]
fn w02_beyond_the_watch_limit_folders_are_polled_and_the_advice_names_the_setting() {
    if !inside_namespaces(
        "w02_beyond_the_watch_limit_folders_are_polled_and_the_advice_names_the_setting",
        "echo 20 > /proc/sys/user/max_inotify_watches",
    ) {
        return;
    }
    let world = World::with(POLL, |_| false, forty_folders);
    let health = world.health();
    assert_eq!((health.watched_folders, health.unwatched_folders), (20, 21));
    let WatchMode::Partly { advice } = health.mode else { panic!("{health:?}") };
    assert!(advice.contains("sysctl -w fs.inotify.max_user_watches="), "{advice}");
    assert!(advice.contains("21 folders are"), "{advice}");
    for number in 0..40 {
        world.write(&format!("{number}/file"), "content");
    }
    world.converge();
    assert!(!world.marks().contains(&"*".to_owned()));
}

#[test]
fn w03_when_the_limit_is_raised_the_rest_is_watched() {
    if !inside_namespaces(
        "w03_when_the_limit_is_raised_the_rest_is_watched",
        "echo 45 > /proc/sys/user/max_inotify_watches",
    ) {
        return;
    }
    let world = World::with(POLL, |_| false, forty_folders);
    assert_eq!(world.health().mode, WatchMode::Watching);
    world.mkdir("more/a/b/c/d/e/f");
    world.until("the limit is hit", || matches!(world.health().mode, WatchMode::Partly { .. }));
    world.write("more/a/b/c/d/e/f/file", "polled");
    world.converge();
    set_watch_limit(1_000);
    world.until("all are watched", || world.health().mode == WatchMode::Watching);
    assert_eq!(world.health().unwatched_folders, 0);
    world.converge();
    world.assert_all_watched();
}

#[test]
fn w04_without_an_inotify_instance_the_mirror_is_polled_until_there_is_one() {
    if !inside_namespaces(
        "w04_without_an_inotify_instance_the_mirror_is_polled_until_there_is_one",
        "echo 0 > /proc/sys/user/max_inotify_instances",
    ) {
        return;
    }
    let world = World::with(POLL, |_| false, forty_folders);
    let WatchMode::Polling { reason } = world.health().mode else { panic!("{:?}", world.health()) };
    assert!(reason.contains("fs.inotify.max_user_instances"), "{reason}");
    world.write("7/file", "found by polling");
    world.converge();
    fs::write("/proc/sys/user/max_inotify_instances", "16").unwrap();
    world.until_watched(41);
    assert_eq!(world.health().mode, WatchMode::Watching);
}

#[test]
fn an_unreadable_folder_is_polled_alone_and_watched_once_it_can_be_read() {
    if !inside_namespaces(
        "an_unreadable_folder_is_polled_alone_and_watched_once_it_can_be_read",
        // As a user without the right to read everything.
        "exec unshare -U \"$@\"",
    ) {
        return;
    }
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let world = World::with(
        POLL,
        |_| false,
        |root| {
            forty_folders(root);
            mode(&root.join("7"), 0);
        },
    );
    let health = world.health();
    assert_eq!((health.watched_folders, health.unwatched_folders), (40, 1));
    let WatchMode::Partly { advice } = health.mode else { panic!("{health:?}") };
    assert!(advice.starts_with("1 folder may not be read"), "{advice}");
    mode(&world.path("7"), 0o700);
    world.until_watched(41);
    assert_eq!(world.health().mode, WatchMode::Watching);
    world.mirror.borrow_mut().marks.clear();
    world.assert_all_watched();
}

#[test]
fn w17_a_file_system_mounted_and_unmounted_below_marks_everything_and_is_watched() {
    if !inside_namespaces(
        "w17_a_file_system_mounted_and_unmounted_below_marks_everything_and_is_watched",
        "mount --make-rprivate /",
    ) {
        return;
    }
    let world = World::prepared(|root| fs::create_dir(root.join("disk")).unwrap());
    let run = |command: &str| {
        let words: Vec<_> = command
            .split(' ')
            .chain([world.root.join("disk").to_str().unwrap()])
            .map(str::to_owned)
            .collect();
        assert!(Command::new(&words[0]).args(&words[1..]).status().unwrap().success(), "{words:?}");
    };
    for _ in 0..3 {
        run("mount -t tmpfs none");
        world.mkdir("disk/folder");
        world.write("disk/folder/file", "on the disk");
        world.converge();
        world.until_watched(3);
        assert!(world.mirror.borrow().marks.contains(&"*".to_owned()));
        world.mirror.borrow_mut().marks.clear();
        world.write("disk/folder/more", "reported");
        world.converge();
        assert!(!world.mirror.borrow().marks.contains(&"*".to_owned()));

        run("umount -l");
        world.converge();
        assert!(world.mirror.borrow().marks.contains(&"*".to_owned()));
        world.until_watched(2);
    }
}

#[test]
fn w17_a_mount_elsewhere_wakes_but_does_not_concern_a_mirror() {
    if !inside_namespaces(
        "w17_a_mount_elsewhere_wakes_but_does_not_concern_a_mirror",
        "mount --make-rprivate /",
    ) {
        return;
    }
    let world = World::start();
    let mounts = MountWatch::start().unwrap();
    let root = world.root.canonicalize().unwrap();
    let before = (mounts.generation(), mounts.concerning(&root));
    let outside = world.outside.to_str().unwrap();
    assert!(
        Command::new("mount").args(["-t", "tmpfs", "none", outside]).status().unwrap().success()
    );
    world.until("the change is noticed", || mounts.generation() > before.0);
    assert_eq!(mounts.concerning(&root), before.1);
    assert_eq!(world.marks(), Vec::<String>::new());
}

#[test]
fn a_folder_that_is_mounted_twice_is_polled_at_its_second_place() {
    if !inside_namespaces(
        "a_folder_that_is_mounted_twice_is_polled_at_its_second_place",
        "mount --make-rprivate /",
    ) {
        return;
    }
    let world = World::with(
        POLL,
        |_| false,
        |root| {
            fs::create_dir_all(root.join("one")).unwrap();
            fs::create_dir_all(root.join("two")).unwrap();
            let (one, two) = (root.join("one"), root.join("two"));
            assert!(
                Command::new("mount").arg("--bind").args([one, two]).status().unwrap().success()
            );
        },
    );
    assert_eq!(world.health().unwatched_folders, 1);
    world.write("one/file", "seen twice");
    world.converge();
    assert!(world.mirror.borrow().entries.contains_key("two/file"));
}

#[test]
fn w01_after_an_overflow_nothing_is_lost() {
    let test = "disk::watch::tests::namespaces::w01_after_an_overflow_nothing_is_lost";
    if let Some(signals) = env::var_os(INSIDE) {
        return be_stopped_while_events_overflow(Path::new(&signals));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(INSIDE, dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ready = super::wait_for_file(&dir.path().join("ready"));
    let root = Path::new(&ready);
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::STOP).unwrap();
    // Four events each; the kernel keeps 16,384 by default.
    for number in 0..6_000 {
        fs::write(root.join(format!("{number}")), "content").unwrap();
    }
    fs::create_dir_all(root.join("made/unseen")).unwrap();
    rustix::process::kill_process(pid, Signal::CONT).unwrap();
    fs::write(dir.path().join("done"), "done").unwrap();
    assert!(child.wait().unwrap().success());
}

fn be_stopped_while_events_overflow(signals: &Path) {
    let world = World::with(NEVER, |_| false, |_| ());
    fs::write(signals.join("ready.tmp"), world.root.to_str().unwrap()).unwrap();
    fs::rename(signals.join("ready.tmp"), signals.join("ready")).unwrap();
    super::wait_for_file(&signals.join("done"));
    world.until("the overflow is noted", || world.health().overflows > 0);
    world.converge();
    world.until_watched(3);
    world.mirror.borrow_mut().marks.clear();
    world.assert_all_watched();
}
