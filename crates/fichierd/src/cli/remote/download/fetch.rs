//! One file, from the account to its place on disk.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use anyhow::Context as _;
use fichier_api::{Client, Error, ErrorKind, RemoteFile};
use tokio::io::AsyncWrite;

use crate::base::{Exit, Form};
use crate::cli::failure::ended;
use crate::cli::progress::{Shown, SoFar};
use crate::restore::{Decipher, PlainHash, Reader, explained};

/// How files are fetched, and what they are stored as.
pub(super) struct Fetching {
    pub(super) client: Client,
    pub(super) form: Form,
}

impl Fetching {
    /// Fetches a file to `dest`, where nothing is.
    ///
    /// # Errors
    ///
    /// Those of the download and of the disk; then there is no file of that name.
    pub(super) async fn file(&self, file: &RemoteFile, dest: &Path) -> anyhow::Result<()> {
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
        let bytes = file.size_bytes;
        let shown = Shown::bar("", Some(self.client.pacer()), move || SoFar {
            bytes_done: so_far.load(Ordering::Relaxed),
            bytes,
            ..SoFar::default()
        });
        let came = self.bytes(file, &mut sink).await;
        drop(shown);
        came.map_err(advised)?;
        sink.file.sync_all().await?;
        unfinished
            .persist_noclobber(dest)
            .map_err(|error| error.error)
            .with_context(|| dest.display().to_string())?;
        Ok(())
    }

    /// The plain bytes of a file, whose stored ones are compared with the listing.
    async fn bytes(&self, file: &RemoteFile, sink: &mut Counting) -> Result<(), Error> {
        let expected = file.whirlpool.map(|hash| (file.size_bytes, hash));
        let Some(crypt) = self.form.crypt() else {
            return self.client.download(&file.url, expected, sink).await.map(|_| ());
        };
        let reader = Reader::of_unknown(crypt.keys());
        let extent = (0, file.size_bytes);
        let mut sink = Decipher::new(sink, &reader, extent, PlainHash::default());
        let came = self.client.download(&file.url, expected, &mut sink).await;
        came.map_err(explained)?;
        if sink.has_ended() {
            return Ok(());
        }
        // Only the size in the listing tells this, if there is no hash.
        let detail = format!("expected {} bytes, got {}", file.size_bytes, sink.came());
        Err(Error { endpoint: "download", attempts: 1, kind: ErrorKind::Corrupt { detail } })
    }
}

/// An error with what to do about it.
fn advised(error: Error) -> anyhow::Error {
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
