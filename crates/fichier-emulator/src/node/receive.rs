//! Reads the body of an upload from the socket, and hashes and stores it meanwhile.
//!
//! The socket is read on the runtime; parsing, hashing and writing happen in a thread of their
//! own, with a few chunks between the two. So a slow hash holds up its own upload only, and
//! memory does not follow the size of the body.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use super::multipart::{Event, Reader};
use crate::storage::{Sink, Stored};
use crate::world::World;

/// Chunks that wait between socket and thread; when they are as many, the socket is not read.
/// hyper's chunks are at most about 400 KiB.
const CHUNKS: usize = 16;
/// Bytes of a text field that are kept; the rest of a longer one is dropped (docs/api-notes.md,
/// C.1: `message`).
const MAX_TEXT: usize = 8 * 1024;

/// A body as hyper hands it over, or as a simulation does.
pub(crate) trait Arriving:
    hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
    + Unpin
    + Send
{
}

impl<B> Arriving for B where
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Unpin
        + Send
{
}

/// The files and fields of one upload.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// The files under the names they were sent by, in the order of their parts.
    pub(crate) files: Vec<(String, Stored)>,
    /// The text of the field `did`.
    pub(crate) did: Option<String>,
    /// Departures from the rules, for people.
    pub(crate) broken: Vec<String>,
    /// Whether the closing boundary came.
    pub(crate) closed: bool,
}

/// How much of a body is read, and how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Bytes that are read; the connection breaks after them.
    pub(crate) most: usize,
    /// Bytes that are read in a second; `None` is as fast as they come.
    pub(crate) rate: Option<u64>,
}

/// Reads `body` to its end, or as much of it as `pace` says.
///
/// # Errors
///
/// When the connection breaks or [`Pace::most`] bytes have come, or when the storage cannot be
/// written. The files that were stored so far are then removed.
pub(crate) async fn receive(
    world: &Arc<World>,
    boundary: &str,
    body: &mut impl Arriving,
    pace: Pace,
) -> io::Result<Received> {
    if world.is_inside {
        return receive_here(world, boundary, body, pace.most).await;
    }
    let (send, chunks) = mpsc::channel(CHUNKS);
    let (storing, reader) = (Arc::clone(world), Reader::new(boundary));
    let work = tokio::task::spawn_blocking(move || store(&storing, reader, chunks));
    let mut count = 0;
    let mut broke = None;
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(chunk)) => {
                count += chunk.len();
                if let Some(rate) = pace.rate {
                    let due = chunk.len() as f64 / rate.max(1) as f64;
                    tokio::time::sleep(Duration::from_secs_f64(due)).await;
                }
                if send.send(chunk).await.is_err() {
                    // The thread has given up; it says why below.
                    break;
                }
            }
            Ok(Err(_trailers)) => {}
            Err(error) => broke = Some(io::Error::other(error)),
        }
        if count >= pace.most {
            broke = Some(io::ErrorKind::ConnectionReset.into());
        }
        if broke.is_some() {
            break;
        }
    }
    drop(send);
    let received = work.await.map_err(io::Error::other)??;
    match broke {
        Some(error) => {
            discard(world, &received);
            Err(error)
        }
        None => Ok(received),
    }
}

/// Reads a body like [`receive`] without a thread: a simulation has none, and its bodies are small.
async fn receive_here(
    world: &World,
    boundary: &str,
    body: &mut impl Arriving,
    most: usize,
) -> io::Result<Received> {
    let mut taking = Taking::new(world, Reader::new(boundary));
    let mut count = 0;
    let mut broke = None;
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(chunk)) => {
                count += chunk.len();
                taking.take(chunk)?;
            }
            Ok(Err(_trailers)) => {}
            Err(error) => broke = Some(io::Error::other(error)),
        }
    }
    if count >= most {
        broke = Some(io::ErrorKind::ConnectionReset.into());
    }
    let received = taking.finish();
    match broke {
        Some(error) => {
            discard(world, &received);
            Err(error)
        }
        None => Ok(received),
    }
}

/// Frees the contents that were stored for an upload which is not kept.
pub(crate) fn discard(world: &World, received: &Received) {
    for (name, stored) in &received.files {
        if let Err(error) = world.storage.forget(&stored.content) {
            tracing::warn!("what was sent of `{name}` stays on disk: {error}");
        }
    }
}

