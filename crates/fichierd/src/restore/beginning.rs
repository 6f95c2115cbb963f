//! The beginning of a stored file, made again of the plain bytes that an earlier try has left.
//!
//! The same plain bytes with the same keys and nonce are the same stored bytes. So a download goes
//! on where it broke off, and its hash is still that of the whole stored file, though the first part
//! of it is not fetched a second time.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rclone_formats::crypt::Encryptor;
use rclone_formats::crypt::size::CIPHER_BLOCK_BYTES;
use tokio::io::{AsyncRead, BufReader, ReadBuf};

use super::decipher::PlainHash;

/// The size of one read from the disk.
const READ_BYTES: usize = 1024 * 1024;

/// A reader of the stored bytes of some plain ones.
pub(super) struct Beginning {
    plain: BufReader<tokio::fs::File>,
    /// Plain bytes that are still to be read.
    left: u64,
    /// `None` at the end.
    encryptor: Option<Encryptor>,
    ready: Vec<u8>,
    /// How much of `ready` was handed on.
    handed: usize,
    hash: PlainHash,
}

impl Beginning {
    /// That of the first `plain_bytes` of a file: whole blocks, or all of it. Nothing at all for
    /// none of them, or without a known nonce: then the header is still to come, too.
    pub(super) fn new(
        file: File,
        plain_bytes: u64,
        encryptor: Option<Encryptor>,
        hash: PlainHash,
    ) -> Beginning {
        let plain = BufReader::with_capacity(READ_BYTES, tokio::fs::File::from_std(file));
        let encryptor = encryptor.filter(|_| plain_bytes > 0);
        let ready = Vec::with_capacity(CIPHER_BLOCK_BYTES);
        Beginning { plain, left: plain_bytes, encryptor, ready, handed: 0, hash }
    }

    /// Makes the next bytes ready, if there are any.
    fn poll_encipher(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { plain, left, ready, hash, .. } = self;
        ready.clear();
        self.handed = 0;
        while let (Some(encryptor), true) = (&mut self.encryptor, ready.is_empty()) {
            if *left == 0 {
                if let Some(ended) = self.encryptor.take() {
                    ended.finish(|bytes| ready.extend_from_slice(bytes));
                }
                break;
            }
            let room = encryptor.room();
            let most = usize::try_from(*left).unwrap_or(usize::MAX).min(room.len());
            let mut read = ReadBuf::new(&mut room[..most]);
            ready!(Pin::new(&mut *plain).poll_read(context, &mut read))?;
            let count = read.filled().len();
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            hash.add(read.filled());
            encryptor.filled(count, |bytes| ready.extend_from_slice(bytes));
            *left -= count as u64;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Beginning {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.handed == this.ready.len() {
            ready!(this.poll_encipher(context))?;
        }
        let rest = &this.ready[this.handed..];
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        this.handed += count;
        Poll::Ready(Ok(()))
    }
}
