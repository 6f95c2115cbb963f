//! The configuration: where it is found, what it says, and what is wrong with it.
//!
//! The text as typed ([`mod@file`]) and the values that the program needs ([`Config`]) are two
//! types. Every mistake that can be seen without asking the service is refused here, with line,
//! caret and remedy, before anything is touched. A source that is missing is *not* an error: disks
//! come late, and the mirror waits (invariant I6).
//!
//! Invariant: every path in a [`Config`] is absolute, no two mirrors share a file locally or
//! remotely, and nothing that this program writes lies inside a folder that it watches.
//!
//! May be used by everything above it (`status`, `disk`, …, `cli`); uses `base`. [`connect`] makes
//! the client from a configuration, so that no other folder reads the key.

pub mod connect;
pub mod key;

mod command;
pub mod encrypt;
mod file;
mod limits;
mod message;
mod metrics;
mod mirrors;
pub mod notify;
pub mod passphrase;
mod read;
mod rules;
mod secret;
mod secret_file;
mod surroundings;
mod values;

#[cfg(test)]
mod encrypt_tests;
#[cfg(test)]
mod sample_tests;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::command::{CommandError, CommandLine};
pub use self::encrypt::{EncryptConfig, Secrets};
pub use self::limits::MaxRemovals;
pub use self::message::{ConfigError, Drawing};
pub use self::metrics::MetricsConfig;
pub use self::notify::{NotifyConfig, NotifyKind, Topic};
pub use self::passphrase::{Doubt, SecretCause, SecretError, SecretSource, Which};
pub(crate) use self::secret::without_addresses;
pub use self::secret_file::SecretFileError;
pub(crate) use self::surroundings::{Surroundings, socket_in};
use crate::config::key::KeySource;

/// The whole configuration, checked and completed with the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file that the configuration was read from.
    pub path: PathBuf,
    /// The folder of the database, the lock and the pacer's memory.
    pub state_dir: PathBuf,
    /// The socket on which the running service listens for commands.
    pub control_socket: PathBuf,
    /// Where a command looks for the service after [`Config::control_socket`]. Whether the service
    /// that listens there is that of this configuration, it tells itself (`daemon::control`).
    pub other_sockets: Vec<PathBuf>,
    /// The account, and how it is reached.
    pub account: AccountConfig,
    /// How fast the service may be asked.
    pub pace: PaceSettings,
    /// Where other programs can read how the service is.
    pub metrics: MetricsConfig,
    /// The mirrors; may be empty, since `fichierd remote` needs none.
    pub mirrors: Vec<MirrorConfig>,
    /// Whom to tell how they are.
    pub notify: Vec<NotifyConfig>,
}

/// The account, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// Where the API key is read from, each time it is needed.
    pub key: KeySource,
    /// The root of the API, without a slash at the end.
    pub api_url: String,
    /// A PEM file with certificates that are trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// Pays every download with the account's CDN credits.
    pub use_cdn: bool,
}

/// How fast the service may be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct PaceSettings {
    /// Calls a second, at most, of all mirrors and processes together; above 0, at most 3
    /// (docs/api-notes.md, A.5).
    pub calls_per_second: f64,
    /// Uploads that may run at the same time; 1 to 16.
    pub parallel_uploads: usize,
    /// Downloads that a restore runs at the same time; 1 to 16.
    pub parallel_downloads: usize,
    /// How many times faster the clock of an emulator runs; 1 for the real service.
    pub time_scale: u32,
    /// The pacer's memory, which all processes of the account on this machine share (I7).
    pub file: PathBuf,
}

/// One local folder and the remote folder that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorConfig {
    /// The name, unique among the mirrors: `[a-z0-9._-]{1,64}`.
    pub name: String,
    /// The local folder; it need not exist.
    pub source: PathBuf,
    /// The remote folder: `/` and names, no `/` at the end, never the root.
    pub target: String,
    /// Patterns in the syntax of `.gitignore`; each is known to compile.
    pub exclude: Vec<String>,
    /// How long a changed file must be quiet before it is read.
    pub settle: Duration,
    /// The longest wait for a file that is being written all the time: such a file is sent at most
    /// once in this time.
    pub settle_at_most: Duration,
    /// The time from one look at the whole source to the next.
    pub rescan: Duration,
    /// Removals within 24 hours that are allowed; more are held until a person decides.
    pub max_removals: MaxRemovals,
    /// Removals within 24 hours that are allowed in any case, however small `max_removals` is.
    pub removals_floor: u64,
    /// How long replaced and deleted files are kept.
    pub keep: Keep,
    /// Versions of one path that are kept at most; `None` is no limit.
    pub keep_versions: Option<u32>,
    /// The time within which each remote folder is listed and compared once; `None` is never.
    pub audit: Option<Duration>,
    /// The time from one test restore of a sample to the next; `None` is never.
    pub drill: Option<Duration>,
    /// Bytes that a test restore downloads at most.
    pub drill_bytes: u64,
    /// How its contents and names are encrypted; `None` if they are not.
    pub encrypt: Option<EncryptConfig>,
    /// The time without a complete mirror after which it is overdue; `None` is never.
    pub alarm_after: Option<Duration>,
}

