//! The program: the way it is started, its user, and the output of a run.

use std::fs;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::loopback;

/// User and group that own nothing (`nobody`), so that permissions mean something to them.
const NOBODY: u32 = 65534;

/// The binary that is tested. Cargo tells its path to the test programs of its own crate alone:
/// each of them has a `PROGRAM` of `Program::at(env!("CARGO_BIN_EXE_fichierd"))`.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    path: &'static str,
}

/// The user who runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The user who runs the tests.
    Ours,
    /// `nobody`: a user whom the kernel refuses what root may do.
    Nobody,
}

impl Program {
    /// The binary at this path.
    pub const fn at(path: &'static str) -> Program {
        Program { path }
    }

    /// The program without arguments. It inherits no variable of the test but `PATH`.
    pub fn command(self, user: User) -> Command {
        match user {
            User::Ours => {
                let mut command = Command::new(self.path);
                loopback::alone(&mut command);
                command
            }
            User::Nobody => {
                let mut become_nobody = Command::new("setpriv");
                become_nobody.arg(format!("--reuid={NOBODY}")).arg(format!("--regid={NOBODY}"));
                become_nobody.arg("--clear-groups");
                self.started_by(become_nobody)
            }
        }
    }

    /// The program as another one starts it, which takes it as its last argument. Neither inherits
    /// a variable but `PATH`.
    pub fn started_by(self, mut wrapper: Command) -> Command {
        wrapper.arg(self.path);
        loopback::alone(&mut wrapper);
        wrapper
    }

    /// A user whom the kernel refuses a file of mode 000, if one can be had.
    pub fn ordinary_user(self) -> Option<User> {
        if !rustix::process::geteuid().is_root() {
            return Some(User::Ours);
        }
        let tried = self.command(User::Nobody).arg("--version").output().ok()?;
        tried.status.success().then_some(User::Nobody)
    }
}

/// The output of a run, and its exit code.
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Panics if the program was killed, or printed something that is not text.
    pub fn of(output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
        Ran {
            code: output.status.code().expect("it ended by itself"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Fails with all that was printed unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        let Ran { code: found, stdout, stderr } = &self;
        assert_eq!(*found, code, "exit code; stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// Fails with all that was printed unless this is a part of it.
    #[track_caller]
    pub fn says(self, what: &str) -> Ran {
        let Ran { stdout, stderr, .. } = &self;
        let said = stdout.contains(what) || stderr.contains(what);
        assert!(said, "`{what}` is not said; stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }
}

/// Makes `user` the owner of a folder and of all that is in it.
pub fn hand_over(folder: &Path, user: User) {
    if user == User::Ours {
        return;
    }
    let mut all: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(path) = all.pop() {
        lchown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        if path.symlink_metadata().unwrap().is_dir() {
            all.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}
