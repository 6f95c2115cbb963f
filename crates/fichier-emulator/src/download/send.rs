//! The bytes of a download on their way to the client; a fault may cut, stall or change them.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::{Notify, mpsc};

use crate::faults::Action;
use crate::reply::Body;
use crate::storage::ContentReader;
use crate::world::Passage;

const BLOCK: usize = 256 * 1024;

/// The bytes to send: a file, or a part of it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) length: u64,
    /// Whether it is answered with 206.
    pub(crate) partial: bool,
}

/// What happens to the bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    None,
    /// The connection is closed after this many.
    Cut(u64),
    /// Nothing comes after this many, and the connection stays open.
    Stall(u64),
    /// The byte at this place arrives changed.
    Flip(u64),
}

/// A body that breaks off, stalls or arrives damaged if the fault says so. `flushed` is notified
/// when the client's connection has taken all bytes that were sent.
pub(crate) fn body(
    reader: ContentReader,
    part: &Part,
    action: Option<&Action>,
    flushed: Arc<Notify>,
    passage: Passage,
) -> Body {
    let mishap = match action {
        Some(Action::ResetAfter(bytes)) => Mishap::Cut(*bytes as u64),
        Some(Action::StallBody(bytes)) => Mishap::Stall(*bytes as u64),
        Some(Action::WrongBytes) => Mishap::Flip(part.length / 2),
        _ => Mishap::None,
    };
    let length = match mishap {
        Mishap::Cut(bytes) | Mishap::Stall(bytes) => bytes.min(part.length),
        Mishap::Flip(_) | Mishap::None => part.length,
    };
    let journey = Journey {
        blocks: read(reader, part.first, length),
        sent: 0,
        length: part.length,
        mishap,
        flushed,
        passage: Some(passage),
    };
    StreamBody::new(stream::unfold(journey, Journey::next)).boxed_unsync()
}

struct Journey {
    blocks: mpsc::Receiver<io::Result<Bytes>>,
    sent: u64,
    /// The length that the client was told.
    length: u64,
    mishap: Mishap,
    flushed: Arc<Notify>,
    /// Dropped with the last byte: a client that has it may begin the next download at once.
    passage: Option<Passage>,
}

impl Journey {
    async fn next(mut self) -> Option<(io::Result<Frame<Bytes>>, Journey)> {
        if let Some(block) = self.blocks.recv().await {
            let block = block.map(|block| Frame::data(self.pass(block)));
            return Some((block, self));
        }
        // hyper does not ask again once the announced length is reached.
        match self.mishap {
            Mishap::Cut(_) => {
                self.flushed.notified().await;
                self.passage = None;
                Some((Err(io::ErrorKind::ConnectionReset.into()), self))
            }
            Mishap::Stall(_) => std::future::pending().await,
            Mishap::Flip(_) | Mishap::None => None,
        }
    }

    /// Counts a block, and damages it if it holds the place.
    fn pass(&mut self, block: Bytes) -> Bytes {
        let begin = self.sent;
        self.sent += block.len() as u64;
        if let Some(passage) = &self.passage {
            passage.count(block.len() as u64);
        }
        if self.sent == self.length {
            self.passage = None;
        }
        let Mishap::Flip(place) = self.mishap else { return block };
        if place < begin || place >= self.sent {
            return block;
        }
        let mut damaged = BytesMut::from(block);
        if let Some(byte) = usize::try_from(place - begin).ok().and_then(|at| damaged.get_mut(at)) {
            *byte ^= 0xff;
        }
        damaged.freeze()
    }
}

/// Reads in a thread: reading a file blocks.
fn read(mut reader: ContentReader, first: u64, length: u64) -> mpsc::Receiver<io::Result<Bytes>> {
    let (send, receive) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut left = length;
        if let Err(error) = reader.seek(SeekFrom::Start(first)) {
            // If this fails, the client is gone; no one else needs the error.
            drop(send.blocking_send(Err(error)));
            return;
        }
        while left > 0 {
            let mut block = vec![0; usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)];
            let read = reader.read_exact(&mut block).map(|()| Bytes::from(block));
            left = if read.is_ok() { left.saturating_sub(BLOCK as u64) } else { 0 };
            if send.blocking_send(read).is_err() {
                return;
            }
        }
    });
    receive
}
