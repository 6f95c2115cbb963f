//! Where the demonstration takes place: a folder with everything in it, and the service running.
//!
//! ```text
//! DIR/photos          the folder that is watched
//! DIR/1fichier/       what the imitation of the service keeps
//! DIR/state/          what fichierd remembers
//! DIR/config.toml     a configuration that can be used afterwards
//! ```
//!
//! The service is the real one: its configuration is read from the file, it watches with the
//! kernel's help, and it is asked for its status over its socket, as `fichierd status` does.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use fichier_emulator::{Emulator, Rules, Storage};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::daemon::control::{Reply, Request, ask};
use crate::daemon::{Daemon, DaemonError};
use crate::status::{CycleSummary, MirrorStatus};

/// The mirror's name, and that of its source.
pub(super) const MIRROR: &str = "photos";
/// The remote folder.
pub(super) const TARGET: &str = "/demo/photos";
/// By how much the clock of the imitation is faster: every limit is in force, in scaled time.
pub(super) const TIME_SCALE: u32 = 20;
const SOCKET: &str = "state/control.sock";
/// `sun_path` has 108 bytes with the zero at the end.
const LONGEST_SOCKET_PATH: usize = 107;

/// The folder, the imitation of 1fichier, and the configuration.
pub(super) struct Stage {
    dir: PathBuf,
    pub(super) emulator: Emulator,
    pub(super) config: Config,
}

/// The real service, on a task of its own.
pub(super) struct Service {
    task: Option<JoinHandle<Result<(), DaemonError>>>,
    stop: CancellationToken,
}

impl Stage {
    /// Starts the imitation in `dir`, which is empty, and writes the configuration.
    pub(super) async fn set(dir: &Path) -> anyhow::Result<Stage> {
        let dir = dir.canonicalize()?;
        if dir.join(SOCKET).as_os_str().len() > LONGEST_SOCKET_PATH {
            bail!("the path {} is too long for a socket; choose another --dir", dir.display());
        }
        let kept = dir.join("1fichier");
        fs::create_dir(&kept)?;
        fs::create_dir(dir.join(MIRROR))?;
        let emulator = Emulator::builder()
            .rules(Rules::published())
            .time_scale(TIME_SCALE)
            .storage(Storage::Folder(kept.join("files")))
            .start()
            .await
            .context("the imitation of 1fichier cannot start")?;
        write(&kept.join("api_key"), emulator.api_key())?;
        let speed = format!("[pace]\ncalls_per_second = 3\ntime_scale = {TIME_SCALE}\n\n");
        let text = config_text(&dir, &emulator.api_url(), &speed, "settle = \"500ms\"\n")?;
        write(&dir.join("config.toml"), &text)?;
        let config = Config::load(Some(&dir.join("config.toml")))?;
        Ok(Stage { dir, emulator, config })
    }

    /// The folder that is watched.
    pub(super) fn source(&self) -> PathBuf {
        self.dir.join(MIRROR)
    }

    /// Everything.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The address of the imitation, to start it there again.
    pub(super) fn listens_at(&self) -> anyhow::Result<SocketAddr> {
        let url = url::Url::parse(&self.emulator.api_url())?;
        Ok(*url.socket_addrs(|| None)?.first().context("no address")?)
    }

    /// Starts the service; it looks at everything at once.
    pub(super) async fn start_service(&self) -> anyhow::Result<Service> {
        let daemon = Daemon::open(self.config.clone()).await?;
        let stop = daemon.stop();
        Ok(Service { task: Some(tokio::spawn(daemon.run())), stop })
    }

    /// What the running service says about the mirror.
    pub(super) async fn status(&self) -> anyhow::Result<MirrorStatus> {
        match ask(&self.config, &Request::Status).await? {
            Some(Reply::Status(status)) => {
                let mirror = status.mirrors.into_iter().find(|mirror| mirror.name == MIRROR);
                mirror.context("the service does not know the mirror")
            }
            Some(other) => bail!("the service answered a question for its status with {other:?}"),
            None => bail!("the service does not run any more"),
        }
    }

