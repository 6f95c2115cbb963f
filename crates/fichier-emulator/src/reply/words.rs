//! Replies in the service's own words.
//!
//! The number behind each message is the newest one seen and may drift; clients must match the
//! text (docs/api-notes.md, section E).

use bytes::Bytes;
use hyper::header::HeaderName;
use serde_json::{Value, json};

use super::answer::{Answer, Delivery, HTML, JSON};
use super::json;
use crate::habits::FloodAnswer;
use crate::rules::LockKind;
use crate::world::State;

/// The refusal for a client that downloads from another address than the last one (section D), as
/// KO or in a page.
pub(crate) const ONE_LOCATION: &str = "Only 1 location allowed at a time";
pub(crate) const ONE_LOCATION_NUMBER: u16 = 887;

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
    /// A JSON object of this many bytes, nearly all of them spaces.
    Huge(u64),
    /// JSON that is already packed as gzip.
    Gzip(Bytes),
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

    pub(crate) fn locked(kind: LockKind, flood: FloodAnswer) -> Reply {
        match kind {
            LockKind::Flood => match flood {
                FloodAnswer::Ko => Reply::ko(403, "Flood detected: IP Locked", 412),
                FloodAnswer::Page429 => Reply::html(429, "<h1>429</h1>Trop de demandes"),
                FloodAnswer::Page200 => Reply::html(200, "<p>Your requests are too fast</p>"),
                FloodAnswer::Unknown => Reply::ko(403, "Doucement, merci", 7_070),
            },
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

    /// Writes the reply as it will be sent.
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

fn drift(value: &mut Value, state: &mut State) {
    if let Some(message) = value.get("message").and_then(Value::as_str)
        && let Some((text, _)) = message.rsplit_once(" #")
    {
        value["message"] = format!("{text} #{}", 1 + state.shuffler.below(998)).into();
    }
}
