//! The content of a file as far as it has arrived: written in order, and hashed beside that.
//!
//! The hash of a large one is computed in a thread of its own, see [`WhirlpoolThread`]. Small pieces, as they
//! come out of TLS, are gathered into blocks first: each write to a file is a message to another
//! thread.
//!
//! Invariants: memory is bounded by the block that is being gathered, the [`BLOCKS_AHEAD`] that
//! wait to be hashed and the one that is. Counted bytes have been handed on, or will be with the
//! next block: a caller that goes on after an error calls [`Content::pass_on`] first.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::ErrorKind;
use crate::hash::{Whirlpool, WhirlpoolThread};

/// Bytes that are gathered before they are hashed and written.
const BLOCK_BYTES: usize = 256 * 1024;
/// Blocks that may wait to be hashed; at the limit the download waits.
const BLOCKS_AHEAD: usize = 4;

/// The most bytes of a small file; one of unknown size is small too (docs/api-notes.md, D: 50 MB).
const SMALL_BYTES: u64 = 50 * 1024 * 1024;

/// A download that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Length of the whole content.
    pub size_bytes: u64,
    /// Hash of the whole content.
    pub whirlpool: Whirlpool,
}

/// The content of a file on its way to a sink.
pub(crate) struct Content<'s, S> {
    sink: &'s mut S,
    hashing: WhirlpoolThread,
    /// Counted, but neither hashed nor written yet.
    block: BytesMut,
    size_bytes: u64,
    /// The size of the whole, once it is known.
    whole: Option<u64>,
}

impl<'s, S: AsyncWrite + Unpin> Content<'s, S> {
    pub(crate) fn new(sink: &'s mut S, whole: Option<u64>) -> Content<'s, S> {
        let hashing = WhirlpoolThread::new(BLOCKS_AHEAD);
        Content { sink, hashing, block: BytesMut::new(), size_bytes: 0, whole }
    }

    /// Hashes and counts a beginning that is in its place already.
    pub(crate) async fn begin_with(
        &mut self,
        had: &mut (impl AsyncRead + Unpin),
    ) -> Result<(), ErrorKind> {
        loop {
            let mut block = BytesMut::with_capacity(BLOCK_BYTES);
            while block.len() < BLOCK_BYTES {
                if had.read_buf(&mut block).await.map_err(ErrorKind::Sink)? == 0 {
                    break;
                }
            }
            if block.is_empty() {
                return Ok(());
            }
            self.size_bytes += block.len() as u64;
            self.hashing.add(block.freeze()).await;
        }
    }

    /// How much there is, the beginning included.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole.is_some_and(|whole| self.size_bytes >= whole)
    }

    /// Whether it is known that something is missing.
    pub(crate) fn is_cut(&self) -> bool {
        self.whole.is_some_and(|whole| self.size_bytes < whole)
    }

    /// Whether downloads of files like this one must not start in quick succession.
    pub(crate) fn is_small(&self) -> bool {
        self.whole.is_none_or(|whole| whole <= SMALL_BYTES)
    }

    /// Compares the size that the server announces with the one known.
    pub(crate) fn expect_whole(&mut self, announced: u64) -> Result<(), ErrorKind> {
        let whole = *self.whole.get_or_insert(announced);
        if whole == announced { Ok(()) } else { Err(wrong_size(whole, announced)) }
    }

    /// Takes the bytes that have arrived next.
    pub(crate) async fn add(&mut self, chunk: &[u8]) -> Result<(), ErrorKind> {
        let size_bytes = self.size_bytes + chunk.len() as u64;
        if let Some(whole) = self.whole.filter(|whole| size_bytes > *whole) {
            return Err(wrong_size(whole, size_bytes));
        }
        self.size_bytes = size_bytes;
        self.block.extend_from_slice(chunk);
        if self.block.len() < BLOCK_BYTES { Ok(()) } else { self.pass_on().await }
    }

    /// Hands on the gathered block, to the thread that hashes and to the sink.
    pub(crate) async fn pass_on(&mut self) -> Result<(), ErrorKind> {
        let block = self.block.split().freeze();
        if block.is_empty() {
            return Ok(());
        }
        self.hashing.add(block.clone()).await;
        self.sink.write_all(&block).await.map_err(ErrorKind::Sink)
    }

    /// Compares the whole content with size and hash as expected, after the sink has taken it.
    pub(crate) async fn finish(
        mut self,
        expect: Option<(u64, Whirlpool)>,
    ) -> Result<Downloaded, ErrorKind> {
        self.pass_on().await?;
        self.sink.flush().await.map_err(ErrorKind::Sink)?;
        let whirlpool = self.hashing.finish().await.map_err(ErrorKind::Sink)?;
        if let Some((size_bytes, _)) = expect.filter(|(size, _)| *size != self.size_bytes) {
            return Err(wrong_size(size_bytes, self.size_bytes));
        }
        if let Some((_, expected)) = expect.filter(|(_, hash)| *hash != whirlpool) {
            let detail = format!("expected the hash {expected:?}, got {whirlpool:?}");
            return Err(ErrorKind::Corrupt { detail });
        }
        Ok(Downloaded { size_bytes: self.size_bytes, whirlpool })
    }
}

fn wrong_size(expected: u64, got: u64) -> ErrorKind {
    ErrorKind::Corrupt { detail: format!("expected {expected} bytes, got {got}") }
}

#[cfg(test)]
mod tests {
    use whirlpool::Digest as _;

    use super::*;

    #[tokio::test]
    async fn pieces_of_any_size_come_out_in_order() {
        let content: Vec<u8> = (0..=250).cycle().take(3 * BLOCK_BYTES + 17).collect();
        let expected = Whirlpool::from_bytes(whirlpool::Whirlpool::digest(&content).into());
        for piece in [1_000, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 1, content.len()] {
            let (had, rest) = content.split_at(BLOCK_BYTES + 5);
            let mut sink = Vec::new();
            let mut arriving = Content::new(&mut sink, Some(content.len() as u64));
            arriving.begin_with(&mut &*had).await.unwrap();
            for chunk in rest.chunks(piece) {
                assert!(arriving.is_cut() && !arriving.is_whole());
                arriving.add(chunk).await.unwrap();
            }
            assert!(arriving.is_whole() && !arriving.is_cut());
            let done = arriving.finish(Some((content.len() as u64, expected))).await.unwrap();
            assert_eq!(done.size_bytes, content.len() as u64);
            assert!(sink == rest, "in pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn a_file_of_unknown_size_is_small() {
        for (whole, is_small) in
            [(None, true), (Some(0), true), (Some(52_428_800), true), (Some(52_428_801), false)]
        {
            assert_eq!(Content::new(&mut Vec::new(), whole).is_small(), is_small, "{whole:?}");
        }
    }

    #[tokio::test]
    async fn what_is_passed_on_early_is_not_written_twice() {
        let mut sink = Vec::new();
        let mut arriving = Content::new(&mut sink, None);
        for chunk in [b"Hello ".as_slice(), b"world\n"] {
            arriving.add(chunk).await.unwrap();
            arriving.pass_on().await.unwrap();
        }
        let done = arriving.finish(None).await.unwrap();
        assert!(done.whirlpool.to_hex().starts_with("0a894ff039da399d"));
        assert_eq!(sink, b"Hello world\n");
    }
}
