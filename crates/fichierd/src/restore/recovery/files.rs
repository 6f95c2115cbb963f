//! The files of a recovery, all of them in the state folder.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fichier_state::{Error, Mirror, Store};

use super::{Order, RecoverError, begun, work_dir};

/// Opens the state, or begins a new one. A state that is damaged, or that is to be replaced, is
/// moved aside first; the path that it was moved to is returned.
pub(super) fn open_state(order: &Order) -> Result<(Store, Option<PathBuf>), RecoverError> {
    let dir = &order.state_dir;
    match open_sound(dir) {
        Ok(store) => {
            let begun = begun(&order.target).is_there(&store)?;
            match known(&store, &order.target)? {
                // What another password has begun cannot be gone on with.
                Some(mirror) if order.replace && (!begun || !order.has_form_of(&mirror)) => {
                    store.close()?;
                    let aside = move_aside(dir, "replaced")?;
                    Ok((Store::open(dir)?, Some(aside)))
                }
                Some(mirror) if !begun => {
                    store.close()?;
                    let (mirror, target) = (mirror.name, mirror.target);
                    Err(RecoverError::Known { mirror, target, state_dir: dir.clone() })
                }
                _ => Ok((store, None)),
            }
        }
        Err(Error::Corrupt { .. } | Error::NotOurs { .. }) => {
            let aside = move_aside(dir, "damaged")?;
            Ok((Store::open(dir)?, Some(aside)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens the state if it is sound to its last page: damage that came after it was closed shows
/// nowhere else.
fn open_sound(dir: &Path) -> Result<Store, Error> {
    let store = Store::open(dir)?;
    store.check()?;
    Ok(store)
}

/// The mirror to a target, whatever its name.
pub(super) fn known(store: &Store, target: &str) -> Result<Option<Mirror>, Error> {
    Ok(store.mirrors()?.into_iter().find(|mirror| mirror.target == target))
}

fn move_aside(dir: &Path, why: &str) -> Result<PathBuf, RecoverError> {
    let at = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let aside = dir.join(format!("state.db.{why}-{at}"));
    for (end, is_needed) in [("-wal", false), ("-shm", false), ("", true)] {
        let from = dir.join(format!("state.db{end}"));
        let to = PathBuf::from(format!("{}{end}", aside.display()));
        if is_needed || from.exists() {
            rename(&from, &to)?;
        }
    }
    Ok(aside)
}

#[expect(clippy::disallowed_methods, reason = "in the state folder only")]
fn rename(from: &Path, to: &Path) -> Result<(), RecoverError> {
    fs::rename(from, to).map_err(|source| RecoverError::Io { path: to.to_owned(), source })
}

/// Makes the folder for downloads.
pub(super) fn make_work(state_dir: &Path) -> Result<PathBuf, RecoverError> {
    let work = work_dir(state_dir);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&work);
    made.map(|()| work.clone()).map_err(|source| RecoverError::Io { path: work, source })
}

/// Removes the downloads: all of it is still at the service.
#[expect(clippy::disallowed_methods, reason = "in the state folder only")]
pub(super) fn clear_work(state_dir: &Path) {
    if let Err(error) = fs::remove_dir_all(work_dir(state_dir))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!("cannot clear the folder of the recovery: {error}");
    }
}

/// Opens a file of our own for writing, empty.
pub(super) fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The path at which the configuration of the lost machine is written.
pub(super) fn config_path(state_dir: &Path) -> PathBuf {
    state_dir.join("recovered.toml")
}

/// Writes the configuration of the lost machine.
pub(super) fn write_config(state_dir: &Path, text: &str) -> Result<(), RecoverError> {
    let path = config_path(state_dir);
    let written = create(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| RecoverError::Io { path, source })
}
