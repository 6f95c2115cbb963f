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
    ErrorKind, FolderId, MAX_FILES_PER_UPLOAD, Remedy, RemoteFile, SendError, SentFile, UploadFile,
    UploadResult, UploadSlot, match_uploaded,
};

use super::Remote;
use super::place::RemotePath;
use super::report::{Deed, deeds};
use crate::base::Exit;
use crate::cli::failure::ended;
use crate::cli::progress::{Shown, SoFar};

/// The time between two questions whether the service has scanned an upload for viruses.
const POLL: Duration = Duration::from_secs(10);
/// Questions that are asked; after the last one the folder is listed.
const MOST_POLLS: u32 = 90;
/// Those of them that are answered without all files, or without their hashes.
const MOST_UNTOLD: u32 = 6;
/// The time within which a listing shows a file that has arrived (docs/api-notes.md, C.5).
const LISTED_WITHIN: Duration = Duration::from_secs(180);

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

/// Sends files. Costs one listing for each folder of the path, and three calls for up to 500 files;
/// a listing or two where the result is unclear.
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
    let arrived = arrived(remote, folder, &slot, xid.as_deref(), &sent).await?;
    Ok(batch.iter().zip(arrived).map(|(file, sent)| deed(&file.path, sent)).collect())
}

fn to_send(file: &Chosen) -> UploadFile {
    let path = file.path.clone();
    UploadFile::new(file.name.clone(), file.size_bytes, move || File::open(path))
}

/// What is known of a file that was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// The service has it with the size and the hash that were sent.
    Confirmed,
    /// It is in the folder with its name and size, and no hash of it is told.
    Unhashed,
    /// It may still show up.
    Open,
    /// The service has answered in full, and does not have it.
    Lost,
}

/// What is known of each file. The node is asked first; where its answer is unclear, or tells how to
/// remove the files without an account, the folder is listed before anything is concluded.
async fn arrived(
    remote: &Remote<'_>,
    folder: FolderId,
    slot: &UploadSlot,
    xid: Option<&str>,
    sent: &[SentFile],
) -> anyhow::Result<Vec<Sent>> {
    let mut may_be_nobodys = false;
    let mut untold = 0;
    for _ in 0..MOST_POLLS {
        match remote.client.upload_result(slot, xid).await {
            Ok(UploadResult::Ready(files)) => {
                may_be_nobodys = files.iter().any(|file| file.removal.is_some());
                let matched = match_uploaded(sent, &files);
                if !may_be_nobodys && matched.urls.iter().all(Option::is_some) {
                    return Ok(vec![Sent::Confirmed; sent.len()]);
                }
                untold += 1;
            }
            Ok(UploadResult::Nothing) => untold += 1,
            Ok(UploadResult::BeingScanned) => {}
            Ok(UploadResult::Unclear(_)) => break,
            // The node or its page is gone: the listing has to tell.
            Err(error) if matches!(error.remedy(), Remedy::TryAgain | Remedy::GiveUp) => break,
            Err(error) => return Err(error.into()),
        }
        if may_be_nobodys || untold == MOST_UNTOLD {
            break;
        }
        tokio::time::sleep(POLL / remote.config.pace.time_scale).await;
    }
    let mut found = look(remote, folder, sent).await?;
    if found.iter().any(|sent| *sent != Sent::Confirmed) {
        // Listings lag behind, and hashes come late.
        tokio::time::sleep(LISTED_WITHIN / remote.config.pace.time_scale).await;
        found = look(remote, folder, sent).await?;
    }
    if may_be_nobodys && found.contains(&Sent::Lost) {
        let (endpoint, kind) = ("end.pl", ErrorKind::Anonymous);
        return Err(fichier_api::Error { endpoint, attempts: 1, kind }.into());
    }
    Ok(found)
}

/// Looks for the files in their folder, which had none of their names before.
async fn look(
    remote: &Remote<'_>,
    folder: FolderId,
    sent: &[SentFile],
) -> anyhow::Result<Vec<Sent>> {
    let listing = remote.client.list_folder(folder).await?;
    let found = sent.iter().map(|file| {
        let is_it = |other: &&RemoteFile| other.size_bytes == file.size_bytes;
        // Under its own name, or under one that the service changed.
        let hashed = listing.files.iter().filter(is_it);
        if hashed.clone().any(|other| other.whirlpool == Some(file.whirlpool)) {
            return Sent::Confirmed;
        }
        let mut named = hashed.filter(|other| other.name == file.name);
        match named.next().map(|other| other.whirlpool) {
            Some(None) => Sent::Unhashed,
            None if !listing.complete => Sent::Open,
            Some(Some(_)) | None => Sent::Lost,
        }
    });
    Ok(found.collect())
}

fn deed(path: &Path, sent: Sent) -> Deed {
    let note = match sent {
        Sent::Confirmed | Sent::Lost => None,
        Sent::Unhashed => Some(
            "it is in the folder with its size, and 1fichier tells no hash of it yet; look again \
             with: fichierd remote info",
        ),
        Sent::Open => Some(
            "1fichier does not list the whole folder, so that it may be there; look again with: \
             fichierd remote ls",
        ),
    };
    let deed = Deed::new(path.display().to_string(), sent == Sent::Confirmed);
    Deed { note: note.map(str::to_owned), ..deed }
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
