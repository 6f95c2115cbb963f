//! An emulated account, a configuration, folders to mirror, and the program between them.
//!
//! When a machine goes at the end of a test that has not failed, all that its program printed is
//! searched for the API key and for links (invariant I10), no file of an encrypted mirror may be
//! readable in the account, and rclone is asked what it finds ([`crate::witness`]). When the test has failed, the end of the service's log is printed.

mod checks;
mod running;
mod waiting;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fichier_emulator::{Builder, Emulator, Rules};
use tempfile::TempDir;

use crate::crypt;
use crate::program::{Program, User, hand_over};
use crate::service::Service;

pub use waiting::until;

/// How many seconds of the service's time pass in one second.
const TIME_SCALE: u32 = 1_000;

/// The bytes of the service's log that are printed when a test has failed; earlier ones are not.
const SHOWN_OF_LOG: usize = 8_000;

/// The settings of a mirror that the switch does not encrypt.
const PLAIN: &str = "# plain in every run";

/// A machine with the program, and the account that its configuration names.
pub struct Machine {
    /// The service that the program reaches.
    pub emulator: Emulator,
    /// The daemon, while it was started and not taken away.
    pub service: Option<Service>,
    /// The user who runs the program.
    pub user: User,
    /// The environment of the next service.
    pub environment: Vec<(&'static str, String)>,
    program: Program,
    time_scale: u32,
    dir: TempDir,
    mirrors: Vec<(String, String)>,
    printed: RefCell<String>,
}

impl Machine {
    /// A machine with one mirror, `photos`, whose waiting times are short.
    pub fn of(program: Program) -> Machine {
        Machine::with(program, |emulator| emulator)
    }

    /// A machine with another emulator.
    pub fn with(program: Program, change: impl FnOnce(Builder) -> Builder) -> Machine {
        Machine::build(program, TIME_SCALE, change)
    }

    /// A machine on which so many seconds of the service's time pass in one second.
    pub fn at_scale(program: Program, time_scale: u32) -> Machine {
        Machine::build(program, time_scale, |emulator| emulator)
    }

    fn build(
        program: Program,
        time_scale: u32,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Machine {
        let builder = change(Emulator::builder().rules(Rules::scaled(time_scale)));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let emulator = runtime.block_on(builder.start()).unwrap();
        let mut machine = Machine {
            emulator,
            service: None,
            user: User::Ours,
            environment: Vec::new(),
            program,
            time_scale,
            dir: TempDir::new().unwrap(),
            mirrors: Vec::new(),
            printed: RefCell::default(),
        };
        machine.write_key(machine.emulator.api_key(), 0o600);
        machine.write_secret("password", crypt::PASSWORD, 0o600);
        machine.add_mirror("photos", "");
        machine
    }

    /// Configures one more mirror, or an existing one anew; `settings` are lines of its block.
    pub fn add_mirror(&mut self, name: &str, settings: &str) {
        fs::create_dir_all(self.source(name)).unwrap();
        self.mirrors.retain(|(there, _)| there != name);
        self.mirrors.push((name.to_owned(), settings.to_owned()));
        fs::write(self.config(), self.config_text()).unwrap();
    }

    /// The same of a mirror that is plain in every run.
    pub fn add_plain_mirror(&mut self, name: &str) {
        self.add_mirror(name, PLAIN);
    }

    fn config_text(&self) -> String {
        let root = self.dir.path().display();
        let mut text = format!(
            "state_dir = \"{root}/state\"\n\
             control_socket = \"{root}/control.sock\"\n\
             [account]\n\
             api_key_file = \"{root}/api_key\"\n\
             api_url = \"{}\"\n\
             [pace]\n\
             calls_per_second = 2\n\
             time_scale = {}\n",
            self.emulator.api_url(),
            self.time_scale
        );
        for (name, settings) in &self.mirrors {
            write!(text, "[[mirror]]\nname = \"{name}\"\n").unwrap();
            let defaults = [
                ("source", format!("\"{root}/{name}\"")),
                ("target", format!("\"{}\"", target(name))),
                ("settle", "\"100ms\"".to_owned()),
                ("settle_at_most", "\"2s\"".to_owned()),
            ];
            for (key, value) in defaults {
                if !settings.contains(&format!("{key} =")) {
                    writeln!(text, "{key} = {value}").unwrap();
                }
            }
            if is_encrypted_here(settings) {
                writeln!(text, "encrypt = {{ password_file = \"{root}/password\" }}").unwrap();
            }
            writeln!(text, "{settings}").unwrap();
        }
        text
    }

    /// Writes the file of the API key, with this mode.
    pub fn write_key(&self, key: &str, mode: u32) {
        self.write_secret("api_key", format!("{key}\n").as_bytes(), mode);
    }

    fn write_secret(&self, name: &str, secret: &[u8], mode: u32) {
        let path = self.path(name);
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A path in the folder of the machine, which goes with it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// The folder that a mirror watches.
    pub fn source(&self, mirror: &str) -> PathBuf {
        self.path(mirror)
    }

    /// Makes the user who runs the program the owner of everything.
    pub fn hand_over(&self) {
        fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        hand_over(self.dir.path(), self.user);
    }

    /// The output of the services of this machine.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("service.log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.service = None;
        if std::thread::panicking() {
            let log = self.log();
            let skip = log.len().saturating_sub(SHOWN_OF_LOG);
            let tail = log.get(skip..).unwrap_or(&log);
            eprintln!("--- the service's log:\n{tail}\n--- violations:");
            eprintln!("{:#?}", self.emulator.violations());
        } else {
            self.assert_no_secret_was_printed();
            self.assert_nothing_is_readable();
            self.assert_rclone_agrees();
        }
    }
}

/// Whether the switch encrypts a mirror of these settings.
fn is_encrypted_here(settings: &str) -> bool {
    crypt::is_on() && settings != PLAIN && !settings.contains("encrypt =")
}

/// The remote folder of a mirror.
pub fn target(mirror: &str) -> String {
    format!("/backup/{mirror}")
}

/// Writes a file, and makes its folders.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
