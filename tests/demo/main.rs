//! `fichierd demo` as its user runs it, with a small folder: the table, the exit code, and the
//! files that it leaves behind.

#![allow(missing_docs, unreachable_pub, reason = "tests are their own documentation")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, which report by failing")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fichier_testkit::{Program, User};
use tempfile::TempDir;

const PROGRAM: Program = Program::at(env!("CARGO_BIN_EXE_fichierd"));

fn demo(temporary: &Path, args: &[&str]) -> Command {
    let mut command = PROGRAM.command(User::Ours);
    command.args(["demo", "--files", "40"]).args(args);
    // The folders that it makes for itself lie where the test can see them.
    command.env("TMPDIR", temporary).env("TERM", "xterm-256color");
    command.stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn assert_done(output: &Output) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    assert_eq!(err, "");
}

#[test]
fn it_mirrors_and_reads_back_and_leaves_a_configuration_that_works() {
    let dir = TempDir::new().unwrap();
    let play = dir.path().join("play");
    let output = demo(dir.path(), &["--dir", play.to_str().unwrap()]).output().unwrap();
    assert_done(&output);
    let out = text(&output.stdout);
    for row in [
        "✓ first mirror                   40 files",
        "✓ edits, same size                2 files",
        "✓ a folder renamed                8 files      1",
        "✓ moves                           2 files      1",
        "✓ a look at everything          no change      0",
        "files are kept, each as it was",
        "are equal to the disk, byte for byte",
        "no limit of the service was broken",
    ] {
        assert!(out.contains(row), "`{row}` is missing:\n{out}");
    }
    assert!(!out.contains('\x1b'), "colour in a pipe: {out:?}");
    let table = out.lines().skip_while(|line| !line.contains("rclone"));
    let wide: Vec<_> = table.take(12).filter(|line| line.chars().count() > 79).collect();
    assert_eq!(wide, [""; 0]);

    assert_eq!(names(&play), ["1fichier", "config.toml", "photos", "state"]);
    let status = PROGRAM
        .command(User::Ours)
        .args(["status", "--config"])
        .arg(play.join("config.toml"))
        .output()
        .unwrap();
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    assert!(text(&status.stdout).contains(" -> /demo/photos"), "{}", text(&status.stdout));
}

#[test]
fn discarding_leaves_nothing() {
    let temporary = TempDir::new().unwrap();
    let output = demo(temporary.path(), &["--discard"]).output().unwrap();
    assert_done(&output);
    assert_eq!(names(temporary.path()), [""; 0]);
}

#[test]
fn a_folder_with_something_in_it_is_refused_untouched() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("precious"), "content").unwrap();
    let output = demo(dir.path(), &["--dir", dir.path().to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected =
        format!("fichierd: {} is not empty; nothing in it was touched\n", dir.path().display());
    assert_eq!(text(&output.stderr), expected);
    assert_eq!(names(dir.path()), ["precious"]);
}

#[test]
fn an_interrupt_ends_it_and_leaves_nothing() {
    let temporary = TempDir::new().unwrap();
    let mut command = demo(temporary.path(), &[]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // The state appears when the service is at work.
    while !fs::read_dir(temporary.path())
        .unwrap()
        .any(|entry| entry.unwrap().path().join("state").exists())
    {
        assert!(Instant::now() < deadline, "the service does not start");
        std::thread::yield_now();
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(temporary.path()), [""; 0]);
}
