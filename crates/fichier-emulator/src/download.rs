//! The download servers: a token's address gives the bytes of a file (docs/api-notes.md, D).
//!
//! A token must be used within 5 minutes and may resume for 30 more. With `single:1` it is good
//! for one GET. A refusal is an HTML page with status 200, as observed: a client has to look at
//! `Content-Type` and not at the status alone.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE,
};
use hyper::{Method, Request, Response};
use tokio::sync::mpsc;

use crate::account::File;
use crate::reply::{Body, Delivery, Reply, full};
use crate::spoil;
use crate::state::{State, World};
use crate::storage::ContentReader;

const START_WITHIN: Duration = Duration::from_secs(5 * 60);
const RESUME_WITHIN: Duration = Duration::from_secs(30 * 60);
const BLOCK: usize = 256 * 1024;

/// A right to download one file.
#[derive(Debug)]
pub(crate) struct Token {
    file: String,
    single: bool,
    inline: bool,
    given: Instant,
    /// Of the first GET.
    used: Option<Instant>,
}

impl Token {
    pub(crate) fn new(file: String, single: bool, inline: bool, now: Instant) -> Token {
        Token { file, single, inline, given: now, used: None }
    }

    /// Whether it still opens anything.
    fn is_good(&self, state: &State, now: Instant, sends_body: bool) -> bool {
        match self.used {
            None => now - self.given < state.rules.real(START_WITHIN),
            Some(_) if self.single && sends_body => false,
            Some(used) => now - used < state.rules.real(RESUME_WITHIN),
        }
    }
}

/// Answers one request to a download server.
///
/// # Errors
///
/// Only to have the connection closed.
pub(crate) async fn serve(
    world: Arc<World>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let is_get = request.method() == Method::GET;
    let name = request.uri().path().trim_start_matches('/').to_owned();
    let range = request.headers().get(RANGE).and_then(|value| value.to_str().ok());
    let found = {
        let mut state = world.lock();
        let ticket = state.record.download("download", request.method().as_str());
        let found = find(&mut state, &name, is_get);
        if let Some(note) = state.record.note(ticket) {
            note.status = if range.is_some() && found.is_ok() { 206 } else { 200 };
        }
        found
    };
    let (file, inline) = match found {
        Ok(found) => found,
        Err((reply, delivery)) => {
            let answer = reply.write(&mut world.lock(), false, delivery);
            return answer.deliver().await;
        }
    };
    let Some(reader) = world.storage.reader(&file.content)? else {
        let reply = Reply::html(500, "this emulator keeps no contents");
        let answer = reply.write(&mut world.lock(), false, Delivery::Send);
        return answer.deliver().await;
    };
    respond(&file, inline, range, is_get.then_some(reader))
}

/// The file of a token, or the reply in its place.
fn find(state: &mut State, name: &str, is_get: bool) -> Result<(File, bool), (Reply, Delivery)> {
    let now = Instant::now();
    if let Some(action) = state.faults.take("download")
        && let Some(instead) = spoil::instead(&action, state, now)
    {
        return Err(instead);
    }
    let good = state.tokens.get(name).is_some_and(|token| token.is_good(state, now, is_get));
    let page =
        || (Reply::html(200, "<html><body>Lien invalide ou expiré</body></html>"), Delivery::Send);
    let Some(token) = state.tokens.get_mut(name).filter(|_| good) else { return Err(page()) };
    if is_get {
        token.used.get_or_insert(now);
    }
    let (id, inline) = (token.file.clone(), token.inline);
    state.account.file(&id).map(|file| (file.clone(), inline)).ok_or_else(page)
}

fn respond(
    file: &File,
    inline: bool,
    range: Option<&str>,
    reader: Option<ContentReader>,
) -> io::Result<Response<Body>> {
    let range = range.and_then(|range| parse_range(range, file.size));
    if let Some(None) = range {
        let refused = Response::builder()
            .status(416)
            .header(CONTENT_RANGE, format!("bytes */{}", file.size))
            .body(full(""));
        return refused.map_err(io::Error::other);
    }
    let part = range.flatten();
    let (first, length) = part.unwrap_or((0, file.size));
    let kind = if inline { "inline" } else { "attachment" };
    let mut response = Response::builder()
        .status(if part.is_some() { 206 } else { 200 })
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_LENGTH, length)
        .header(CONTENT_DISPOSITION, format!("{kind}; filename=\"{}\"", file.name).as_bytes());
    if part.is_some() {
        let range = format!("bytes {first}-{}/{}", first + length - 1, file.size);
        response = response.header(CONTENT_RANGE, range);
    }
    let body = match reader {
        Some(reader) => body(reader, first, length),
        None => full(""),
    };
    response.body(body).map_err(io::Error::other)
}

/// (first byte, length) of `bytes=a-b`; `Some(None)` if there are no such bytes, `None` if this
/// is no range that the service understands.
#[expect(clippy::option_option, reason = "no range, a bad range and a range are three answers")]
fn parse_range(range: &str, size: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => (first, last.min(size.saturating_sub(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, size.saturating_sub(1)),
        (Err(_), Ok(count)) if first.is_empty() => {
            (size.saturating_sub(count), size.saturating_sub(1))
        }
        _ => return None,
    };
    Some((first <= last && first < size).then(|| (first, last - first + 1)))
}

/// Streams from a thread: reading a file blocks.
fn body(mut reader: ContentReader, first: u64, length: u64) -> Body {
    let (send, receive) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut left = length;
        if let Err(error) = reader.seek(SeekFrom::Start(first)) {
            // Whoever downloads is gone if this fails, and nobody else wants to know.
            drop(send.blocking_send(Err(error)));
            return;
        }
        while left > 0 {
            let mut block = vec![0; usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)];
            let read = reader.read_exact(&mut block).map(|()| Frame::data(Bytes::from(block)));
            left = if read.is_ok() { left.saturating_sub(BLOCK as u64) } else { 0 };
            if send.blocking_send(read).is_err() {
                return;
            }
        }
    });
    let frames = stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|frame| (frame, receive))
    });
    StreamBody::new(frames).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        assert_eq!(parse_range("bytes=2-5", 10), Some(Some((2, 4))));
        assert_eq!(parse_range("bytes=8-99", 10), Some(Some((8, 2))));
        assert_eq!(parse_range("bytes=4-", 10), Some(Some((4, 6))));
        assert_eq!(parse_range("bytes=-3", 10), Some(Some((7, 3))));
        assert_eq!(parse_range("bytes=10-", 10), Some(None));
        assert_eq!(parse_range("lines=1-2", 10), None);
    }
}
