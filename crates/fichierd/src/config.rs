//! The configuration: where it is found, what it says, and what is wrong with it.
//!
//! What was typed ([`mod@file`]) and what the program needs ([`Config`]) are two types. Everything
//! that can be known to be wrong without asking the service is refused here, with line, caret
//! and remedy, before anything is touched. A source that is missing is *not* an error: disks
//! come late, and the mirror waits (invariant I6).
//!
//! Invariant: every path in a [`Config`] is absolute, no two mirrors share a file locally or
//! remotely, and nothing that this program writes lies inside a folder that it watches.
//!
//! May be used by everything above it (`status`, `disk`, …, `cli`); uses `base`. [`connect`] makes
//! the client from a configuration, so that no other folder reads the key.

pub mod connect;
pub mod key;

mod file;
mod limits;
mod message;
mod mirrors;
mod rules;
mod secret;
mod surroundings;
mod values;

#[cfg(test)]
mod sample_tests;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::file::ConfigFile;
pub use self::limits::MaxRemovals;
use self::message::Complaint;
pub use self::message::{ConfigError, Drawing};
pub(crate) use self::surroundings::Surroundings;
use crate::config::key::KeySource;

/// What the program needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file that this was read from.
    pub path: PathBuf,
    /// Where the database, the lock and the pacer's memory lie.
    pub state_dir: PathBuf,
    /// Where the running service listens for commands.
    pub control_socket: PathBuf,
    /// Which account, and how it is reached.
    pub account: AccountConfig,
    /// How fast the service may be asked.
    pub pace: PaceSettings,
    /// What is mirrored where. May be empty: `fichierd remote` needs no mirror.
    pub mirrors: Vec<MirrorConfig>,
}

/// Which account, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// Where the API key is read from, each time it is needed.
    pub key: KeySource,
    /// The root of the API, without a slash at the end.
    pub api_url: String,
    /// A PEM file with certificates that are trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
}

/// How fast the service may be asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceSettings {
    /// Ceiling over all mirrors and processes; above 0, at most 3 (docs/api-notes.md, A.5).
    pub calls_per_second: f64,
    /// How many uploads may run at once; 1 to 16.
    pub parallel_uploads: usize,
    /// How many downloads a restore runs at once; 1 to 16.
    pub parallel_downloads: usize,
    /// By how much the clock of an emulator runs faster; 1 for the real service.
    pub time_scale: u32,
}

/// One local folder and the remote folder that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorConfig {
    /// Unique, `[a-z0-9._-]{1,64}`.
    pub name: String,
    /// The local folder; need not exist.
    pub source: PathBuf,
    /// The remote folder: `/` and names, no `/` at the end, never the root.
    pub target: String,
    /// Patterns in the syntax of `.gitignore`; each is known to compile.
    pub exclude: Vec<String>,
    /// How long a changed file must be quiet before it is read.
    pub settle: Duration,
    /// A file that never rests is sent at most this often.
    pub settle_at_most: Duration,
    /// How often everything is looked at again.
    pub rescan: Duration,
    /// Past this many removals within 24 hours, removals are held …
    pub max_removals: MaxRemovals,
    /// … unless they are no more than this.
    pub removals_floor: u64,
    /// How long replaced and deleted files are kept.
    pub keep: Keep,
    /// How many versions of one path are kept at most; `None` is no limit.
    pub keep_versions: Option<u32>,
    /// Within what time each remote folder is listed and compared once; `None` is never.
    pub audit: Option<Duration>,
    /// How often a sample is restored for a test; `None` is never.
    pub drill: Option<Duration>,
    /// How much such a test downloads at most, in bytes.
    pub drill_bytes: u64,
}

impl MirrorConfig {
    /// How long `fichierd sync` waits for files that are being written: by then they have been
    /// sent, at rest or not.
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
    /// Reads the configuration from `path`, or from where it is looked for when none is named:
    /// `$CONFIGURATION_DIRECTORY`, a user's `$XDG_CONFIG_HOME/fichierd`, `/etc/fichierd`.
    ///
    /// Reads one file and resolves symbolic links in the paths that it names; writes nothing,
    /// calls nobody. The API key is not read.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which draws itself; exit code 78.
    pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
        Config::load_in(path, &Surroundings::of_process())
    }

    /// The same, but where none is named and none is found, a configuration without mirrors: on a
    /// new machine there is nothing yet but the key.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
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
        let file: ConfigFile =
            toml::from_str(text).map_err(|error| wrong(vec![Complaint::from(&error)]))?;
        rules::config(path, file, around).map_err(wrong)
    }

    /// The mirror of that name.
    pub fn mirror(&self, name: &str) -> Option<&MirrorConfig> {
        self.mirrors.iter().find(|mirror| mirror.name == name)
    }
}

fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(|error| ConfigError::unreadable(path, error))
}
