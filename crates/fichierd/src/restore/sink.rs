//! The way of downloaded bytes into an unfinished file: in large pieces, on a blocking thread while
//! the next bytes come in. Zeros in a recorded hole are skipped, so that a sparse file never needs
//! more room than it had.
//!
//! Invariant: the bytes of the file up to its length are the first bytes of the content, whenever
//! the process dies; so a later try goes on from there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fichier_state::Holes;
use tokio::io::AsyncWrite;
use tokio::task::JoinHandle;

use super::report::Meter;

/// The size of one write. Memory holds two of them.
const PIECE_BYTES: usize = 1024 * 1024;

/// The size of the pieces that are examined for zeros: the smallest that a file system leaves out.
const HOLE_BYTES: usize = 4096;

/// An unfinished file that takes bytes from `offset` on.
pub(super) struct PartSink {
    file: Arc<File>,
    holes: Arc<Holes>,
    /// The offset at which the buffer is written.
    offset: u64,
    buffer: Vec<u8>,
    /// The other buffer, while it is being written.
    writing: Option<JoinHandle<io::Result<Vec<u8>>>>,
    /// Bytes that were taken.
    taken: u64,
    /// Shows them.
    meter: Arc<Meter>,
}

impl PartSink {
    pub(super) fn new(
        file: Arc<File>,
        holes: Arc<Holes>,
        offset: u64,
        meter: Arc<Meter>,
    ) -> PartSink {
        PartSink { file, holes, offset, buffer: Vec::new(), writing: None, taken: 0, meter }
    }

    /// The number of bytes that were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Waits for the buffer on its way, and takes it back.
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let Some(writing) = &mut self.writing else { return Poll::Ready(Ok(Vec::new())) };
        let written = ready!(Pin::new(writing).poll(context));
        self.writing = None;
        Poll::Ready(written.map_err(io::Error::other).flatten())
    }

    fn send_buffer(&mut self, mut spare: Vec<u8>) {
        spare.clear();
        let full = std::mem::replace(&mut self.buffer, spare);
        let (file, holes, offset) = (Arc::clone(&self.file), Arc::clone(&self.holes), self.offset);
        self.offset += full.len() as u64;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            write(&file, &holes, offset, &full)?;
            Ok(full)
        }));
    }
}

impl AsyncWrite for PartSink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffer.len() >= PIECE_BYTES {
            let spare = ready!(self.poll_written(context))?;
            self.send_buffer(spare);
        }
        let room = PIECE_BYTES - self.buffer.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.buffer.extend_from_slice(taken);
        let count = taken.len();
        self.taken += count as u64;
        self.meter.add(count as u64);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let spare = ready!(self.poll_written(context))?;
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.send_buffer(spare);
        ready!(self.poll_written(context))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// Writes bytes at their offset, except for zeros in holes.
fn write(file: &File, holes: &Holes, offset: u64, bytes: &[u8]) -> io::Result<()> {
    if holes.is_empty() {
        return file.write_all_at(bytes, offset);
    }
    let mut at = 0;
    let mut from = 0;
    while at < bytes.len() {
        let begins = offset + at as u64;
        // The piece ends at the next boundary of a block of the file.
        let to_boundary = HOLE_BYTES - usize::try_from(begins % HOLE_BYTES as u64).unwrap_or(0);
        let end = bytes.len().min(at + to_boundary);
        let is_left_out = bytes[at..end].iter().all(|byte| *byte == 0)
            && is_hole(holes, begins, offset + end as u64);
        if is_left_out {
            file.write_all_at(&bytes[from..at], offset + from as u64)?;
            from = end;
        }
        at = end;
    }
    file.write_all_at(&bytes[from..], offset + from as u64)
}

/// Whether the range lies in one recorded hole.
fn is_hole(holes: &Holes, begins: u64, ends: u64) -> bool {
    holes.iter().any(|(offset, length)| offset <= begins && ends <= offset + length)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn written(content: &[u8], holes: &[(u64, u64)], piece: usize) -> (File, u64) {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let holes = Arc::new(Holes::try_from(holes.to_vec()).unwrap());
        let meter: Arc<Meter> = Arc::default();
        let mut sink = PartSink::new(Arc::clone(&file), holes, 0, Arc::clone(&meter));
        for part in content.chunks(piece) {
            sink.write_all(part).await.unwrap();
        }
        sink.flush().await.unwrap();
        let taken = sink.taken();
        drop(sink);
        assert_eq!(meter.shown(), taken);
        (Arc::into_inner(file).unwrap(), taken)
    }

    fn bytes_of(file: &File, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        file.set_len(length as u64).unwrap();
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[tokio::test]
    async fn everything_arrives_in_order_whatever_the_pieces() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        for piece in [1 << 20, 70_001, 3_000_000] {
            let (file, came) = written(&content, &[], piece).await;
            assert_eq!((file.metadata().unwrap().len(), came), (3_000_000, 3_000_000));
            assert!(bytes_of(&file, content.len()) == content);
        }
    }

    #[tokio::test]
    async fn zeros_in_a_hole_take_no_room_and_bytes_there_are_kept() {
        let mut content = vec![7; 8 << 20];
        content[1 << 20..7 << 20].fill(0);
        // The recorded hole has data after all.
        content[5_000_000] = 1;
        let (file, _) = written(&content, &[(1 << 20, 6 << 20)], 100_000).await;
        let blocks = file.metadata().unwrap().blocks() * 512;
        assert!(blocks < 3 << 20, "{blocks}");
        assert!(bytes_of(&file, content.len()) == content);
    }
}
