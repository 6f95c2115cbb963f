//! The server is gone: the commands that its administrator types on another one.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use fichier_testkit::tree::on_disk;
use fichier_testkit::{Machine, until};
use rustix::process::Signal;

use crate::PROGRAM;

/// The facts about files that their names and bytes do not tell.
fn facts(folder: &Path) -> Vec<String> {
    let mut folders = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let here = path.symlink_metadata().unwrap();
            let (mode, s, ns) = (here.mode(), here.mtime(), here.mtime_nsec());
            let below = path.strip_prefix(folder).unwrap().display().to_string();
            let names = if here.is_dir() { 0 } else { here.nlink() };
            found
                .push(format!("{below} {mode:o} {s}.{ns} {names} {:?}", fs::read_link(&path).ok()));
            if here.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

fn fill(source: &Path) {
    for number in 0..40 {
        let folder = source.join(format!("{}", number % 7));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("file {number}")), format!("{number} ").repeat(50)).unwrap();
    }
    fs::write(source.join("empty"), "").unwrap();
    fs::create_dir(source.join("nothing here")).unwrap();
    symlink("0/file 0", source.join("link")).unwrap();
    fs::hard_link(source.join("0/file 0"), source.join("1/another name")).unwrap();
    fs::set_permissions(source.join("2/file 2"), fs::Permissions::from_mode(0o640)).unwrap();
    let file = fs::File::options().append(true).open(source.join("3/file 3")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789)).unwrap();
}

/// A settled mirror of every kind of entry, with a copy of its records at the service.
fn mirrored() -> Machine {
    let mut world = Machine::of(PROGRAM);
    fill(&world.source("photos"));
    world.start();
    world.until_mirrored("photos");
    world.until_chores_done("photos");
    world
}

fn stop(world: &mut Machine) {
    world.service().signal(Signal::TERM);
    assert_eq!(world.take_service().ended(), Some(0));
}

/// Disk, state and configuration are gone. A new machine has the key, and is told where the
/// emulated service is.
fn burn_down(world: &mut Machine) {
    stop(world);
    fs::remove_dir_all(world.path("state")).unwrap();
    fs::remove_dir_all(world.source("photos")).unwrap();
    let config = fs::read_to_string(world.config()).unwrap();
    let account = config.split("[[mirror]]").next().unwrap();
    fs::write(world.config(), account).unwrap();
}

/// The configuration of the lost machine.
fn use_recovered_configuration(world: &Machine) {
    fs::copy(world.path("state/recovered.toml"), world.config()).unwrap();
}

#[test]
fn a_server_that_burnt_down_is_put_back_with_key_and_target() {
    let mut world = mirrored();
    let source = world.source("photos");
    let sheet = world.run(&["recovery-sheet"]).expect(0).stdout;
    assert!(!sheet.contains(world.emulator.api_key()));
    let (before, facts_before) = (on_disk(&source), facts(&source));
    let config = fs::read_to_string(world.config()).unwrap();
    burn_down(&mut world);

    // The command as the recovery sheet has it.
    let line = sheet.lines().find(|line| line.contains("fichierd recover")).unwrap();
    let arguments: Vec<&str> = line.split_whitespace().skip(1).collect();
    let recovered = world.run_with_password(&arguments).expect(0);
    recovered.says("recovered `photos`").says("recovered.toml").says("fichierd restore photos");
    assert_eq!(fs::read_to_string(world.path("state/recovered.toml")).unwrap(), config);
    // Without a configuration the recovered mirror can be looked at, and restored.
    world.run(&["ls", "photos"]).expect(0).says("nothing here");
    let elsewhere = world.path("elsewhere");
    world.run_with_password(&["restore", "photos", elsewhere.to_str().unwrap()]).expect(0);
    assert_eq!(on_disk(&elsewhere), before);
    assert_eq!(facts(&elsewhere), facts_before);

    // With the old configuration the mirror goes on, and sends nothing again.
    use_recovered_configuration(&world);
    fs::create_dir(&source).unwrap();
    world.run(&["restore", "photos", source.to_str().unwrap(), "--in-place"]).expect(0);
    assert_eq!(facts(&source), facts_before);
    let mark = world.emulator.calls();
    world.start();
    world.until_done("disk and records were compared", || {
        world.mirror("photos")["last_success"].as_str().map(|_| ())
    });
    world.until_chores_done("photos");
    assert_eq!(on_disk(&source), before);
    world.assert_mirrored();
    let calls = world.emulator.calls_since(mark);
    let uploads = calls.iter().filter(|call| *call == "upload.cgi").count();
    assert!(uploads <= 1, "only a snapshot is sent: {calls:?}");
    world.emulator.assert_no_violations();
}

#[test]
fn a_service_that_is_started_before_the_restore_removes_nothing() {
    let mut world = mirrored();
    let source = world.source("photos");
    let before = on_disk(&source);
    burn_down(&mut world);
    world.run_with_password(&["recover", "--target", "/backup/photos"]).expect(0);
    use_recovered_configuration(&world);
    fs::create_dir(&source).unwrap();
    fs::write(source.join("new"), "written since").unwrap();
    world.start();
    until("the mirror is held", || (world.mirror("photos")["state"] == "held").then_some(()));
    world.run(&["restore", "photos", source.to_str().unwrap(), "--in-place"]).expect(0);
    world.until_mirrored("photos");
    let mut after = on_disk(&source);
    assert!(after.remove("new").is_some());
    assert_eq!(after, before);
    world.emulator.assert_no_violations();
}

#[test]
fn a_recovery_that_is_killed_ten_times_goes_on_with_and_without_a_snapshot() {
    for with_snapshot in [true, false] {
        let mut world = mirrored();
        let before = on_disk(&world.source("photos"));
        burn_down(&mut world);
        if !with_snapshot {
            world.emulator.remove_folder("/backup/photos/.fichierd/state");
        }
        for kill in 1..=10_usize {
            let calls = world.emulator.calls();
            let mut recovering = world
                .command(&["recover", "--target", "/backup/photos"])
                .args(world.password_options())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            until("it is some way", || {
                let ended = recovering.try_wait().unwrap().is_some();
                (ended || world.emulator.calls() - calls > kill % 7).then_some(())
            });
            recovering.kill().unwrap();
            recovering.wait().unwrap();
        }
        // A recovery that ended before it was killed is known as such (4).
        let last = world.run_with_password(&["recover", "--target", "/backup/photos"]);
        assert!([0, 3, 4].contains(&last.code), "{} {}{}", last.code, last.stdout, last.stderr);
        let dest = world.path("elsewhere");
        world.run_with_password(&["restore", "photos", dest.to_str().unwrap()]).expect(0);
        assert_eq!(on_disk(&dest), before, "{with_snapshot}");
        world.emulator.assert_no_violations();
    }
}