    /// Has the service look at everything now, and waits for the end of it.
    pub(super) async fn sync(&self) -> anyhow::Result<Vec<CycleSummary>> {
        let request = Request::Sync { mirrors: Vec::new() };
        match ask(&self.config, &request).await? {
            Some(Reply::Cycle(cycles)) => Ok(cycles),
            other => bail!("the service answered {other:?}"),
        }
    }

    /// Leaves a configuration for the same folders at the real service's own speed.
    pub(super) fn leave_config(&self) -> anyhow::Result<PathBuf> {
        let path = self.dir.join("config.toml");
        let text = config_text(&self.dir, &self.emulator.api_url(), "", "")?;
        write(&path, &text)?;
        Ok(path)
    }
}

impl Service {
    /// Ends it in an orderly way.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        match self.task.take() {
            Some(task) => Ok(task.await.context("the service crashed")??),
            None => Ok(()),
        }
    }
}

impl Drop for Service {
    /// An interrupted demonstration does not leave it at work in a folder that goes away.
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// A folder for everything: the named one if it is empty or missing, else a new temporary one.
pub(super) fn folder(named: Option<&Path>) -> anyhow::Result<(PathBuf, Option<TempDir>)> {
    let Some(named) = named else {
        let made = tempfile::Builder::new().prefix("fichierd-demo-").tempdir()?;
        return Ok((made.path().to_path_buf(), Some(made)));
    };
    fs::create_dir_all(named).with_context(|| format!("cannot make {}", named.display()))?;
    if fs::read_dir(named)?.next().is_some() {
        bail!("{} is not empty; nothing in it was touched", named.display());
    }
    Ok((named.to_path_buf(), None))
}

fn config_text(dir: &Path, api_url: &str, pace: &str, settle: &str) -> anyhow::Result<String> {
    let quoted = |name: &str| {
        let path = dir.join(name);
        let text = std::str::from_utf8(path.as_os_str().as_bytes())
            .with_context(|| format!("{} is not UTF-8", dir.display()))?;
        anyhow::Ok(toml::Value::from(text).to_string())
    };
    Ok(format!(
        "# Written by `fichierd demo`.\n\
         state_dir = {}\ncontrol_socket = {}\n\n\
         [account]\napi_key_file = {}\napi_url = \"{api_url}\"\n\n\
         {pace}\
         [[mirror]]\nname = \"{MIRROR}\"\nsource = {}\ntarget = \"{TARGET}\"\n{settle}",
        quoted("state")?,
        quoted(SOCKET)?,
        quoted("1fichier/api_key")?,
        quoted(MIRROR)?,
    ))
}

/// Writes a small file that only its owner can read.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::status::MirrorState;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_change_that_has_not_settled_keeps_the_mirror_from_being_up_to_date() {
        let dir = tempfile::tempdir().unwrap();
        let mut stage = Stage::set(dir.path()).await.unwrap();
        let hour = Duration::from_secs(3600);
        (stage.config.mirrors[0].settle, stage.config.mirrors[0].settle_at_most) = (hour, hour);
        let service = stage.start_service().await.unwrap();
        stage.sync().await.unwrap();
        fs::write(stage.source().join("new"), "content").unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            let status = stage.status().await.unwrap();
            if status.state == MirrorState::Waiting || Instant::now() > deadline {
                break status;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(status.what, "waiting until changes have settled");
        assert_eq!(status.state, MirrorState::Waiting);
        service.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_with_anything_in_it_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("precious"), "content").unwrap();
        let refused = folder(Some(dir.path())).unwrap_err().to_string();
        let expected = format!("{} is not empty; nothing in it was touched", dir.path().display());
        assert_eq!(refused, expected);
    }
}
