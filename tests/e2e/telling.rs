//! What a command says while it waits, where no terminal is.

use std::fs;
use std::io::{BufRead, BufReader};
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
    fast.run(&["sync"]).expect(75).says(&format!("photos: {sentence}: "));
}

#[test]
fn z28_a_drill_and_a_listing_tell_that_the_service_does_not_answer() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.run(&["sync"]).expect(0);
    world.emulator.inject(Fault::always("*", Action::StallHeaders));
    for arguments in [&["drill", "photos"] as &[&str], &["remote", "ls", "/"]] {
        let line = first_line(world.command(arguments));
        assert!(line.contains("no answer from 1fichier for"), "{line}");
    }
}