fn store(world: &World, reader: Reader, mut chunks: mpsc::Receiver<Bytes>) -> io::Result<Received> {
    let mut taking = Taking::new(world, reader);
    while let Some(chunk) = chunks.blocking_recv() {
        taking.take(chunk)?;
    }
    Ok(taking.finish())
}

/// A form that is being read. The files that it has stored are freed again if it is dropped before
/// its end, as when the storage fails: an upload that is cut stores nothing.
struct Taking<'a> {
    world: &'a World,
    reader: Reader,
    open: Open,
    received: Received,
    /// Whether it turned out to be no form; the rest of it is not looked at.
    is_broken: bool,
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        discard(self.world, &self.received);
    }
}

impl<'a> Taking<'a> {
    fn new(world: &'a World, reader: Reader) -> Taking<'a> {
        let (open, received) = (Open::Nothing, Received::default());
        Taking { world, reader, open, received, is_broken: false }
    }

    fn take(&mut self, chunk: Bytes) -> io::Result<()> {
        if self.is_broken {
            return Ok(());
        }
        self.reader.push(chunk);
        loop {
            match self.reader.next() {
                Ok(Some(event)) => {
                    let open = std::mem::replace(&mut self.open, Open::Nothing);
                    self.open = step(self.world, event, open, &mut self.received)?;
                }
                Ok(None) => return Ok(()),
                Err(broken) => {
                    self.received.broken.push(broken);
                    self.is_broken = true;
                    return Ok(());
                }
            }
        }
    }

    fn finish(mut self) -> Received {
        self.received.closed = !self.is_broken && self.reader.is_closed();
        std::mem::take(&mut self.received)
    }
}

/// The part that is being read.
enum Open {
    Nothing,
    File(String, Sink),
    Text(String, Vec<u8>),
}

fn step(world: &World, event: Event, open: Open, received: &mut Received) -> io::Result<Open> {
    Ok(match (event, open) {
        (Event::Part(part), _) => {
            received.broken.extend(part.broken);
            match part.file_name {
                Some(name) if part.name == "file[]" => Open::File(name, world.storage.sink()?),
                _ => Open::Text(part.name, Vec::new()),
            }
        }
        (Event::Data(data), Open::File(name, mut sink)) => {
            world.traffic.received.fetch_add(data.len() as u64, Ordering::Relaxed);
            sink.write(&data)?;
            Open::File(name, sink)
        }
        (Event::Data(data), Open::Text(name, mut text)) => {
            let room = MAX_TEXT.saturating_sub(text.len()).min(data.len());
            text.extend_from_slice(&data[..room]);
            Open::Text(name, text)
        }
        (Event::Data(_), Open::Nothing) => Open::Nothing,
        (Event::End | Event::Closed, Open::File(name, sink)) => {
            received.files.push((name, sink.finish()?));
            Open::Nothing
        }
        (Event::End | Event::Closed, Open::Text(name, text)) => {
            if name == "did" {
                received.did = Some(String::from_utf8_lossy(&text).into_owned());
            }
            Open::Nothing
        }
        (Event::End | Event::Closed, Open::Nothing) => Open::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;
    use crate::rules::Rules;
    use crate::storage::Storage;
    use crate::world::State;

    /// The first of two files was kept for ever when the storage failed at the second.
    #[test]
    fn an_upload_that_fails_half_way_keeps_none_of_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(dir.path().to_owned());
        storage.open().unwrap();
        let state =
            State::open(Rules::default(), "key".to_owned(), Clock::default(), None).unwrap();
        let world = World::new(state, storage, true);
        let kept = || std::fs::read_dir(dir.path().join("contents")).unwrap().count();
        let part = |name: &str| {
            let head =
                format!("Content-Disposition: form-data; name=\"file[]\"; filename=\"{name}\"");
            format!("--b\r\n{head}\r\n\r\nbytes of {name}\r\n")
        };
        let mut taking = Taking::new(&world, Reader::new("b"));
        taking.take(Bytes::from(part("first") + &part("second"))).unwrap();
        assert_eq!(taking.received.files.len(), 1);
        drop(taking);
        assert_eq!(kept(), 0);

        let mut taking = Taking::new(&world, Reader::new("b"));
        taking.take(Bytes::from(part("first") + "--b--\r\n")).unwrap();
        assert!(taking.finish().closed);
        assert_eq!(kept(), 1, "a whole upload stays");
    }
}
