//! `fichierd remote upload`: files into a folder, compared after they arrived.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use fichier_api::names::RemoteName;
use fichier_api::{
    FolderId, MAX_FILES_PER_UPLOAD, SendError, SentFile, UploadFile, UploadResult, UploadSlot,
    match_uploaded,
};

use super::Remote;
use super::place::RemotePath;
use super::report::{Deed, deeds};
use crate::base::Exit;
use crate::cli::failure::ended;
use crate::cli::progress::{Shown, SoFar};

/// The time between two questions whether the service has scanned an upload for viruses.
const POLL: Duration = Duration::from_secs(10);
/// Questions that are asked; after the last one the command ends with [`Exit::TryLater`].
const MOST_POLLS: u32 = 90;

#[derive(Args, Debug)]
pub(super) struct UploadArgs {
    /// Files on this machine
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// An existing folder in the account
    folder: RemotePath,
}

/// A file that was checked and can be sent.
struct Chosen {
    path: PathBuf,
    name: RemoteName,
    size_bytes: u64,
}

/// Sends files. Costs one listing for each folder of the path, and three calls for up to 500 files.
pub(super) async fn run(args: UploadArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    let chosen = choose(&args.files)?;
    let folder = remote.tree.folder(&args.folder).await?;
    for file in &chosen {
        remote.tree.refuse_taken(folder, &file.name).await?;
    }
    let mut results = Vec::new();
    for batch in chosen.chunks(MAX_FILES_PER_UPLOAD) {
        results.extend(send(remote, folder, batch).await?);
    }
    deeds("uploaded", &results, remote.json)
}

/// Checks all files, before the first is sent.
fn choose(paths: &[PathBuf]) -> anyhow::Result<Vec<Chosen>> {
    use std::os::unix::ffi::OsStrExt;
    let mut chosen: Vec<Chosen> = Vec::new();
    for path in paths {
        let refuse = |why: &str| Err(ended(Exit::Usage, format!("{} {why}", path.display())));
        let metadata = fs::metadata(path).with_context(|| path.display().to_string())?;
        let Some(name) = path.file_name() else { return refuse("has no name") };
        if !metadata.is_file() {
            return refuse("is not a file");
        }
        if metadata.len() == 0 {
            return refuse("is empty, and 1fichier takes no empty files");
        }
        let name = RemoteName::encode(name.as_bytes());
        if chosen.iter().any(|other| other.name == name) {
            return refuse("has the same name as another of these files");
        }
        chosen.push(Chosen { path: path.clone(), name, size_bytes: metadata.len() });
    }
    Ok(chosen)
}

async fn send(
    remote: &Remote<'_>,
    folder: FolderId,
    batch: &[Chosen],
) -> anyhow::Result<Vec<Deed>> {
    let client = &remote.client;
    let slot = client.open_upload().await?;
    let bytes = batch.iter().map(|file| file.size_bytes).sum();
    let so_far = Arc::new(AtomicU64::new(0));
    let files = batch.iter().map(to_send).collect();
    let sending = client.send_files(&slot, folder, files, Arc::clone(&so_far));
    let shown = Shown::bar("", Some(client.pacer()), move || SoFar {
        bytes_done: so_far.load(Ordering::Relaxed),
        bytes,
        ..SoFar::default()
    });
    let sent = sending.await;
    drop(shown);
    let (xid, sent) = match sent {
        Ok(sent) => (Some(sent.xid), sent.files),
        // All bytes were handed over and only the reply is lost; the node knows the result (C.6).
        Err(SendError::Service { sent, complete: true, .. }) => (None, sent),
        Err(SendError::Service { error, .. }) => return Err(error.into()),
        Err(SendError::File { index, source }) => {
            return Err(source).with_context(|| batch[index].path.display().to_string());
        }
    };
    let arrived = arrived(remote, &slot, xid.as_deref(), &sent).await?;
    Ok(batch.iter().zip(arrived).map(|(file, done)| deed(&file.path, done)).collect())
}

fn to_send(file: &Chosen) -> UploadFile {
    let path = file.path.clone();
    UploadFile::new(file.name.clone(), file.size_bytes, move || File::open(path))
}

/// For each file, whether the service has it with the size and the hash that were sent.
async fn arrived(
    remote: &Remote<'_>,
    slot: &UploadSlot,
    xid: Option<&str>,
    sent: &[SentFile],
) -> anyhow::Result<Vec<bool>> {
    for _ in 0..MOST_POLLS {
        match remote.client.upload_result(slot, xid).await? {
            UploadResult::Ready(files) => {
                let matched = match_uploaded(sent, &files);
                if !matched.unproved.is_empty() {
                    // The hashes are late; without them nothing is certain.
                    tokio::time::sleep(POLL / remote.config.pace.time_scale).await;
                    continue;
                }
                return Ok(matched.urls.iter().map(Option::is_some).collect());
            }
            UploadResult::Nothing | UploadResult::Unclear(_) => {
                return Ok(vec![false; sent.len()]);
            }
            UploadResult::BeingScanned => {
                tokio::time::sleep(POLL / remote.config.pace.time_scale).await;
            }
        }
    }
    Err(ended(
        Exit::TryLater,
        "the service has not confirmed the upload yet; look again with: remote ls",
    ))
}

fn deed(path: &Path, done: bool) -> Deed {
    Deed { what: path.display().to_string(), done }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_sent_are_refused_before_anything_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("b")).unwrap();
        for (name, text) in [("a", "x"), ("b/a", "y"), ("empty", "")] {
            fs::write(at(name), text).unwrap();
        }
        let refused = |names: &[&str]| {
            let paths: Vec<_> = names.iter().map(|name| at(name)).collect();
            format!("{:#}", choose(&paths).err().unwrap()).replace(dir.path().to_str().unwrap(), "")
        };
        assert_eq!(choose(&[at("a")]).unwrap()[0].size_bytes, 1);
        assert_eq!(refused(&["b"]), "/b is not a file");
        assert_eq!(refused(&["empty"]), "/empty is empty, and 1fichier takes no empty files");
        assert_eq!(refused(&["a", "b/a"]), "/b/a has the same name as another of these files");
        assert_eq!(refused(&["no"]), "/no: No such file or directory (os error 2)");
    }
}
