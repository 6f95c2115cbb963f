//! Names and kinds of files that the two sides see differently: rows N01 to N08 of the faults.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use fichier_api::names::RemoteName;
use fichier_emulator::{Action, Emulator, Fault, NameTaken, Rules};
use fichier_testkit::{Machine, crypt, tree, write};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use crate::PROGRAM;

const TARGET: &str = "/backup/photos";

/// Set for the run in a mount namespace of its own.
const INSIDE: &str = "FICHIERD_TEST_INSIDE";

fn mirrored(world: &Machine) {
    world.run(&["sync"]).expect(0);
    world.assert_mirrored();
}

/// Checks that the second of two runs finds nothing to do.
fn is_idle(world: &Machine) {
    let before = world.emulator.calls();
    world.run(&["sync"]).expect(0);
    let calls = world.emulator.calls_since(before);
    assert_eq!(calls, Vec::<String>::new());
}

/// Checks that restored files have the very same bytes in names and contents.
fn assert_restored_as_it_was(world: &Machine) {
    let dest = world.path("restored");
    world.run(&["restore", "photos", dest.to_str().unwrap()]).expect(0);
    let listing = |folder: &Path| {
        let mut found = Vec::new();
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => open.push(entry.path()),
                    kind if kind.is_file() => {
                        found.push((entry.path(), fs::read(entry.path()).unwrap()))
                    }
                    _ => found.push((
                        entry.path(),
                        fs::read_link(entry.path()).unwrap().as_os_str().as_bytes().to_vec(),
                    )),
                }
            }
        }
        let below = |(path, content): (std::path::PathBuf, Vec<u8>)| {
            (path.strip_prefix(folder).unwrap().to_owned(), content)
        };
        let mut found: Vec<_> = found.into_iter().map(below).collect();
        found.sort();
        found
    };
    assert_eq!(listing(&world.source("photos")), listing(&dest));
}

#[test]
fn n01_names_that_are_no_text_come_back_byte_for_byte() {
    let world = Machine::of(PROGRAM);
    let names: [&[u8]; 6] =
        [b"caf\xe9", b"caf\xc3\xa9", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x80\x9bE9"];
    for name in names {
        let at = |folder: &str| world.source("photos").join(folder).join(OsStr::from_bytes(name));
        write(&at("files"), [b"in ", name].concat());
        write(&at("folders").join("inside"), name);
    }
    mirrored(&world);
    is_idle(&world);
    assert_eq!(tree::in_account(&world.emulator, TARGET).len(), 2 * names.len());
    assert_restored_as_it_was(&world);
}

#[test]
fn n02_twins_by_accent_or_case_stay_two_and_a_rename_of_the_case_alone_is_one() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for name in ["caf\u{e9}", "cafe\u{301}", "readme", "README", "Photo.JPG"] {
        write(&source.join(name), format!("content of {name}"));
    }
    mirrored(&world);
    is_idle(&world);
    let sent = world.emulator.bytes_received();
    fs::rename(source.join("Photo.JPG"), source.join("photo.jpg")).unwrap();
    let before = world.emulator.calls();
    mirrored(&world);
    let calls = world.emulator.calls_since(before);
    let is_of_files = |call: &&String| call.starts_with("file/") || call.starts_with("upload");
    let of_files: Vec<&String> = calls.iter().filter(is_of_files).collect();
    assert_eq!(of_files, ["file/rename.cgi"], "{calls:?}");
    assert_eq!(world.emulator.bytes_received(), sent);
    is_idle(&world);
    assert_restored_as_it_was(&world);
}

#[test]
fn n03_the_longest_names_and_the_deepest_trees_are_mirrored_and_restored() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for name in ["n".repeat(255), "é".repeat(127), "‛".repeat(85), "n".repeat(251) + ".jpg"] {
        write(&source.join(&name), format!("file {name}"));
        write(&source.join("folders").join(&name).join("inside"), format!("below {name}"));
    }
    let deep = (0..200).fold(source.join("deep"), |path, _| path.join("d"));
    write(&deep.join("at the bottom"), "deep");
    mirrored(&world);
    is_idle(&world);
    assert_restored_as_it_was(&world);
}

#[test]
fn n03_a_path_longer_than_the_system_takes_at_once_is_mirrored_or_said() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("above"), "above");
    let name = "d".repeat(200);
    let open = |at: &OwnedFd| openat(at, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut at = openat(CWD, &source, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..25 {
        mkdirat(&at, &name, Mode::RWXU).unwrap();
        at = open(&at);
    }
    let file = openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
    rustix::io::write(&file, b"far below").unwrap();
    let ran = world.run(&["sync"]);
    assert!(ran.code == 0 || ran.code == 3, "{}\n{}", ran.stdout, ran.stderr);
    let there = tree::in_account(&world.emulator, TARGET);
    assert_eq!(there["above"], b"above");
    let is_there = there.values().any(|content| content == b"far below");
    let mirror = world.mirror("photos");
    assert!(is_there || mirror["problem_count"] != 0, "{mirror:#}");
    assert!(is_there == (ran.code == 0), "{mirror:#}");
    world.emulator.assert_no_violations();
}

#[test]
fn n04_names_that_would_end_a_header_or_a_form_field_arrive_as_they_are() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let boundary = "a\"; filename=\"evil\"\r\n\r\nX-Evil: 1\r\n--boundary--\r\n";
    let names =
        [boundary, "\r\n\r\n", "\"", "\\\"", "%22%0d%0a", "; name=did", " edges ", "\u{7f}"];
    for name in names {
        write(&source.join(name), format!("content of {name}"));
        write(&source.join("folders").join(name).join("inside"), name);
    }
    mirrored(&world);
    is_idle(&world);
    assert_restored_as_it_was(&world);
}

