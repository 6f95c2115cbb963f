//! `sync --dry-run` tells what a `sync` then does, and what that costs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fichier_testkit::{Machine, write};

use crate::PROGRAM;

/// Compares the number of calls that a dry run tells with that of the `sync` after it: not more than
/// one in ten may be missing, or too many.
#[track_caller]
fn compare(world: &Machine, what: &str) -> String {
    let (told, expected, made) = told_and_made(world, what);
    let is_near = expected.abs_diff(made.len()) * 10 <= made.len();
    assert!(is_near, "{what}: {} calls were made; told was: {told}\n{made:#?}", made.len());
    told
}

/// What a dry run prints, the calls that it tells, and those of the `sync` after it.
#[track_caller]
fn told_and_made(world: &Machine, what: &str) -> (String, usize, Vec<String>) {
    let told = world.run(&["sync", "--dry-run"]).expect(0);
    assert!(!told.stderr.contains("WARN"), "{what}: {}", told.stderr);
    let sum = told.stdout.lines().last().unwrap().to_owned();
    let (before, _) = sum.split_once(" call").expect(&sum);
    let (_, number) = before.rsplit_once(' ').unwrap();
    let expected: usize = number.replace(',', "").parse().unwrap();
    let mark = world.emulator.calls();
    let done = world.run(&["sync"]);
    assert!([0, 3].contains(&done.code), "{what}: {}{}", done.stdout, done.stderr);
    let made = world.emulator.calls_since(mark);
    assert_eq!(shown_calls(&done.stdout), made.len(), "Z104: {what}: {}", done.stdout);
    (told.stdout, expected, made)
}

/// The calls that a `sync` tells, of all mirrors together.
fn shown_calls(stdout: &str) -> usize {
    let of_line = |line: &str| {
        let (before, _) = line.split_once(" call")?;
        before.rsplit_once(' ')?.1.replace(',', "").parse::<usize>().ok()
    };
    stdout.lines().filter_map(of_line).sum()
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}

#[test]
fn z29_a_dry_run_tells_the_calls_that_a_sync_makes() {
    let mut world = Machine::of(PROGRAM);
    // A file that is still being written would be sent by a second upload.
    world.add_mirror("photos", "settle = \"0s\"");
    let source = world.source("photos");
    for number in 0..30 {
        let path = format!("{}/{}/{number}", number % 3, number % 2);
        write(&source.join(path), format!("content {number}").repeat(100));
    }
    write(&source.join("empty"), "");
    let told = compare(&world, "the first mirror");
    assert!(told.contains("send 0/0/0 (900 B)"), "{told}");
    compare(&world, "nothing to do");
    write(&source.join("0/0/0"), "edited");
    compare(&world, "an edit");
    for number in [6, 12, 18, 24] {
        write(&source.join(format!("0/0/{number}")), format!("edited {number}"));
    }
    write(&source.join("1/1/1"), "edited 1");
    compare(&world, "more edits");
    fs::rename(source.join("2/0/2"), source.join("2/0/two")).unwrap();
    fs::rename(source.join("2/0/8"), source.join("1/0/8")).unwrap();
    compare(&world, "renames");
    fs::rename(source.join("1"), source.join("one")).unwrap();
    compare(&world, "a folder is renamed");
    remove(&source.join("0/1/3"));
    remove(&source.join("0/1/9"));
    fs::remove_dir_all(source.join("2/1")).unwrap();
    compare(&world, "deletions");
    for number in [3, 9] {
        let path = format!("0/1/{number}");
        write(&source.join(path), format!("content {number}").repeat(100));
    }
    write(&source.join("2/1/eleven"), "content 11".repeat(100));
    write(&source.join("1/0/8"), "edited by mistake");
    let told = compare(&world, "files that are back");
    assert!(told.contains("bring back 0/1/3\n"), "{told}");
    write(&source.join("2/0/8"), "content 8".repeat(100));
    write(&source.join("new/deep/file"), "new");
    write(&source.join("new/file"), "new too");
    fs::copy(source.join("0/0/0"), source.join("new/copy")).unwrap();
    compare(&world, "new folders and a copy");
    compare(&world, "nothing to do at the end");
    world.add_mirror("letters", "");
    write(&world.source("letters").join("one"), "one");
    let told = compare(&world, "a second mirror");
    assert!(told.lines().last().unwrap().starts_with("together: "), "{told}");
}

#[test]
fn z29_a_dry_run_follows_a_new_name_and_tells_that_a_new_target_waits() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.run(&["sync"]).expect(0);
    let config = fs::read_to_string(world.config()).unwrap();
    let renamed = config.replace("name = \"photos\"", "name = \"pictures\"");
    fs::write(world.config(), &renamed).unwrap();
    compare(&world, "another name and nothing to do");
    fs::write(world.config(), &config).unwrap();
    write(&world.source("photos").join("two"), "two");
    compare(&world, "the former name and a new file");
    fs::write(world.config(), config.replace("/backup/photos", "/elsewhere/photos")).unwrap();
    let told = world.run(&["sync", "--dry-run"]).expect(4);
    assert!(told.stdout.contains("fichierd approve photos"), "{}", told.stdout);
    world.run(&["sync"]).expect(4).says("fichierd approve photos");
}

#[test]
fn z29_the_sum_of_a_dry_run_is_of_everything_and_comes_last() {
    let world = Machine::of(PROGRAM);
    // More than one cycle takes on.
    for number in 0..20_500 {
        write(&world.source("photos").join(format!("{}/{number}", number % 100)), "x");
    }
    let told = world.run(&["sync", "--dry-run"]).expect(0);
    let sum = told.stdout.lines().last().unwrap();
    assert!(sum.starts_with("photos: 20,500 files to send (20.0 KiB); "), "{sum}");
    assert_eq!(told.stdout.lines().filter(|line| line.starts_with("send ")).count(), 20_500);
}

#[test]
fn e18_the_mark_of_an_encrypted_target_is_counted() {
    let mut world = Machine::of(PROGRAM);
    let password = world.path("password");
    fs::write(&password, "correct horse battery staple\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let setting =
        format!("settle = \"0s\"\nencrypt = {{ password_file = \"{}\" }}", password.display());
    world.add_mirror("photos", &setting);
    for number in 0..3 {
        write(&world.source("photos").join(format!("photo {number}")), format!("photo {number}"));
    }
    let (told, expected, made) = told_and_made(&world, "the first files");
    assert_eq!(expected, made.len(), "{told}{made:#?}");
    // It is counted until it is there.
    write(&world.source("photos").join("photo 3"), "photo 3");
    let (told, expected, made) = told_and_made(&world, "another file");
    assert_eq!(expected, made.len(), "{told}{made:#?}");
}
