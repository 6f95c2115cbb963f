//! An answer on its way to the client: delivered, cut, delayed or lost.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderName, HeaderValue};

use crate::world::World;

pub(crate) const JSON: &str = "application/json; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// The body of every response.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How a reply is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// As it is.
    Send,
    /// The connection is closed and nothing is sent.
    Lost,
    /// Nothing is sent and the connection stays open.
    Never,
    /// Half of the body, with a length to match.
    Half,
    /// 200 and an empty body.
    Nothing,
    /// After this long.
    Late(Duration),
    /// A page with this status is sent in its place.
    Page(u16),
    /// Slowly, at this many bytes a second.
    Trickle(u64),
}

/// A reply that is ready to go, written while the state was locked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) kind: &'static str,
    pub(super) text: String,
    pub(super) huge: u64,
    pub(super) gzip: Option<Bytes>,
    pub(super) delivery: Delivery,
}

impl Answer {
    /// The status that the client sees; 0 if it sees none.
    pub(crate) fn status(&self) -> u16 {
        match self.delivery {
            Delivery::Lost | Delivery::Never => 0,
            Delivery::Send
            | Delivery::Half
            | Delivery::Nothing
            | Delivery::Late(_)
            | Delivery::Page(_)
            | Delivery::Trickle(_) => self.status,
        }
    }

    /// Waits if told to, and makes the response.
    ///
    /// # Errors
    ///
    /// When the connection is to be closed.
    pub(crate) async fn deliver(mut self) -> io::Result<Response<Body>> {
        match self.delivery {
            Delivery::Send | Delivery::Page(_) | Delivery::Trickle(_) => {}
            Delivery::Lost => return Err(io::ErrorKind::ConnectionReset.into()),
            Delivery::Never => std::future::pending().await,
            Delivery::Half => {
                let half =
                    (0..=self.text.len() / 2).rev().find(|at| self.text.is_char_boundary(*at));
                self.text.truncate(half.unwrap_or(0));
            }
            Delivery::Nothing => self.text.clear(),
            Delivery::Late(delay) => tokio::time::sleep(delay).await,
        }
        let is_gzip = self.gzip.is_some();
        let body = match (self.delivery, self.gzip) {
            (Delivery::Trickle(rate), _) => slow_body(self.text.into(), rate),
            (_, Some(bytes)) => full(bytes),
            _ if self.huge > 0 => huge_body(self.huge),
            _ => full(self.text),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status.try_into().map_err(io::Error::other)?;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if is_gzip {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        for (name, value) in self.headers {
            let value = HeaderValue::from_str(&value).map_err(io::Error::other)?;
            response.headers_mut().insert(name, value);
        }
        Ok(response)
    }
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that is sent at `rate` bytes a second, a piece every twentieth of a second.
fn slow_body(bytes: Bytes, rate: u64) -> Body {
    const PIECES_PER_S: u64 = 20;
    let piece = usize::try_from(rate / PIECES_PER_S).unwrap_or(usize::MAX).max(1);
    let pieces = stream::unfold(bytes, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_secs(1) / 20).await;
        let next = left.split_to(piece.min(left.len()));
        Some((Ok(Frame::data(next)), left))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// Spaces inside an object: valid JSON, which a client refuses only if it limits the size.
fn huge_body(length: u64) -> Body {
    const BLOCK: u64 = 64 * 1024;
    let spaces = Bytes::from(vec![b' '; 64 * 1024]);
    let blocks = stream::unfold((0, spaces), move |(sent, spaces)| async move {
        let next = match length - sent {
            0 => return None,
            _ if sent == 0 => Bytes::from_static(b"{"),
            1 => Bytes::from_static(b"}"),
            left => spaces.slice(..usize::try_from(BLOCK.min(left - 1)).unwrap_or(1)),
        };
        let sent = sent + next.len() as u64;
        Some((Ok(Frame::data(next)), (sent, spaces)))
    });
    StreamBody::new(blocks).boxed_unsync()
}

/// Gives a response the time of the service; hyper would write that of this machine.
pub(crate) fn dated<B>(mut response: Response<B>, world: &World) -> Response<B> {
    if let Ok(date) = HeaderValue::try_from(world.lock().clock.header()) {
        response.headers_mut().insert(DATE, date);
    }
    response
}
