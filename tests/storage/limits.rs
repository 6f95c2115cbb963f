//! The kernel allows less than the service would like: watches, inotify instances, descriptors,
//! memory.

use std::fs;
use std::process::{Command, Stdio};

use fichier_testkit::{Machine, User, until, write};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::PROGRAM;

/// Runs the program in a user namespace after the shell commands `setup`, which may set limits
/// there. `None`, with the reason printed, if that is not permitted.
fn limited(setup: &str) -> Option<Command> {
    let tried = Command::new("unshare").args(["-Ur", "true"]).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system does not permit `unshare -Ur`");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-ec", &format!("{setup}\nexec \"$@\""), "sh"]);
    Some(PROGRAM.started_by(command))
}

fn forty_folders(world: &Machine) {
    for number in 0..40 {
        write(&world.source("photos").join(format!("{number}/first")), format!("first {number}"));
    }
}

fn write_everywhere(world: &Machine, name: &str) {
    for number in 0..40 {
        let path = world.source("photos").join(format!("{number}/{name}"));
        write(&path, format!("{name} {number}"));
    }
}

fn until_watch(world: &Machine, mode: &str) {
    until(&format!("the watch is {mode}"), || {
        (world.mirror("photos")["watch"]["mode"] == mode).then_some(())
    });
}

#[test]
fn w02_folders_beyond_the_watch_limit_are_polled_and_status_tells_which_setting_to_raise() {
    let Some(command) = limited("echo 20 > /proc/sys/user/max_inotify_watches") else { return };
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "rescan = \"1s\"");
    forty_folders(&world);
    world.start_with(command);
    until_watch(&world, "partly");
    world.run(&["status"]).expect(0).says("fs.inotify.max_user_watches");
    assert!(world.log().contains("fs.inotify.max_user_watches"), "it is logged");
    write_everywhere(&world, "second");
    world.until_mirrored("photos");
    world.assert_at_rest();
}

#[test]
fn w03_a_watch_limit_that_is_hit_later_is_told_and_ends_when_it_is_raised() {
    let Some(command) = limited("echo 60 > /proc/sys/user/max_inotify_watches") else { return };
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "rescan = \"1s\"");
    forty_folders(&world);
    world.start_with(command);
    until_watch(&world, "watching");
    for number in 0..40 {
        write(&world.source("photos").join(format!("{number}/deep/file")), format!("{number}"));
    }
    until_watch(&world, "partly");
    world.until_mirrored("photos");
    // The limit belongs to the service's user namespace.
    let service = world.service().id().as_raw_nonzero();
    let raise = "echo 500 > /proc/sys/user/max_inotify_watches";
    let raised = Command::new("nsenter")
        .args(["-t", &service.to_string(), "-U", "--preserve-credentials", "sh", "-c", raise])
        .status();
    assert!(raised.unwrap().success());
    until_watch(&world, "watching");
    write_everywhere(&world, "second");
    world.until_mirrored("photos");
    world.assert_at_rest();
}

#[test]
fn w04_without_an_inotify_instance_the_mirror_is_polled() {
    let Some(command) = limited("echo 0 > /proc/sys/user/max_inotify_instances") else { return };
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "rescan = \"1s\"");
    forty_folders(&world);
    world.start_with(command);
    until_watch(&world, "polling");
    world.run(&["status"]).expect(0).says("fs.inotify.max_user_instances");
    write_everywhere(&world, "second");
    fs::remove_dir_all(world.source("photos").join("7")).unwrap();
    world.until_mirrored("photos");
    world.assert_at_rest();
}

#[test]
fn o01_with_few_descriptors_it_is_slower_and_loses_nothing() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "rescan = \"1s\"");
    for number in 0..300 {
        let place = format!("{}/{}/{number}", number % 12, number % 5);
        write(&world.source("photos").join(place), format!("content of {number}"));
    }
    let mut command = Command::new("sh");
    command.args(["-ec", "ulimit -n 64; exec \"$@\"", "sh"]);
    world.start_with(PROGRAM.started_by(command));
    world.until_mirrored("photos");
    world.until_chores_done("photos");
    // No descriptor is left for anything while no file is sent, and it goes on by itself.
    let service = world.service().id();
    let open = fs::read_dir(format!("/proc/{}/fd", service.as_raw_nonzero())).unwrap().count();
    let limit = |most: usize| Rlimit { current: Some(most as u64), maximum: Some(64) };
    prlimit(Some(service), Resource::Nofile, limit(open)).unwrap();
    fs::remove_file(world.source("photos").join("0/0/0")).unwrap();
    write(&world.source("photos").join("1/1/1"), "edited without a descriptor to read it by");
    write(&world.source("photos").join("new/folder/file"), "new");
    until("it reports the error", || world.log().contains("Too many open files").then_some(()));
    prlimit(Some(service), Resource::Nofile, limit(64)).unwrap();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.assert_mirrored();
}

#[test]
fn o01_without_another_thread_a_new_mirror_is_looked_at_and_status_tells_which_setting_to_raise() {
    let Some(User::Nobody) = PROGRAM.ordinary_user() else {
        eprintln!("skipped: the limit of threads holds for ordinary users, and none can be had");
        return;
    };
    let mut world = Machine::of(PROGRAM);
    world.user = User::Nobody;
    world.add_mirror("photos", "rescan = \"1s\"");
    forty_folders(&world);
    world.hand_over();
    world.start();
    world.until_mirrored("photos");
    let service = world.service().id();
    // Set by the user of the service: only that user may, where the tests have no CAP_SYS_RESOURCE.
    let threads = |most: &str| {
        let mut set = Command::new("setpriv");
        set.args(["--reuid=65534", "--regid=65534", "--clear-groups", "prlimit"]);
        set.arg(format!("--pid={}", service.as_raw_nonzero()));
        assert!(set.arg(format!("--nproc={most}:")).status().unwrap().success());
    };
    let usual =
        getrlimit(Resource::Nproc).current.map_or("unlimited".to_owned(), |n| n.to_string());
    threads("1");
    world.add_mirror("letters", "rescan = \"1s\"");
    write(&world.source("letters").join("a/b"), "b");
    world.hand_over();
    world.service().signal(Signal::HUP);
    until("the unread file is told of", || {
        world.log().contains("no thread is left to read it (see `TasksMax`)").then_some(())
    });
    assert_eq!(world.mirror("letters")["watch"]["mode"], "off");
    world.run(&["status"]).expect(0).says("TasksMax");
    write_everywhere(&world, "second");
    write(&world.source("letters").join("a/b"), "another");
    threads(&usual);
    world.until_mirrored("photos");
    world.until_mirrored("letters");
    until("letters are watched", || {
        (world.mirror("letters")["watch"]["mode"] == "watching").then_some(())
    });
    world.assert_mirrored();
    assert_eq!(world.log().matches("INFO started").count(), 1, "{}", world.log());
}
