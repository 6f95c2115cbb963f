//! How this program reaches the account: one client, one pacer, for every process.
//!
//! The service and the `remote` commands beside it use the same account from the same address, so
//! they share the pacer's memory: a file in the state folder, or the one that `[pace] file` names
//! (invariant I7). No other code of this
//! crate makes a client.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use fichier_api::{BuildError, Client, DownloadOptions, HoldOff, PaceConfig, Pacer};

use crate::base::Exit;
use crate::config::Config;
use crate::config::key::KeyError;

/// The account cannot be reached from here, and nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The extra certificates cannot be read.
    #[error("ca_file {} cannot be read", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// The state folder cannot be made.
    #[error("the state folder {} cannot be used", path.display())]
    StateDir {
        /// The folder.
        path: PathBuf,
        /// Why it cannot be used.
        source: io::Error,
    },
    /// The pacer's memory cannot be opened, so that no call may be made.
    #[error(
        "the file {}, in which all fichierd of this account keep their pace, cannot be used",
        path.display()
    )]
    Pace {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        source: io::Error,
    },
    /// The client refuses these settings.
    #[error("the connection cannot be set up")]
    Build(#[from] BuildError),
}

impl ConnectError {
    /// The exit code of the program.
    pub fn exit(&self) -> Exit {
        match self {
            ConnectError::Key(_) | ConnectError::CaFile { .. } | ConnectError::Build(_) => {
                Exit::Config
            }
            ConnectError::StateDir { .. } | ConnectError::Pace { .. } => Exit::Failed,
        }
    }
}

/// Makes the client of the configured account and the pacer that it waits for.
///
/// The key is read now, and the state folder is made (mode 0700) if it is missing. Nothing is sent.
///
/// # Errors
///
/// [`ConnectError`]: the key, the certificates, the state folder or a setting is not usable.
pub fn connect(config: &Config) -> Result<(Client, Pacer), ConnectError> {
    let key = config.account.key.read()?;
    let pacer = pacer(config)?;
    let mut builder = Client::builder(key, pacer.clone())
        .api_url(&config.account.api_url)
        .user_agent(concat!("fichierd/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &config.account.ca_file {
        let ca_file = |source| ConnectError::CaFile { path: path.clone(), source };
        builder = builder.extra_root_pem(fs::read(path).map_err(ca_file)?);
    }
    let use_cdn = config.account.use_cdn;
    let paying = DownloadOptions { use_cdn, ..DownloadOptions::default() };
    Ok((builder.build()?.with_download_options(paying), pacer))
}

/// The hold-off that is in force, if any, without making a client.
pub fn hold_off(config: &Config) -> Option<HoldOff> {
    recorded_pacer(config)?.hold_off()
}

/// The pacer without a client. Nothing is created: if the pacer has no memory yet, or it may not be
/// opened, the answer is `None`.
pub fn recorded_pacer(config: &Config) -> Option<Pacer> {
    let path = &config.pace.file;
    if !path.exists() {
        return None;
    }
    Pacer::at(path, pace(config)).ok()
}

fn pacer(config: &Config) -> Result<Pacer, ConnectError> {
    let state_dir = |source| ConnectError::StateDir { path: config.state_dir.clone(), source };
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.state_dir);
    made.map_err(state_dir)?;
    let path = &config.pace.file;
    let shared = |source| ConnectError::Pace { path: path.clone(), source };
    let pacer = Pacer::at(path, pace(config)).map_err(shared)?;
    if path.parent() == Some(&config.state_dir) {
        give_to_owner_of_folder(path, &config.state_dir).map_err(shared)?;
    }
    Ok(pacer)
}

fn pace(config: &Config) -> PaceConfig {
    PaceConfig {
        calls_per_second: config.pace.calls_per_second,
        time_scale: config.pace.time_scale,
    }
}

/// Gives a file that root has made to the owner of its folder: otherwise a command that root runs
/// would lock the service's own user out of its state.
fn give_to_owner_of_folder(path: &Path, folder: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() || !path.exists() {
        return Ok(());
    }
    let (file, folder) = (fs::metadata(path)?, fs::metadata(folder)?);
    if file.uid() == folder.uid() {
        return Ok(());
    }
    std::os::unix::fs::lchown(path, Some(folder.uid()), Some(folder.gid()))
}
