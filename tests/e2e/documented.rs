//! The commands that the documents show work as they are printed.
//!
//! Each line that begins with `fichierd` in an `sh` block is run, in the order of the document,
//! with the folders and times of the examples replaced by those of a machine that has them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fichier_testkit::program::Ran;
use fichier_testkit::{Machine, write};

use crate::PROGRAM;

const TARGET: &str = "/backups/web1/photos";

/// The section of the README whose last block is a script for a shell.
const TRIAL: &str = "Try it without an account";

/// The heading below which the password of an encrypted mirror is changed.
const CHANGED: &str = "Change it later";

/// Sections before which something is lost, and what.
const LOSSES: [(&str, Loss); 2] =
    [("The server burnt down", Loss::Everything), ("Only the state is lost", Loss::State)];

#[derive(Clone, Copy)]
enum Loss {
    Everything,
    State,
}

/// A command of a document, with the heading that it stands under.
struct Shown {
    heading: String,
    command: String,
}

/// The commands in the `sh` blocks of a document.
fn commands(document: &Path) -> Vec<Shown> {
    let text = fs::read_to_string(document).unwrap();
    let (mut heading, mut in_block, mut found) = (String::new(), false, Vec::new());
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = line == "```sh";
        } else if let (false, Some(title)) = (in_block, line.strip_prefix('#')) {
            heading = title.trim_start_matches('#').trim().to_owned();
        } else if in_block {
            let command = line.strip_prefix("sudo ").unwrap_or(line);
            if let Some(rest) = command.strip_prefix("fichierd ") {
                let (command, _comment) = rest.split_once("  #").unwrap_or((rest, ""));
                let command = command.trim().to_owned();
                found.push(Shown { heading: heading.clone(), command });
            }
        }
    }
    found
}

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// A machine with the folder and the past that the documents speak of.
struct Example {
    machine: Machine,
    /// A time at which the folder was another one.
    then: String,
}

impl Example {
    fn new() -> Example {
        let mut machine = Machine::of(PROGRAM);
        machine.add_mirror("photos", &format!("target = \"{TARGET}\""));
        let photo = machine.source("photos").join("2025/a.jpg");
        write(&photo, "first");
        machine.run(&["sync"]).expect(0);
        let then = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        write(&photo, "second, longer");
        machine.run(&["sync"]).expect(0);
        fs::create_dir(machine.path("walk")).unwrap();
        let config = fs::read_to_string(machine.config()).unwrap();
        let account = config.split("[[mirror]]").next().unwrap();
        let (old, new) = (machine.path("state"), machine.path("walk"));
        let walk = account.replace(old.to_str().unwrap(), new.to_str().unwrap());
        fs::write(machine.path("walk/config.toml"), walk).unwrap();
        Example { machine, then }
    }

    /// A machine whose mirror is encrypted, and that has not sent anything yet.
    fn encrypted() -> Example {
        let mut machine = Machine::of(PROGRAM);
        let password = machine.path("photos_password");
        fs::write(&password, "correct horse battery staple\n").unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let password = password.display();
        let encrypt = format!("encrypt = {{ password_file = \"{password}\" }}");
        let settings = format!("target = \"{TARGET}\"\n{encrypt}");
        machine.add_mirror("photos", &settings);
        Example { machine, then: String::new() }
    }

    /// The files were sent with one password, and the service has started with another one.
    fn change_password(&self) {
        write(&self.machine.source("photos").join("2025/a.jpg"), "a photo");
        self.machine.run(&["sync"]).expect(0);
        fs::write(self.machine.path("photos_password"), "another one\n").unwrap();
        self.machine.run(&["sync"]).expect(78);
    }

    fn lose(&self, loss: Loss) {
        fs::remove_dir_all(self.machine.path("state")).unwrap();
        if matches!(loss, Loss::Everything) {
            fs::remove_dir_all(self.machine.source("photos")).unwrap();
        }
    }

