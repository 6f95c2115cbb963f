//! rclone as a witness: the files that a test leaves behind are compared again, by a program that is
//! not ours and shares no code with us.
//!
//! Only when `RCLONE` is the path of one: it leaves 0.4 s between its calls and makes two for each
//! folder. It sees the account under the service's own names, through the emulator's proxy, which
//! leads nowhere else. Each mirror is one line on standard error, past the capture of tests; the
//! counts in the last line are those of the whole run.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use fichier_api::names::RemoteName;
use fichier_emulator::{Emulator, Offer, Rules};

use crate::loopback;
use crate::machine::target;
use crate::tree;

/// Folders of a mirror that rclone is asked about; it takes minutes for more.
const MOST_FOLDERS: usize = 60;

static AGREED: AtomicUsize = AtomicUsize::new(0);
static NOT_ASKED: AtomicUsize = AtomicUsize::new(0);

/// The program to ask, if there is one.
pub fn rclone() -> Option<OsString> {
    env::var_os("RCLONE")
}

/// Says why a mirror is not shown to rclone.
pub fn not_asked(mirror: &str, why: &str) {
    NOT_ASKED.fetch_add(1, Relaxed);
    tell(mirror, &format!("not asked: {why}"));
}

/// Fails the test unless rclone finds the files of `source`, and no others, in the account.
#[track_caller]
pub fn assert_agrees(rclone: &OsString, emulator: &Emulator, mirror: &str, source: &Path) {
    let expected = Expected::below(source);
    let folders = tree::folders_in_account(emulator, &target(mirror)).len();
    if folders > MOST_FOLDERS {
        return not_asked(mirror, &format!("{folders} folders are too many at rclone's pace"));
    }
    if expected.files == 0 {
        return not_asked(mirror, "nothing is there that rclone can read");
    }
    make_tolerant(emulator);
    let front = emulator.open_to_others().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let ca = scratch.path().join("ca.pem");
    fs::write(&ca, front.ca_pem()).unwrap();
    let before = emulator.violations().len();
    let mut check = Command::new(rclone);
    loopback::assert_leads_here(&front.proxy_url());
    // It has the service's own names, and nothing but this proxy keeps it from the real one.
    check.env_clear().env("HTTPS_PROXY", front.proxy_url()).env("HTTP_PROXY", front.proxy_url());
    check.env("HOME", scratch.path()).env("RCLONE_CONFIG", "/dev/null");
    check.env("RCLONE_FICHIER_API_KEY", emulator.api_key()).arg("--ca-cert").arg(&ca);
    check.args(["--retries", "1", "--no-unicode-normalization", "--log-level", "NOTICE"]);
    check.args(["--skip-links", "--min-size", "1b", "--exclude", "/.fichierd/**"]);
    check.args(expected.odd.iter().flat_map(|pattern| ["--exclude", pattern]));
    check.arg("check").arg(source).arg(format!(":fichier:{}", &target(mirror)[1..]));
    let output = check.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rclone does not agree in `{mirror}`:\n{said}");
    // It agrees also when it has looked at nothing.
    let files = expected.files;
    let compared = format!(": {files} matching files\n");
    assert!(said.contains(&compared), "rclone should find {files} files in `{mirror}`:\n{said}");
    let broken = emulator.violations().split_off(before);
    let elsewhere = broken.iter().filter(|violation| violation.starts_with("proxy "));
    assert_eq!(elsewhere.count(), 0, "rclone tried to reach others: {broken:#?}");
    AGREED.fetch_add(1, Relaxed);
    let odd = expected.odd.len();
    tell(mirror, &format!("rclone agrees on {files} files; {odd} have names that it cannot read"));
}

/// Ends the faults that the test injected, and the limits, which rclone does not keep.
fn make_tolerant(emulator: &Emulator) {
    emulator.clear_faults();
    emulator.set_rules(Rules::lenient());
    emulator.set_key(emulator.api_key());
    emulator.set_offer(Offer::Premium);
    emulator.unlock();
}

fn tell(mirror: &str, what: &str) {
    let current = thread::current();
    let test = current.name().unwrap_or("a test");
    let (agreed, not) = (AGREED.load(Relaxed), NOT_ASKED.load(Relaxed));
    // A line that cannot be written changes nothing about the test.
    writeln!(io::stderr(), "witness: {test}, {mirror}: {what} [{agreed} agreed, {not} not asked]")
        .ok();
}

/// The files that rclone has to find below a folder.
#[derive(Default)]
struct Expected {
    files: usize,
    /// Patterns for what it does not read as it is.
    odd: Vec<String>,
}

impl Expected {
    fn below(source: &Path) -> Expected {
        let mut expected = Expected::default();
        expected.walk(source, "/");
        expected
    }

    fn walk(&mut self, folder: &Path, below: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let kind = entry.file_type().unwrap();
            let pattern = format!("{below}{}", as_pattern(name.as_bytes()));
            if is_odd(name.as_bytes()) {
                self.odd.push(if kind.is_dir() { format!("{pattern}/**") } else { pattern });
            } else if kind.is_dir() {
                self.walk(&entry.path(), &format!("{pattern}/"));
            } else if kind.is_file() && entry.metadata().unwrap().len() > 0 {
                self.files += 1;
            }
        }
    }
}

/// Whether rclone reads a name on disk as another one, or cannot know what it was cut to.
fn is_odd(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else { return true };
    text.contains(['\u{201b}', '\u{ff0f}']) || RemoteName::encode(name).is_shortened_from(name)
}

/// A pattern of rclone's for a name, in each of the forms in which it may read it.
fn as_pattern(name: &[u8]) -> String {
    let mut pattern = String::new();
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\u{201b}' => pattern.push_str("{{\u{201b}+}}"),
                '\u{ff0f}' => pattern.push_str("{{\u{201b}*[/\u{ff0f}]}}"),
                '*' | '?' | '[' | ']' | '{' | '}' | '\\' => pattern.extend(['\\', c]),
                _ => pattern.push(c),
            }
        }
        // A byte that is no text is to it either quoted or itself.
        let byte = "{{(\u{201b}[0-9A-F][0-9A-F]|\u{fffd})}}";
        pattern.push_str(&byte.repeat(chunk.invalid().len()));
    }
    if RemoteName::encode(name).is_shortened_from(name) {
        // The beginning is left of it.
        pattern = pattern.chars().take_while(|c| !"\\{".contains(*c)).take(40).collect();
        pattern.push('*');
    }
    pattern
}
