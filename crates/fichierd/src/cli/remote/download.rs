//! `fichierd remote download`: a file from the account, compared after it arrived.
//!
//! The file is written beside its destination under a temporary name, and gets its own name only if
//! size and hash are right. No existing file is ever overwritten.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use anyhow::Context as _;
use clap::Args;
use fichier_api::names::RemoteName;
use fichier_api::{DownloadOptions, Error, ErrorKind};
use tokio::io::AsyncWrite;

use super::Remote;
use super::place::RemotePlace;
use super::report::{deeds, done};
use crate::base::Exit;
use crate::cli::failure::ended;
use crate::cli::progress::{Shown, SoFar};

#[derive(Args, Debug)]
pub(super) struct DownloadArgs {
    /// A path in the account, or a link
    #[arg(value_name = "PATH|LINK")]
    place: RemotePlace,
    /// A folder, or the name of a new file
    #[arg(default_value = ".")]
    dest: PathBuf,
    /// Download with the account's CDN credits: 1 GB of them for each GB
    #[arg(long)]
    use_cdn: bool,
}

/// Downloads a file. Costs one listing for each folder above a path, or one call for a link, and
/// then one call for the download address.
pub(super) async fn run(args: DownloadArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    let file = remote.tree.file(&args.place).await?;
    let dest = destination(&args.dest, &file.name)?;
    let folder = dest.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let unfinished = tempfile::Builder::new()
        .prefix(".fichierd-download-")
        // The umask is taken off these, as for any new file.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let so_far = Arc::new(AtomicU64::new(0));
    let mut sink = Counting {
        file: tokio::fs::File::from_std(unfinished.reopen()?),
        so_far: Arc::clone(&so_far),
    };
    let expected = file.whirlpool.map(|hash| (file.size_bytes, hash));
    let client = if args.use_cdn {
        let paying = DownloadOptions { use_cdn: true, ..DownloadOptions::default() };
        remote.client.with_download_options(paying)
    } else {
        remote.client.clone()
    };
    let fetching = client.download(&file.url, expected, &mut sink);
    let bytes = file.size_bytes;
    let shown = Shown::bar("", Some(remote.client.pacer()), move || SoFar {
        bytes_done: so_far.load(Ordering::Relaxed),
        bytes,
        ..SoFar::default()
    });
    let came = fetching.await;
    drop(shown);
    came.map_err(explain)?;
    sink.file.sync_all().await?;
    unfinished
        .persist_noclobber(&dest)
        .map_err(|error| error.error)
        .with_context(|| dest.display().to_string())?;
    deeds("downloaded", &[done(dest.display().to_string())], remote.json)
}

/// An error with what to do about it.
fn explain(error: Error) -> anyhow::Error {
    if matches!(error.kind, ErrorKind::AddressRefused) {
        let message = "1fichier refuses downloads to this address, which it takes for a data \
                       centre's or a VPN's (#913): download from another address, or pay with CDN \
                       credits (--use-cdn)";
        return ended(Exit::Refused, message);
    }
    if matches!(error.kind, ErrorKind::OneLocation) {
        let message = "another address downloads with this account, and 1fichier allows one at a \
                       time (#887): try again five minutes after that download has ended";
        return ended(Exit::TryLater, message);
    }
    error.into()
}

/// The path of the file to make. A name from the account never leads out of the folder.
fn destination(typed: &Path, name: &RemoteName) -> anyhow::Result<PathBuf> {
    let local = name.decode();
    let dest = if typed.is_dir() {
        if local.contains(&b'/') || local.contains(&0) || matches!(&local[..], b"" | b"." | b"..") {
            let message = "the file's name cannot be used here; give the name of a new file";
            return Err(ended(Exit::Usage, message));
        }
        typed.join(OsStr::from_bytes(&local))
    } else {
        typed.to_path_buf()
    };
    if dest.symlink_metadata().is_ok() {
        return Err(ended(Exit::Failed, format!("{} exists already", dest.display())));
    }
    Ok(dest)
}

/// Counts the bytes that are written to the file.
struct Counting {
    file: tokio::fs::File,
    so_far: Arc<AtomicU64>,
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.file).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.so_far.fetch_add(count as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_the_account_stays_in_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let name = RemoteName::encode(b"a.jpg");
        assert_eq!(destination(dir.path(), &name).unwrap(), dir.path().join("a.jpg"));
        for evil in ["／etc／passwd", "．．", "a\u{2400}b"] {
            let evil = RemoteName::from_service(evil.to_owned());
            let said = destination(dir.path(), &evil).map_err(|error| error.to_string());
            let expected = "the file's name cannot be used here; give the name of a new file";
            assert_eq!(said.unwrap_err(), expected);
        }
    }

    #[test]
    fn what_exists_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("a.jpg");
        std::fs::write(&there, "precious").unwrap();
        let name = RemoteName::encode(b"a.jpg");
        for typed in [dir.path(), &there] {
            let said = destination(typed, &name).unwrap_err().to_string();
            assert_eq!(said, format!("{} exists already", there.display()));
        }
    }
}
