//! The way back as its user goes it: interrupted, through names of any bytes, and with commands that
//! the program has printed.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fichier_emulator::{Action, Fault};
use fichier_testkit::exact::{assert_same, describe};
use fichier_testkit::{Machine, crypt, until, write};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::PROGRAM;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn z60_a_restore_that_a_signal_ended_and_that_is_given_again_ends_exact() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for number in 0..6 {
        write(&source.join(format!("{number}/deep/file")), format!("content {number}"));
        set_mode(&source.join(format!("{number}/deep")), 0o2755 - number);
        set_mode(&source.join(number.to_string()), 0o711);
    }
    set_mode(&source, 0o750);
    world.run(&["sync"]).expect(0);
    let original = describe(&source);
    for (signal, code) in
        [(Signal::INT, Some(130)), (Signal::TERM, Some(130)), (Signal::KILL, None)]
    {
        let dest = world.path(&format!("restored {signal:?}"));
        world.emulator.inject(Fault::always("download", Action::Delay(Duration::from_millis(150))));
        let mut restoring = world
            .command(&["restore", "photos"])
            .arg(&dest)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("a file is there", || {
            let there = (0..6).any(|number| dest.join(format!("{number}/deep/file")).exists());
            (there || restoring.try_wait().unwrap().is_some()).then_some(())
        });
        kill_process(Pid::from_child(&restoring), signal).unwrap();
        assert_eq!(restoring.wait().unwrap().code(), code, "{signal:?}");
        world.emulator.clear_faults();
        let mode = fs::metadata(dest.join("0/deep")).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700, "{signal:?}: it was not interrupted");
        let again = world.run(&["restore", "photos", dest.to_str().unwrap()]).expect(0);
        assert!(
            again.stdout.lines().last().unwrap().contains("0 not restored"),
            "{}",
            again.stdout
        );
        assert_same(&original, &describe(&dest));
    }
}

/// Names that mean something to a shell, to a pattern, to a terminal or to an option parser.
const NAMES: [&[u8]; 10] = [
    b"a[1]*?.txt",
    b"it's \"quoted\" $HOME `x` \\",
    b" leading and trailing ",
    b"-rf",
    b"!not",
    b"two\nlines",
    b"esc\x1b[2Jape",
    b"caf\xE9",
    "turned \u{202e}txt.exe".as_bytes(),
    "c1 \u{9b}2J".as_bytes(),
];

#[test]
fn z69_the_command_that_is_printed_works_as_printed_for_every_name() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let at = |name: &[u8]| source.join(std::ffi::OsStr::from_bytes(name));
    for name in NAMES {
        write(&at(name), name);
        write(&at(&[name, b" too"].concat()), "another");
    }
    write(&source.join("a1xx.txt"), "matches the pattern");
    world.run(&["sync"]).expect(0);
    for (number, name) in NAMES.iter().enumerate() {
        let folder = world.path(&format!("there {number}"));
        fs::create_dir(&folder).unwrap();
        let versions = world.command(&["versions"]).arg(at(name)).output().unwrap();
        let said = String::from_utf8(versions.stdout).unwrap();
        let command = said.lines().last().unwrap().trim();
        assert!(command.starts_with("fichierd restore photos ./restored --at "), "{said}");
        let script =
            format!("fichierd() {{ \"$PROGRAM\" --config \"$CONFIG\" \"$@\"; }}\n{command}");
        let program = world.command(&[]);
        let ran = Command::new("bash")
            .arg("-c")
            .arg(script)
            .current_dir(&folder)
            .env("PROGRAM", program.get_program())
            .env("CONFIG", world.config())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{command}: {said}");
        let there: Vec<_> = fs::read_dir(folder.join("restored"))
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        assert_eq!(there, [std::ffi::OsStr::from_bytes(name)], "{command}");
        let content = fs::read(folder.join("restored").join(&there[0])).unwrap();
        assert_eq!(content, *name);
    }
}

