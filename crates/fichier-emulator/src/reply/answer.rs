//! What is sent back: replies in the service's own words, and how they are delivered or lost.
//!
//! The number behind each message is the newest one seen and may drift; clients must match the
//! text (docs/api-notes.md, section E).

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::reply::json;
use crate::rules::limits::LockKind;
use crate::world::state::State;

pub(crate) const JSON: &str = "application/json; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// The body of every response.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A reply before it is written down.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) payload: Payload,
}

#[derive(Debug)]
pub(crate) enum Payload {
    Json(Value),
    Text(&'static str, String),
    /// A JSON object of this many bytes.
    Huge(u64),
    /// JSON, as gzip.
    Gzip(Bytes),
}

/// What becomes of a reply on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Send,
    /// The connection is closed instead.
    Lost,
    /// Nothing is sent and the connection stays open.
    Never,
    /// Half of the body, with a length to match.
    Half,
    /// 200 and an empty body.
    Nothing,
    Late(Duration),
    /// A page with this status instead.
    Page(u16),
    /// At this many bytes a second.
    Trickle(u64),
}

/// A reply that is ready to go, written while the state was locked.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(HeaderName, String)>,
    kind: &'static str,
    text: String,
    huge: u64,
    gzip: Option<Bytes>,
    delivery: Delivery,
}

impl Reply {
    pub(crate) fn ok(value: Value) -> Reply {
        Reply { status: 200, headers: Vec::new(), payload: Payload::Json(value) }
    }

    pub(crate) fn html(status: u16, text: impl Into<String>) -> Reply {
        Reply { status, headers: Vec::new(), payload: Payload::Text(HTML, text.into()) }
    }

    /// A node's error page: the message is in the first `bloc2` (docs/api-notes.md, C.3).
    pub(crate) fn node_page(message: &str) -> Reply {
        Reply::html(
            200,
            format!(
                "<!DOCTYPE html>\n<html lang=\"fr\"><head><title>1fichier.com</title></head><body>\n\
                 <div class=\"bloc2\">{message}</div>\n</body></html>\n"
            ),
        )
    }

    /// A refusal: `{"status":"KO","message":"… #n"}`.
    pub(crate) fn ko(status: u16, message: &str, number: u16) -> Reply {
        let value = json!({"status": "KO", "message": format!("{message} #{number}")});
        Reply { status, headers: Vec::new(), payload: Payload::Json(value) }
    }

    pub(crate) fn locked(kind: LockKind) -> Reply {
        match kind {
            LockKind::Flood => Reply::ko(403, "Flood detected: IP Locked", 412),
            LockKind::Address => Reply::ko(403, "IP Locked", 412),
            LockKind::Owner => Reply::ko(403, "Owner locked", 649),
        }
    }

    pub(crate) fn not_authenticated() -> Reply {
        Reply::ko(401, "Not authenticated", 247)
    }

    pub(crate) fn not_found() -> Reply {
        Reply::ko(404, "Resource not found", 469)
    }

    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// Writes the reply down.
    pub(crate) fn write(self, state: &mut State, pretty: bool, delivery: Delivery) -> Answer {
        let mut gzip = None;
        let (kind, text, huge) = match self.payload {
            Payload::Json(mut value) => {
                if state.rules.numbers_drift {
                    drift(&mut value, state);
                }
                (JSON, json::write(&value, &mut state.shuffler, pretty), 0)
            }
            Payload::Text(kind, text) => (kind, text, 0),
            Payload::Huge(length) => (JSON, String::new(), length),
            Payload::Gzip(bytes) => {
                gzip = Some(bytes);
                (JSON, String::new(), 0)
            }
        };
        let (status, kind, text) = if let Delivery::Page(status) = delivery {
            (status, HTML, "<html><body>nginx</body></html>".to_owned())
        } else {
            (if delivery == Delivery::Nothing { 200 } else { self.status }, kind, text)
        };
        Answer { status, headers: self.headers, kind, text, huge, gzip, delivery }
    }
}

impl Answer {
    /// The status that the client sees; 0 for none.
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
    /// Only to have the connection closed.
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

/// A piece every twentieth of a second.
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

/// Spaces inside an object: valid JSON that only a limit on the size stops.
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

fn drift(value: &mut Value, state: &mut State) {
    if let Some(message) = value.get("message").and_then(Value::as_str)
        && let Some((text, _)) = message.rsplit_once(" #")
    {
        value["message"] = format!("{text} #{}", 1 + state.shuffler.below(998)).into();
    }
}
