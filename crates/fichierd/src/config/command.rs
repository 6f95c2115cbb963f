//! Runs a command whose output is a secret.
//!
//! The command gets no input, has a limited time, and ends with everything that it has started
//! when the time is over. What it prints to stderr is told if it fails; what it prints to stdout
//! never is, and is overwritten when it is dropped (invariant I10).

use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use zeroize::Zeroizing;

use crate::base::words::is_hidden;
use crate::config::key;
use crate::config::secret_file::{LONGEST, read_bounded};

/// How long a command may take; it is ended then. It asks a store of passwords, and no person.
const LIMIT: Duration = Duration::from_secs(20);
/// How long its stderr is waited for after its end: something that it has started may keep that
/// open for ever.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Bytes of its stderr that are told.
const MOST_SAID: u64 = 1_000;

/// A command: a program and its arguments. `Debug` does not show it, since people write passwords
/// into commands.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    program: String,
    arguments: Vec<String>,
}

/// The command has given no secret. Shows nothing that it printed to stdout.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("the command cannot be started: {0}")]
    NotStarted(io::Error),
    /// It took too long, and was ended.
    #[error("the command did not end within {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// It ended with an error.
    #[error("the command failed ({status}){}", said.as_ref().map(|it| format!(": {it}")).unwrap_or_default())]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it printed to stderr.
        said: Option<String>,
    },
    /// What it printed is too long to be what it should be.
    #[error("the command printed more than {LONGEST} bytes")]
    TooLong,
    /// What it printed is not UTF-8.
    #[error("the command printed no text: it is not valid UTF-8")]
    NotText,
}

impl CommandLine {
    /// A program and its arguments, run as they are; `None` without a program.
    pub(super) fn of_words(words: Vec<String>) -> Option<CommandLine> {
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty())?;
        Some(CommandLine { program, arguments: words.collect() })
    }

    /// A line for a shell; `None` if it is empty.
    pub(super) fn of_shell(line: &str) -> Option<CommandLine> {
        let arguments = vec!["-c".to_owned(), line.to_owned()];
        let program = "/bin/sh".to_owned();
        (!line.trim().is_empty()).then_some(CommandLine { program, arguments })
    }

    /// Runs it, and returns what it printed to stdout. Blocks until it has ended, at most for
    /// [`LIMIT`].
    pub(super) fn output(&self) -> Result<Zeroizing<String>, CommandError> {
        self.output_within(LIMIT)
    }

    fn output_within(&self, limit: Duration) -> Result<Zeroizing<String>, CommandError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_remove(key::VARIABLE);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what it has started ends with it.
        let child = command.process_group(0).spawn().map_err(CommandError::NotStarted)?;
        let mut running = Running { group: group_of(&child), child };
        let ended = running.ended_within(limit);
        running.end();
        let (out, said) = ended?;
        let status = running.child.wait().map_err(CommandError::NotStarted)?;
        if !status.success() {
            return Err(CommandError::Failed { status, said: told(&said, &out) });
        }
        if out.len() > LONGEST {
            return Err(CommandError::TooLong);
        }
        let text = str::from_utf8(&out).map_err(|_| CommandError::NotText)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommandLine(…)")
    }
}

/// A command that was started. It is ended when this is dropped.
struct Running {
    child: Child,
    group: Option<Pid>,
}

/// What is learned of a running command.
enum Part {
    Out(Zeroizing<Vec<u8>>),
    Said(Vec<u8>),
    Ended,
}

impl Running {
    /// Waits until it has ended and closed its stdout, and returns what it printed to both.
    fn ended_within(
        &mut self,
        limit: Duration,
    ) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), CommandError> {
        let until = Instant::now() + limit;
        let parts = self.follow().map_err(CommandError::NotStarted)?;
        let (mut out, mut said, mut has_ended) = (None, None, false);
        while out.is_none() || !has_ended {
            match parts.recv_timeout(until.saturating_duration_since(Instant::now())) {
                // What is too long is not read to its end, which may never come.
                Ok(Part::Out(text)) if text.len() > LONGEST => return Err(CommandError::TooLong),
                Ok(Part::Out(text)) => out = Some(text),
                Ok(Part::Said(text)) => said = Some(text),
                Ok(Part::Ended) => has_ended = true,
                Err(_) => return Err(CommandError::TooSlow(limit)),
            }
        }
        if said.is_none()
            && let Ok(Part::Said(text)) = parts.recv_timeout(LAST_WORDS)
        {
            said = Some(text);
        }
        Ok((out.unwrap_or_default(), said.unwrap_or_default()))
    }

    /// Follows it with three threads: its two outputs, and its end. They end with it.
    fn follow(&mut self) -> io::Result<Receiver<Part>> {
        let (sender, parts) = mpsc::channel();
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let group = self.group;
        in_thread(&sender, move || Part::Out(secret(stdout)))?;
        in_thread(&sender, move || Part::Said(stderr.map(beginning).unwrap_or_default()))?;
        in_thread(&sender, move || {
            // The ended process is left to its owner: its number belongs to no other one until then.
            let end = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            group.map(|pid| retry_on_intr(|| waitid(WaitId::Pid(pid), end)));
            Part::Ended
        })?;
        Ok(parts)
    }

    /// Ends what still runs of it. Only once: when its end was looked at, its number may belong to
    /// another process.
    fn end(&mut self) {
        let _ok = self.group.take().map(|group| kill_process_group(group, Signal::KILL));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        let _ok = self.child.wait();
    }
}