    /// The words of the command, with what is here in place of what is in the document.
    fn words(&self, command: &str) -> Vec<String> {
        let here = |path: PathBuf| path.to_str().unwrap().to_owned();
        let machine = &self.machine;
        let places = [
            ("/etc/fichierd/config.toml", here(machine.config())),
            ("/srv/photos", here(machine.source("photos"))),
            ("/srv/back", here(machine.path("back"))),
            ("/tmp/back", here(machine.path("back"))),
            ("/root/walk", here(machine.path("walk"))),
            ("/usr/share/man", here(machine.path("man"))),
        ];
        let mut command = command.to_owned();
        for (shown, here) in places {
            command = command.replace(shown, &here);
        }
        let (mut words, mut quoted) = (Vec::new(), false);
        for part in command.split('"') {
            if quoted {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
            quoted = !quoted;
        }
        for word in words.iter_mut().filter(|word| word.starts_with("20") && word.contains('-')) {
            *word = self.then.clone();
        }
        words
    }

    /// Runs a command with a configuration of the document. The one that is for a walk has no mirror, so
    /// that a person would be asked for the password.
    fn run_with(&self, config: &Path, words: &[&str]) -> Ran {
        let asks = config.starts_with(self.machine.path("walk"));
        let options = if asks { self.machine.password_options() } else { Vec::new() };
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.machine.run_with(config, &[words, &options].concat())
    }

    #[track_caller]
    fn run(&self, shown: &Shown) {
        let words = self.words(&shown.command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = match words.iter().position(|word| *word == "--config") {
            Some(at) => {
                let others = [&words[..at], &words[at + 2..]].concat();
                self.run_with(Path::new(words[at + 1]), &others)
            }
            None => self.machine.run(&words),
        };
        let (command, heading) = (&shown.command, &shown.heading);
        let (code, stdout, stderr) = (ran.code, &ran.stdout, &ran.stderr);
        // A walk cannot know what only snapshots hold, and says so.
        let expected = if words.contains(&"--walk") { 3 } else { 0 };
        assert_eq!(code, expected, "{heading}: fichierd {command}\n{stdout}\n{stderr}");
    }
}

#[track_caller]
fn each_works(name: &str, at_least: usize) {
    each_works_on(&Example::new(), name, at_least);
}

#[track_caller]
fn each_works_on(example: &Example, name: &str, at_least: usize) {
    let commands = commands(&document(name));
    assert!(commands.len() >= at_least, "{name}: {} commands", commands.len());
    let mut under = "";
    for shown in &commands {
        let loss = LOSSES.iter().find(|(heading, _)| *heading == shown.heading);
        if let (true, Some((_, loss))) = (under != shown.heading, loss) {
            example.lose(*loss);
        }
        if under != shown.heading && shown.heading == CHANGED {
            example.change_password();
        }
        under = &shown.heading;
        // The trial has a test of its own.
        if shown.heading != TRIAL {
            example.run(shown);
        }
    }
}

#[test]
fn the_commands_of_the_manual_of_restoring_work_as_they_are_printed() {
    each_works("docs/restore.md", 12);
}

#[test]
fn the_commands_of_the_manual_of_operation_work_as_they_are_printed() {
    each_works("docs/operations.md", 2);
}

#[test]
fn the_commands_of_the_manual_of_encryption_work_as_they_are_printed() {
    each_works_on(&Example::encrypted(), "docs/encryption.md", 4);
}

#[test]
fn the_commands_of_the_readme_work_as_they_are_printed() {
    each_works("README.md", 3);
    each_works("systemd/README.md", 2);
}

#[test]
fn the_trial_of_the_readme_works_in_a_shell() {
    let readme = fs::read_to_string(document("README.md")).unwrap();
    let (_, section) = readme.split_once(TRIAL).unwrap();
    let block = section.split("```sh\n").nth(2).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().to_str().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // The clock of the service runs faster, since a test has no minute.
    let script = block
        .replace("$PATH:$PWD/target/release", "$(dirname \"$0\"):$PATH")
        .replace("/tmp/trial", here)
        .replace(":8080", &format!(":{port}"))
        .replace("--dir .", "--dir . --time-scale 200")
        .replace("'state_dir", "'pace.time_scale = 200' 'state_dir");
    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &format!("{script}\nkill %1; wait")]);
    let ran = PROGRAM.started_by(shell).current_dir(document("")).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{script}\n{said}");
    assert!(said.contains("docs: done: ") && said.contains("files safe"), "{said}");
}
