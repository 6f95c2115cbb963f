//! The metrics in a file, for the textfile collector of node_exporter.
//!
//! node_exporter reads every file of its folder that ends in `.prom`, at any time, and skips one
//! that is not whole. So the text is written beside it under a name with another ending, and takes
//! its place at once. It never tells when it was written but in a metric of its own: a time stamp
//! in a line would make node_exporter skip the file.
//!
//! A file that cannot be written is told once, and is never in the way of a mirror.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::Asker;
use super::exposition::{Format, render};
use crate::status::Status;

/// The longest time between two writings.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// The shortest time between them, however much changes.
const SHORTEST_REST: Duration = Duration::from_secs(5);
/// The mode of the file: node_exporter is another user.
const MODE: u32 = 0o644;

/// Writes the file at each change, and now and then, until the future is dropped.
pub(super) async fn keep(path: PathBuf, asker: Asker, changed: Arc<Notify>) {
    let mut failed = false;
    loop {
        let Some(status) = asker.status().await else { return };
        let to = path.clone();
        // A disk may take its time.
        let written = tokio::task::spawn_blocking(move || write(&to, &status)).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => failed = false,
            Err(error) => {
                if !std::mem::replace(&mut failed, true) {
                    tell(&path, &error);
                }
            }
        }
        sleep(SHORTEST_REST).await;
        // Without a change the time passes.
        timeout(LONGEST_REST - SHORTEST_REST, changed.notified()).await.ok();
    }
}

/// Writes the metrics of a status, as they are now.
///
/// # Errors
///
/// Those of the file system.
pub(crate) fn write(path: &Path, status: &Status) -> io::Result<()> {
    let text = render(status, Timestamp::now(), Format::Text).map_err(io::Error::other)?;
    let beside = beside(path);
    let written = write_and_replace(&beside, path, text.as_bytes());
    if written.is_err() {
        remove(&beside).ok();
    }
    written
}

/// Warns that the file cannot be written.
pub(crate) fn tell(path: &Path, error: &io::Error) {
    let of_sandbox = if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
        "; the unit permits it with ReadWritePaths= (docs/operations.md, Metrics)"
    } else {
        ""
    };
    warn!(
        "`textfile` of [metrics], {}, cannot be written, and its values get old: {error}{of_sandbox}",
        path.display()
    );
}

/// The name under which the text is written: with a number of its own, and not ending in `.prom`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

#[expect(clippy::disallowed_methods, reason = "our own file, outside of every source")]
fn write_and_replace(beside: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    // One that a killed process has left, or a link that somebody has put there.
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::create_new(beside)?;
    file.write_all(text)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.sync_all()?;
    fs::rename(beside, path)
}

#[expect(clippy::disallowed_methods, reason = "our own file, outside of every source")]
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn the_file_is_whole_for_others_to_read_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fichierd.prom");
        fs::write(beside(&path), "left by a killed one").unwrap();
        for running in [true, false] {
            write(&path, &Status { running, ..Status::default() }).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(&format!("\nfichierd_running {}\n", u8::from(running))));
            assert!(text.ends_with('\n'));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(entries(dir.path()), ["fichierd.prom"]);
    }

    #[test]
    fn a_link_in_the_place_of_the_new_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join("fichierd.prom"), dir.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, beside(&path)).unwrap();
        write(&path, &Status::default()).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fichierd.prom");
        // A folder in its place cannot be replaced by a file.
        fs::create_dir(&path).unwrap();
        write(&path, &Status::default()).unwrap_err();
        assert_eq!(entries(dir.path()), ["fichierd.prom"]);
        let nowhere = dir.path().join("no such folder/fichierd.prom");
        assert_eq!(
            write(&nowhere, &Status::default()).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