#[test]
fn n05_a_file_named_as_its_long_neighbour_is_on_the_service_overwrites_nothing() {
    for behaviour in [NameTaken::Overwrite, NameTaken::Duplicate, NameTaken::Refuse] {
        let world = Machine::with(PROGRAM, |emulator| {
            emulator.rules(Rules { on_name_taken: behaviour, ..Rules::scaled(1_000) })
        });
        let source = world.source("photos");
        let long = "n".repeat(255);
        let cut = RemoteName::encode(long.as_bytes()).as_str().to_owned();
        write(&source.join(&long), "the long one");
        write(&source.join(&cut), "named as the other");
        for name in [&long, &cut] {
            write(&source.join("folders").join(name).join("inside"), format!("in {name}"));
        }
        mirrored(&world);
        is_idle(&world);
        write(&source.join(&long), "the long one, edited");
        mirrored(&world);
        write(&source.join(&cut), "named as the other, edited");
        mirrored(&world);
        fs::remove_file(source.join(&long)).unwrap();
        mirrored(&world);
        let left = tree::in_account(&world.emulator, TARGET);
        assert!(left.values().any(|content| content == b"named as the other, edited"));
    }
}

/// The files that the target shows, without its own folder.
fn visible(emulator: &Emulator) -> Vec<(String, Vec<u8>)> {
    tree::in_account(emulator, TARGET).into_iter().collect()
}

#[test]
fn n06_a_file_that_the_service_renames_is_recorded_under_its_name_and_not_sent_again() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("report.txt"), "first");
    write(&source.join("other.txt"), "other");
    let [name, changed] = ["report.txt", "report_.txt"].map(crypt::stored_file);
    let changed = Action::StoreAs(name, changed);
    world.emulator.inject(Fault::always("upload.cgi", changed));
    world.run(&["sync"]).expect(0);
    let sent = world.emulator.bytes_received();
    is_idle(&world);
    is_idle(&world);
    assert_eq!(world.emulator.bytes_received(), sent);
    assert_eq!(visible(&world.emulator).len(), 2, "{:?}", visible(&world.emulator));

    write(&source.join("report.txt"), "second");
    world.run(&["sync"]).expect(0);
    is_idle(&world);
    let contents: Vec<_> =
        visible(&world.emulator).into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents, [b"other".to_vec(), b"second".to_vec()]);
    assert_restored_as_it_was(&world);
    world.emulator.assert_no_violations();
}

#[test]
fn n07_links_that_lead_in_circles_nowhere_or_out_are_kept_as_links() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("a/b/file"), "file");
    for (to, at) in [
        ("..", "a/b/up"),
        ("self", "self"),
        ("pong", "ping"),
        ("ping", "pong"),
        ("nowhere", "dangling"),
        ("/etc", "out"),
        ("../../../../../../etc/passwd", "a/b/far out"),
    ] {
        symlink(to, source.join(at)).unwrap();
    }
    mirrored(&world);
    is_idle(&world);
    assert_eq!(tree::in_account(&world.emulator, TARGET).len(), 1);
    assert_restored_as_it_was(&world);
}

#[test]
fn n07_a_folder_that_is_mounted_below_itself_ends() {
    let test = "names::n07_a_folder_that_is_mounted_below_itself_ends";
    if std::env::var_os(INSIDE).is_none() {
        return in_own_mounts(test);
    }
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("a/file"), "file");
    fs::create_dir(source.join("a/loop")).unwrap();
    let mount = |from: &Path, at: &Path| {
        let done = Command::new("mount").arg("--rbind").args([from, at]).status().unwrap();
        assert!(done.success());
    };
    mount(&source, &source.join("a/loop"));
    mount(&source, &source.join("a/loop/a/loop"));
    world.run(&["sync"]).expect(0);
    is_idle(&world);
    world.assert_mirrored();
}

/// Runs the test again where it may mount, and where its mounts end with it.
fn in_own_mounts(test: &str) {
    let wrapped = |program: &Path| {
        let mut command = Command::new("unshare");
        command.arg("--mount").arg(program);
        command
    };
    if !wrapped(Path::new("true")).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: `unshare --mount` does not work here");
        return;
    }
    let ours = std::env::current_exe().unwrap();
    let output = wrapped(&ours).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn n08_files_that_are_there_twice_are_somebody_elses_and_stay() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let theirs = ["twice", "twice", "elsewhere", "elsewhere"].map(|name| {
        let content = crypt::stored_content(format!("theirs, {name}").as_bytes());
        world.emulator.add_file(TARGET, &crypt::stored_file(name), &content)
    });
    write(&source.join("twice"), "ours");
    write(&source.join("other"), "other");
    world.run(&["sync"]).expect(0);
    is_idle(&world);
    write(&source.join("twice"), "ours, edited");
    world.run(&["sync"]).expect(0);
    is_idle(&world);
    fs::remove_file(source.join("twice")).unwrap();
    world.run(&["sync"]).expect(0);
    let files = world.emulator.files();
    for link in &theirs {
        let file = files.iter().find(|file| file.link == *link).expect("it is never removed");
        if crypt::plain_file(&file.name) == "elsewhere" {
            assert_eq!(file.path, TARGET, "a file that is not in our way stays where it is");
        }
    }
    let ours =
        |file: &&fichier_emulator::StoredFile| file.path == TARGET && !theirs.contains(&file.link);
    let ours: Vec<_> =
        files.iter().filter(ours).map(|file| crypt::plain_file(&file.name)).collect();
    assert_eq!(ours, ["other"]);
    world.emulator.assert_no_violations();
}
