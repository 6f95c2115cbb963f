//! Deciphers a stored file on its way to where its plain bytes belong.
//!
//! No plain byte is handed on before the block that it is in was found to be whole. That does not
//! prove that the file is: it may have been cut at the end of a block, or be another one of the same
//! password. So the header is compared with the record here, and size and hash of the stored file
//! by the download; the code that keeps the plain bytes compares their fingerprint
//! ([`PlainHash`]), too.
//!
//! Memory holds the pieces of one write, at most [`PIECE_BYTES`] and a block.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use fichier_api::{Error, ErrorKind, Fingerprint};
use rclone_formats::crypt::size::{BLOCK_BYTES, CIPHER_BLOCK_BYTES, HEADER_BYTES, plain_size};
use rclone_formats::crypt::{ContentError, Decryptor};
use tokio::io::AsyncWrite;

use super::keyring::Reader;

/// The most bytes that are deciphered in one go.
const PIECE_BYTES: usize = 256 * 1024;

/// The fingerprint of plain bytes as they come, shared by all through whose hands they go in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlainHash(Arc<Mutex<blake3::Hasher>>);

/// A place for plain bytes that takes those of the stored file.
pub(crate) struct Decipher<W> {
    plain_to: W,
    reader: Reader,
    /// `None` once the stored file has ended.
    decryptor: Option<Decryptor>,
    /// Bytes of the header that are still to come.
    header_left: usize,
    /// Stored bytes that are still to come.
    left: u64,
    /// Stored bytes that came.
    came: u64,
    /// Plain bytes that were made of them.
    plain_bytes: u64,
    plain: Vec<u8>,
    /// How much of `plain` was handed on.
    handed: usize,
    hash: PlainHash,
}

/// What came is not the stored file on record.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error("it begins as another file does: its nonce is not the one on record")]
    OtherFile,
    #[error("there are more bytes than the record tells")]
    TooLong,
}

impl<W> Decipher<W> {
    /// Deciphers a stored file of `stored_bytes` whose first `had` plain bytes are there already:
    /// whole blocks, or all of it. Without a known nonce there are none.
    pub(crate) fn new(
        plain_to: W,
        reader: &Reader,
        (had, stored_bytes): (u64, u64),
        hash: PlainHash,
    ) -> Decipher<W> {
        let block = had / BLOCK_BYTES as u64;
        let begins =
            if had == 0 { 0 } else { HEADER_BYTES as u64 + block * CIPHER_BLOCK_BYTES as u64 };
        let is_whole = had > 0 && plain_size(stored_bytes) == Ok(had);
        let decryptor = match had {
            _ if is_whole => None,
            0 => Some(reader.decryptor()),
            _ => reader.decryptor_at(block),
        };
        Decipher {
            plain_to,
            reader: reader.clone(),
            decryptor,
            header_left: if had == 0 { HEADER_BYTES } else { 0 },
            left: if is_whole { 0 } else { stored_bytes.saturating_sub(begins) },
            came: 0,
            plain_bytes: 0,
            plain: Vec::new(),
            handed: 0,
            hash,
        }
    }

    /// Stored bytes that came so far.
    pub(crate) fn came(&self) -> u64 {
        self.came
    }

    /// Plain bytes that were made of them.
    pub(crate) fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Whether the stored file has come to its end, and all of it was deciphered.
    pub(crate) fn has_ended(&self) -> bool {
        self.left == 0 && self.decryptor.is_none()
    }

    fn take(&mut self, stored: &[u8]) -> Result<(), Damage> {
        let Self { reader, plain, hash, .. } = self;
        plain.clear();
        self.handed = 0;
        self.came += stored.len() as u64;
        self.left = self.left.checked_sub(stored.len() as u64).ok_or(Damage::TooLong)?;
        let mut decryptor = self.decryptor.take().ok_or(Damage::TooLong)?;
        let (header, blocks) = stored.split_at(self.header_left.min(stored.len()));
        self.header_left -= header.len();
        decryptor.push(header, |_| {})?;
        if decryptor.nonce().is_some_and(|nonce| !reader.learn(nonce)) {
            return Err(Damage::OtherFile);
        }
        decryptor.push(blocks, |bytes| plain.extend_from_slice(bytes))?;
        if self.left == 0 {
            // Not before the last byte: what follows an end would not be noticed.
            decryptor.finish(|bytes| plain.extend_from_slice(bytes))?;
        } else {
            self.decryptor = Some(decryptor);
        }
        hash.add(plain);
        self.plain_bytes += plain.len() as u64;
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin> Decipher<W> {
    fn poll_hand_on(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.handed < self.plain.len() {
            let rest = &self.plain[self.handed..];
            let count = ready!(Pin::new(&mut self.plain_to).poll_write(context, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.handed += count;
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Decipher<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_hand_on(context))?;
        let taken = &bytes[..bytes.len().min(PIECE_BYTES)];
        let deciphered = this.take(taken).map(|()| taken.len());
        Poll::Ready(deciphered.map_err(|damage| io::Error::new(io::ErrorKind::InvalidData, damage)))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_hand_on(context))?;
        Pin::new(&mut this.plain_to).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_hand_on(context))?;
        Pin::new(&mut this.plain_to).poll_shutdown(context)
    }
}

impl PlainHash {
    /// Adds the next bytes.
    pub(crate) fn add(&self, plain: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).update(plain);
    }

    /// The fingerprint of all bytes so far.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let hash = self.0.lock().unwrap_or_else(PoisonError::into_inner).finalize();
        Fingerprint::from_bytes(*hash.as_bytes())
    }
}

/// The error of a download into a [`Decipher`]: damage that was found in it is none of the disk.
pub(crate) fn explained(error: Error) -> Error {
    let ErrorKind::Sink(source) = &error.kind else { return error };
    if !source.get_ref().is_some_and(|inner| inner.is::<Damage>()) {
        return error;
    }
    let detail = source.to_string();
    Error { kind: ErrorKind::Corrupt { detail }, ..error }
}

/// The error of a download whose stored bytes are those on record, and the plain ones are not.
pub(crate) fn other_bytes() -> Error {
    let detail = "what is stored there deciphers to other bytes than those on record".to_owned();
    Error { endpoint: "download", attempts: 1, kind: ErrorKind::Corrupt { detail } }
}
