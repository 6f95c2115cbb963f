//! A destination on a real disk, filled by hostile records and ordinary ones.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fichier_state::RelPath;

use super::*;

mod enciphered;
mod exact;
mod hostile;
mod mounts;
mod placing;
mod sparse;

/// Names the test in the copy of this test program that runs inside a wrapper.
const INSIDE: &str = "FICHIERD_TEST_INSIDE";

/// Any key will do.
const KEY: &str = "c0ffee";

/// Wrappers that run a test with fewer rights, fewer descriptors, or mounts of its own.
const FEW_DESCRIPTORS: &[&str] = &["sh", "-c", "ulimit -n 64 && exec \"$0\" \"$@\""];
const NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const OWN_MOUNTS: &[&str] = &["unshare", "--mount"];

/// Runs the test `name`, which calls this, in a process of its own under `wrapper`. True in
/// that process, where the test goes on. Says so where the wrapper does not work.
fn is_inside(name: &str, wrapper: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == name) {
        return true;
    }
    let wrapped = |program: &Path| {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(program);
        command
    };
    let tried = wrapped("true".as_ref()).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: `{}` does not work here", wrapper.join(" "));
        return false;
    }
    let child = wrapped(&std::env::current_exe().unwrap())
        .args(["--exact", &format!("restore::tests::{name}"), "--nocapture"])
        .env(INSIDE, name)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&child.stderr));
    false
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A destination in a temporary folder.
struct World {
    dir: tempfile::TempDir,
    dest: Dest,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let dest = Dest::open(dir.path()).unwrap();
        World { dir, dest }
    }

    /// The path on disk of a path in the destination.
    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    /// Puts `content` at its place as a download would.
    fn place(&mut self, content: &str, to: &str, replace: bool) -> io::Result<()> {
        place(&mut self.dest, content, &path(to), replace)
    }

    /// The names in the staging folder.
    fn staged(&self) -> Vec<String> {
        let names = fs::read_dir(self.at(".fichierd-restore")).into_iter().flatten();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn place(dest: &mut Dest, content: &str, to: &RelPath, replace: bool) -> io::Result<()> {
    let part = dest.part(KEY)?;
    part.file().set_len(0)?;
    let mut file = part.file();
    file.write_all(content.as_bytes())?;
    dest.place(part, to, replace, |_| Ok(()))
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

/// The obstacle of a failed call, in words.
#[track_caller]
fn obstacle<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    let error = result.unwrap_err();
    assert!(error.get_ref().is_some_and(|inner| inner.is::<InTheWay>()), "{error}");
    error.to_string()
}

fn make_fifo(at: &Path) {
    let folder = fs::File::open(at.parent().unwrap()).unwrap();
    let name = at.file_name().unwrap();
    rustix::fs::mkfifoat(&folder, name, rustix::fs::Mode::RUSR).unwrap();
}

fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
