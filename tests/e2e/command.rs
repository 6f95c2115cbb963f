//! Running `fichierd` once, and what came of it.

use std::path::PathBuf;
use std::process::{Command, Output};

/// What a run printed, and its exit code.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
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

    /// Fails unless stdout and stderr together contain this.
    #[track_caller]
    pub fn says(self, what: &str) -> Ran {
        let Ran { stdout, stderr, .. } = &self;
        let said = stdout.contains(what) || stderr.contains(what);
        assert!(said, "`{what}` is not said; stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }
}

/// The program, with nothing inherited that could change what it does.
pub fn program(user: User) -> Command {
    let binary = env!("CARGO_BIN_EXE_fichierd");
    let mut command = match user {
        User::Ours => Command::new(binary),
        User::Nobody => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", binary]);
            command
        }
    };
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Who runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Ours,
    /// So that permissions mean something where the tests run as root.
    Nobody,
}

/// A user whom the kernel refuses a file of mode 000, if one can be had.
pub fn ordinary_user() -> Option<User> {
    if !rustix::process::geteuid().is_root() {
        return Some(User::Ours);
    }
    let tried = program(User::Nobody).arg("--version").output().ok()?;
    tried.status.success().then_some(User::Nobody)
}

/// Gives a folder and all that is in it to `user`.
pub fn hand_over(folder: &std::path::Path, user: User) {
    if user == User::Ours {
        return;
    }
    let mut all: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(path) = all.pop() {
        std::os::unix::fs::lchown(&path, Some(65534), Some(65534)).unwrap();
        if path.symlink_metadata().unwrap().is_dir() {
            all.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}
