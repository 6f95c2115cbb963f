//! Downloads a snapshot and checks whether it is sound. A file that is here already, from an
//! earlier run, is not downloaded again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fichier_api::{Client, ErrorKind, Remedy, RemoteFile};
use fichier_state::{Error, SnapshotFacts, examine, lay_over};

use super::RecoverError;
use super::files::create;
use crate::base::Form;
use crate::base::words::{chain, duration};
use crate::upkeep::snapshot::{hash_file, unpack};

/// The tries to download one snapshot; after the last one an older snapshot is tried.
const MOST_TRIES: u32 = 3;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(15);

/// Why a snapshot was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// The snapshot is damaged, or incomplete: an older one may serve.
    Unusable(String),
    /// The snapshot does not come, while the service answers: an older one may. If none does, this
    /// is the error.
    NotNow(fichier_api::Error),
    /// The error would keep every other snapshot from being used too, for now.
    Stop(RecoverError),
}

/// A snapshot that is whole: by itself, or laid over the one that it belongs to.
pub(super) struct Whole {
    pub(super) path: PathBuf,
    pub(super) facts: SnapshotFacts,
    /// The files that it consists of, the whole one first.
    pub(super) parts: Vec<(RemoteFile, SnapshotFacts)>,
}

/// Reads `file`, and the one among `all` that it is laid over. Costs a call for each.
pub(super) async fn fetch(
    client: &Client,
    file: &RemoteFile,
    all: &[RemoteFile],
    (work, form): (&Path, &Form),
) -> Result<Whole, Refused> {
    let (path, facts) = fetch_one(client, file, work, form).await?;
    let Some(base) = facts.base.clone() else {
        return Ok(Whole { path, facts: facts.clone(), parts: vec![(file.clone(), facts)] });
    };
    let below = all.iter().find(|other| name_of(other, form) == base);
    let below = below
        .ok_or_else(|| Refused::Unusable(format!("{base}, which it belongs to, is not there")))?;
    let (base_path, base_facts) = match fetch_one(client, below, work, form).await {
        Err(Refused::Unusable(why)) => {
            return Err(Refused::Unusable(format!("{base}, which it belongs to: {why}")));
        }
        other => other?,
    };
    let laid = work.join("laid.db");
    let whole = blocking(|| lay_over(&base_path, &path, &laid)).map_err(judge_state)?;
    let parts = vec![(below.clone(), base_facts), (file.clone(), facts)];
    Ok(Whole { path: laid, facts: whole, parts })
}

async fn fetch_one(
    client: &Client,
    file: &RemoteFile,
    work: &Path,
    form: &Form,
) -> Result<(PathBuf, SnapshotFacts), Refused> {
    let name = name_of(file, form);
    // The name comes from the account, and becomes the name of a file in our folder.
    if name.contains('/') || name.starts_with('.') {
        return Err(Refused::Unusable("this is not the name of a snapshot".to_owned()));
    }
    let (packed, path) = (work.join(&name), work.join(format!("{name}.db")));
    if !blocking(|| is_here(&packed, file)) {
        download(client, file, &packed).await?;
    }
    let facts = blocking(|| -> Result<SnapshotFacts, Refused> {
        unpack(&packed, &path, form).map_err(|source| judge_io(&path, source))?;
        examine(&path).map_err(|error| {
            if matches!(error, Error::FromTheFuture { .. }) {
                return Refused::Stop(RecoverError::Newer { name: name.clone() });
            }
            judge_state(error)
        })
    })?;
    if facts.name == name {
        Ok((path, facts))
    } else {
        Err(Refused::Unusable(format!("its contents are those of {}", facts.name)))
    }
}

async fn download(client: &Client, file: &RemoteFile, to: &Path) -> Result<(), Refused> {
    let expect = file.whirlpool.map(|hash| (file.size_bytes, hash));
    let mut tries = 0;
    loop {
        let opened = create(to).map_err(|source| judge_io(to, source))?;
        let mut sink = tokio::fs::File::from_std(opened);
        let Err(error) = client.download(&file.url, expect, &mut sink).await else {
            return Ok(());
        };
        tries += 1;
        match judge_download(error) {
            Refused::NotNow(error) if tries < MOST_TRIES => {
                let pause = PAUSE / client.pacer().time_scale().max(1);
                tracing::warn!("{}; trying again in {}", chain(&error), duration(pause));
                tokio::time::sleep(pause).await;
            }
            refused @ (Refused::Unusable(_) | Refused::NotNow(_) | Refused::Stop(_)) => {
                return Err(refused);
            }
        }
    }
}

/// Whether an older snapshot may serve. An error that needs a person, or that every download meets,
/// is no reason to take an older one.
fn judge_download(error: fichier_api::Error) -> Refused {
    let is_of_all = matches!(error.kind, ErrorKind::OneLocation | ErrorKind::Maintenance)
        || matches!(error.kind, ErrorKind::Unreachable(_)) && error.endpoint != "download";
    match (&error.kind, error.remedy()) {
        (ErrorKind::Corrupt { .. }, _) | (_, Remedy::GiveUp) => Refused::Unusable(chain(&error)),
        (_, Remedy::TryAgain) if !is_of_all => Refused::NotNow(error),
        _ => Refused::Stop(error.into()),
    }
}

fn is_here(packed: &Path, file: &RemoteFile) -> bool {
    let here = hash_file(packed).ok();
    here.is_some_and(|(size, hash)| size == file.size_bytes && file.whirlpool == Some(hash))
}

/// Tells an error of the disk, which is not the snapshot's fault, from a file that cannot be
/// unpacked, which has no error number.
fn judge_io(path: &Path, source: io::Error) -> Refused {
    match source.raw_os_error() {
        Some(_) => Refused::Stop(RecoverError::Io { path: path.to_owned(), source }),
        None => Refused::Unusable(format!("it cannot be unpacked: {source}")),
    }
}

/// Tells an error of a snapshot's contents from one of the state that they go to.
pub(super) fn judge_state(error: Error) -> Refused {
    if let Error::Corrupt { detail } = error {
        return Refused::Unusable(detail);
    }
    if matches!(error, Error::NotOurs { .. } | Error::Sqlite(_)) {
        return Refused::Unusable("it is not a snapshot of fichierd".to_owned());
    }
    if matches!(error, Error::Refused(_) | Error::Missing(_) | Error::Cycle) {
        return Refused::Unusable(format!("its records contradict each other: {}", chain(&error)));
    }
    Refused::Stop(error.into())
}

/// The name of a snapshot; one that the form cannot read stays as it is stored.
pub(super) fn name_of(file: &RemoteFile, form: &Form) -> String {
    let name = form.local_file_name(&file.name).unwrap_or_else(|| file.name.decode());
    String::from_utf8_lossy(&name).into_owned()
}

fn blocking<R>(work: impl FnOnce() -> R) -> R {
    tokio::task::block_in_place(work)
}