fn group_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

fn in_thread(
    sender: &Sender<Part>,
    work: impl FnOnce() -> Part + Send + 'static,
) -> io::Result<()> {
    let sender = sender.clone();
    thread::Builder::new().spawn(move || sender.send(work()).ok()).map(drop)
}

fn secret(stdout: Option<ChildStdout>) -> Zeroizing<Vec<u8>> {
    stdout.and_then(|stdout| read_bounded(stdout).ok()).unwrap_or_default()
}

/// The beginning of it; the rest is read too, so that the command is not kept from ending.
fn beginning(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ok = from.by_ref().take(MOST_SAID).read_to_end(&mut bytes);
    let _ok = io::copy(&mut from, &mut io::sink());
    bytes
}

/// What is told of stderr: nothing if what was printed to stdout is in it.
fn told(said: &[u8], out: &[u8]) -> Option<String> {
    let secret = String::from_utf8_lossy(out);
    let text = String::from_utf8_lossy(said);
    let text = text.trim();
    if text.is_empty() || !secret.trim().is_empty() && text.contains(secret.trim()) {
        return None;
    }
    Some(text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Result<String, String> {
        let command = CommandLine::of_shell(line).unwrap();
        let output = command.output_within(Duration::from_secs(20));
        output.map(|text| text.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_command_prints_is_the_secret() {
        assert_eq!(shell("printf 'a  b\\n'; echo words >&2").unwrap(), "a  b\n");
        let words = ["printf", "%s", "$HOME `id`"].map(str::to_owned);
        let command = CommandLine::of_words(words.into()).unwrap();
        assert_eq!(*command.output().unwrap(), "$HOME `id`", "no shell is between");
        assert_eq!(shell("cat; echo \"$FICHIER_API_KEY\"").unwrap(), "\n", "no input, no key");
    }

    #[test]
    fn a_command_that_fails_is_told_with_what_it_said_and_without_what_it_printed() {
        let failed = shell("echo hunter2; echo 'no such entry' >&2; exit 3").unwrap_err();
        assert_eq!(failed, "the command failed (exit status: 3): no such entry");
        let failed = shell("echo hunter2; echo 'hunter2: no such entry' >&2; exit 3").unwrap_err();
        assert_eq!(failed, "the command failed (exit status: 3)");
        let failed = shell("kill -9 $$").unwrap_err();
        assert_eq!(failed, "the command failed (signal: 9 (SIGKILL))");
        let words = CommandLine::of_words(vec!["/no/such/program".to_owned()]).unwrap();
        let failed = words.output().unwrap_err().to_string();
        assert!(failed.starts_with("the command cannot be started: No such file"), "{failed}");
        assert_eq!(format!("{words:?}"), "CommandLine(…)");
    }

    #[test]
    fn a_command_that_prints_too_much_or_no_text_is_refused() {
        let command = CommandLine::of_shell("yes").unwrap();
        assert!(matches!(command.output().unwrap_err(), CommandError::TooLong));
        assert!(shell("printf '\\377'").unwrap_err().contains("not valid UTF-8"));
    }

    #[test]
    fn a_command_that_does_not_end_is_ended_with_all_that_it_has_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let line = format!("echo x; sleep 1000 & echo $! > {}; wait", pid.display());
        let command = CommandLine::of_shell(&line).unwrap();
        let error = command.output_within(Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.to_string(), "the command did not end within 1 seconds");
        let started: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{started}/stat"));
            // An ended process that its parent has not looked after yet.
            stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
        };
        let until = Instant::now() + Duration::from_secs(20);
        while !is_gone() {
            assert!(Instant::now() < until, "{started} goes on");
            thread::yield_now();
        }
    }

    #[test]
    fn a_command_that_leaves_its_stderr_to_another_process_is_not_waited_for() {
        assert_eq!(shell("echo x; sleep 1000 >/dev/null &").unwrap(), "x\n");
    }
}