#[test]
fn z72_no_name_reaches_a_terminal_raw_and_json_has_its_bytes() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let at = |name: &[u8]| source.join(std::ffi::OsStr::from_bytes(name));
    for name in NAMES {
        write(&at(name), name);
    }
    std::os::unix::fs::symlink("to \u{202e}\u{9b}here", source.join("link")).unwrap();
    world.start();
    world.run(&["sync"]).expect(0);
    for file in world.emulator.files() {
        let content = world.emulator.content(&file.link).map(crypt::plain_content);
        if content.as_deref() == Some(b"caf\xE9") {
            world.emulator.remove_file(&file.link);
        }
    }
    let dest = world.path("restored");
    let dest = dest.to_str().unwrap();
    let first = world.run(&["restore", "photos", dest, "--json"]).expect(3);
    let problems = json(&first.stdout)["done"]["problems"].clone();
    let bytes: Vec<u8> = serde_json::from_value(problems[0]["path"].clone()).unwrap();
    assert_eq!(bytes, b"caf\xE9");
    let escape = at(b"esc\x1b[2Jape");
    let versions = world.command(&["versions"]).arg(&escape).output().unwrap();
    let ran = [
        first,
        world.run(&["restore", "photos", dest]).expect(3).says("caf\\xE9"),
        world.run(&["restore", "photos", "/", "--dry-run"]),
        world.run(&["ls", "photos", "-R"]).expect(0).says("txt.exe"),
        world.run(&["ls", "photos", "-R", "--json"]).expect(0),
        world.run(&["diff", "photos", "--from", "now", "--to", "now"]).expect(0),
        world.run(&["verify", "photos", "--full"]).expect(3),
        world.run(&["status"]),
        world.run(&["ls", "photos", "no \u{9b} \u{202e} such"]).expect(1),
        world.run(&["versions", "/no \u{9b} \u{202e} such"]).expect(2),
    ];
    let printed = ran.iter().map(|ran| format!("{}{}", ran.stdout, ran.stderr));
    let printed: String = printed.collect::<String>() + &String::from_utf8_lossy(&versions.stdout);
    let raw = |c: &char| c.is_control() && *c != '\n' || ('\u{202a}'..='\u{202e}').contains(c);
    for text in [printed, world.log()] {
        let found: Vec<char> = text.chars().filter(raw).collect();
        assert!(found.is_empty(), "{found:?} in {text:?}");
    }
    let entries = world.run(&["ls", "photos", "--json"]).expect(0);
    let entries = json(&entries.stdout)["entries"].clone();
    let link = entries.as_array().unwrap().iter().find(|entry| entry["path"] == "link").unwrap();
    assert_eq!(link["to"], "to \u{202e}\u{9b}here");
}

#[test]
fn z73_paths_and_times_are_taken_as_people_type_them() {
    let world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("2025/05/a.jpg"), "text");
    write(&source.join("b"), "text");
    world.run(&["sync"]).expect(0);
    world.run(&["sync"]).expect(0);
    let on_disk = source.join("2025");
    let listed: Vec<String> = ["2025", "/2025", "/2025/", "./2025", on_disk.to_str().unwrap()]
        .map(|typed| world.run(&["ls", "photos", typed, "--at", "now"]).expect(0).stdout)
        .into();
    assert!(
        listed.iter().all(|text| *text == listed[0] && text.contains("2025/05/")),
        "{listed:?}"
    );
    for typed in ["now", "today", "Now"] {
        world.run(&["diff", "photos", "--from", typed, "--to", typed]).expect(0);
    }
    world.run(&["ls", "photos", "--at", "yesterday"]).expect(2).says("begins at");
    world.run(&["ls", "photos", "--at", "2 hours ago"]).expect(2).says("begins at");
    let dest = world.path("restored");
    let restored = ["restore", "photos", dest.to_str().unwrap(), "--file", "/2025"];
    world.run(&restored).expect(0).says("1 file restored");
    assert!(!dest.join("b").exists() && dest.join("2025/05/a.jpg").exists());
    let missing = ["restore", "photos", dest.to_str().unwrap(), "--file", "2024"];
    world.run(&missing).expect(1).says("held no 2024");
    world.run(&["verify", "photos", "--file", "b", "--full"]).expect(0).says("1 file");

    // A second look at a racy stamp is no other version.
    let versions = world.run(&["versions", source.join("b").to_str().unwrap()]).expect(0);
    let rows = versions.stdout.lines().filter(|line| line.contains(" mode ")).count();
    assert_eq!(rows, 1, "{}", versions.stdout);
}

#[test]
fn z76_every_download_can_be_paid_with_cdn_credits_by_an_option_or_by_the_configuration() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("a"), "text");
    world.run(&["sync"]).expect(0);
    world.emulator.set_downloads_need_cdn(true);
    let dest = world.path("a");
    let path = format!("/backup/photos/{}", crypt::stored_file("a"));
    let download = ["remote", "download", &path, dest.to_str().unwrap()];
    world.run(&["drill", "photos"]).expect(77).says("--use-cdn");
    world.run(&download).expect(77).says("--use-cdn");
    world.run(&["drill", "photos", "--use-cdn"]).expect(0).says("a restore works");
    world.run(&[&download[..], &["--use-cdn"]].concat()).expect(0);
    fs::remove_file(&dest).unwrap();
    let config = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), config.replace("[account]\n", "[account]\nuse_cdn = true\n"))
        .unwrap();
    world.run(&["drill", "photos"]).expect(0);
    world.run(&download).expect(0);
    let restored = world.path("restored");
    world.run(&["restore", "photos", restored.to_str().unwrap()]).expect(0);
    world.run(&["verify", "photos", "--full"]).expect(0);
}
