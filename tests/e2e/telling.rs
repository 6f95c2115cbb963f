//! What a command says while it waits, where no terminal is.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use fichier_emulator::{Action, Fault};
use fichier_testkit::{Machine, write};

use crate::PROGRAM;

/// The first line that a command writes to stderr while it goes on; then it is killed.
fn first_line(mut command: Command) -> String {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let went_on = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(went_on, "it ended with: {line}");
    line
}

/// Lets the configuration lead to an address at which nothing listens.
fn lead_nowhere(world: &Machine) {
    let text = fs::read_to_string(world.config()).unwrap();
    let was = text.lines().find(|line| line.starts_with("api_url")).unwrap();
    fs::write(world.config(), text.replace(was, "api_url = \"http://127.0.0.1:9/v1\"")).unwrap();
}

#[test]
fn z28_a_service_that_cannot_be_reached_is_told_at_once_and_in_one_sentence() {
    // The pauses between the attempts are those of the real service.
    for arguments in [&["remote", "ls", "/"] as &[&str], &["remote", "account"], &["sync"]] {
        let world = Machine::at_scale(PROGRAM, 1);
        lead_nowhere(&world);
        write(&world.source("photos").join("one"), "one");
        let line = first_line(world.command(arguments));
        assert!(line.contains("the service could not be reached; the next try is in"), "{line}");
    }
    let fast = Machine::of(PROGRAM);
    lead_nowhere(&fast);
    write(&fast.source("photos").join("one"), "one");
    let told = fast.run(&["remote", "ls", "/"]).expect(69);
    let sentence = "1fichier could not be reached (Connection refused, tried several times)";
    assert_eq!(told.stderr, format!("fichierd: {sentence}; see: fichierd check --online\n"));
    fast.run(&["sync"]).expect(69).says(&format!("photos: {sentence} ("));
}

#[test]
fn z28_a_drill_and_a_listing_tell_that_the_service_does_not_answer() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.run(&["sync"]).expect(0);
    world.emulator.inject(Fault::always("*", Action::StallHeaders));
    let dest = world.path("restored");
    let restore = ["restore", "photos", dest.to_str().unwrap()];
    for arguments in [&["drill", "photos"] as &[&str], &["remote", "ls", "/"], &restore] {
        let line = first_line(world.command(arguments));
        assert!(line.contains("no answer from 1fichier for"), "{line}");
    }
}

/// The command as a person runs it on a terminal, whose output comes out of a pipe; `None` if the
/// program that imitates terminals is not there.
fn on_a_terminal(command: &Command) -> Option<Command> {
    Command::new("script").arg("--version").output().ok()?;
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let mut script = Command::new("script");
    script.args(["-q", "-f", "-c", &line.join(" "), "/dev/null"]);
    script
        .env_clear()
        .env("TERM", "xterm")
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    Some(script)
}

#[test]
fn z112_on_a_terminal_a_restore_says_what_it_waits_for() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.run(&["sync"]).expect(0);
    world.emulator.inject(Fault::always("*", Action::StallHeaders));
    let dest = world.path("restored");
    let restore = world.command(&["restore", "photos", dest.to_str().unwrap()]);
    let Some(mut command) = on_a_terminal(&restore) else {
        eprintln!("skipped: there is no `script`");
        return;
    };
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut drawn = child.stdout.take().unwrap();
    let mut all = String::new();
    while !all.contains("no answer from 1fichier for") {
        let mut part = [0; 1024];
        let read = drawn.read(&mut part).unwrap();
        assert!(read > 0, "it ended with: {all}");
        all += &String::from_utf8_lossy(&part[..read]);
    }
    assert!(!all.contains("left"), "no time left without a rate: {all}");
    child.kill().unwrap();
    child.wait().unwrap();
}