impl MirrorConfig {
    /// How long `fichierd sync` waits for files that are being written: by then they have been
    /// sent, even if they are still being written.
    pub fn sync_patience(&self) -> Duration {
        self.settle_at_most * 2 + self.settle
    }
}

/// How long replaced and deleted files stay on the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// They are removed at once.
    None,
    /// They are removed after this time.
    For(Duration),
    /// They are never removed.
    Forever,
}

impl Config {
    /// What to do if no mirror is configured; `None` if there is one.
    pub fn without_mirrors(&self) -> Option<String> {
        self.mirrors.is_empty().then(|| {
            format!(
                "no mirror is configured: add a [[mirror]] block with `source` and `target` to {}",
                self.path.display()
            )
        })
    }

    /// Reads the configuration from `path`. If that is `None`, it reads the first `config.toml` of
    /// `$CONFIGURATION_DIRECTORY`, a user's `$XDG_CONFIG_HOME/fichierd` and `/etc/fichierd`.
    ///
    /// It reads one file and resolves symbolic links in the paths that the file names. It writes
    /// nothing, makes no call and does not read the API key.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which can draw itself ([`ConfigError::render`]); exit code 78.
    pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
        Config::load_in(path, &Surroundings::of_process())
    }

    /// Reads the configuration as [`Config::load`] does. If `path` is `None` and no file is found,
    /// it returns a configuration without mirrors: a new machine has nothing yet but the key.
    ///
    /// # Errors
    ///
    /// Those of [`Config::load`].
    pub fn load_or_default(path: Option<&Path>) -> Result<Config, ConfigError> {
        Config::load_or_default_in(path, &Surroundings::of_process())
    }

    fn load_or_default_in(
        path: Option<&Path>,
        around: &Surroundings,
    ) -> Result<Config, ConfigError> {
        let candidates = around.config_files();
        match candidates.last() {
            Some(place) if path.is_none() && !candidates.iter().any(|file| file.exists()) => {
                Config::parse(place, "", around)
            }
            _ => Config::load_in(path, around),
        }
    }

    fn load_in(path: Option<&Path>, around: &Surroundings) -> Result<Config, ConfigError> {
        let candidates =
            path.map_or_else(|| around.config_files(), |path| vec![path.to_path_buf()]);
        for candidate in &candidates {
            match fs::read_to_string(candidate) {
                Ok(text) => return Config::parse(&absolute(candidate)?, &text, around),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(ConfigError::unreadable(candidate, error)),
            }
        }
        Err(ConfigError::not_found(candidates))
    }

    fn parse(path: &Path, text: &str, around: &Surroundings) -> Result<Config, ConfigError> {
        let wrong = |complaints| ConfigError::wrong(path, text, complaints);
        let file = read::typed(text).map_err(wrong)?;
        rules::config(path, file, around).map_err(wrong)
    }

    /// Why a service that works with this configuration cannot go over to `new` while it runs;
    /// `None` if it can. The lock, the open socket and the records belong to what these keys name.
    pub fn needs_restart(&self, new: &Config) -> Option<String> {
        let socket_moved = self.control_socket != new.control_socket
            // One that follows the state folder is not named a second time.
            && !(self.control_socket == socket_in(&self.state_dir)
                && new.control_socket == socket_in(&new.state_dir));
        let pace_moved = self.pace.file != new.pace.file
            && !(self.pace.file == pace_file_in(&self.state_dir)
                && new.pace.file == pace_file_in(&new.state_dir));
        let changed = [
            ("`state_dir`", self.state_dir != new.state_dir),
            ("`control_socket`", socket_moved),
            ("`api_url`", self.account.api_url != new.account.api_url),
            ("`time_scale`", self.pace.time_scale != new.pace.time_scale),
            ("`file` of `[pace]`", pace_moved),
        ];
        let names: Vec<_> = changed.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        let (last, first) = names.split_last()?;
        let names = match first {
            [] => (*last).to_owned(),
            first => format!("{} and {last}", first.join(", ")),
        };
        Some(format!(
            "a change of {names} needs a restart: systemctl restart fichierd; the old \
             configuration stays in force"
        ))
    }

    /// The line of the configuration file in which this mirror has this pattern, as the file is
    /// now; `None` if it is not there any more.
    pub fn line_of_exclude(&self, mirror: &str, pattern: &str) -> Option<usize> {
        let text = fs::read_to_string(&self.path).ok()?;
        let file = read::typed(&text).ok()?;
        let mirror = file.mirror.into_iter().find(|it| it.name.get_ref() == mirror)?;
        let pattern = mirror.exclude.into_iter().find(|it| it.get_ref() == pattern)?;
        Some(text.get(..pattern.span().start)?.matches('\n').count() + 1)
    }

    /// The mirror called `name`.
    pub fn mirror(&self, name: &str) -> Option<&MirrorConfig> {
        self.mirrors.iter().find(|mirror| mirror.name == name)
    }
}

/// The pacer's memory where the configuration names none.
fn pace_file_in(state_dir: &Path) -> PathBuf {
    state_dir.join("pace")
}

fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(|error| ConfigError::unreadable(path, error))
}
