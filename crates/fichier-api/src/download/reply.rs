//! The reply of a download server: the data that was asked for, or something else.
//!
//! Error pages come with status 200, and a request for a part may be answered with the whole
//! (docs/api-notes.md, D).

use reqwest::Response;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION};

use crate::error::ErrorKind;
use crate::transport::Transport;

/// Where the data of a response begins; `None` if it is not data at all but a page.
pub(crate) fn start_of_data(response: &Response, asked: u64) -> Option<Result<u64, ErrorKind>> {
    let text =
        |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let is_page = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"))
        && !response.headers().contains_key(CONTENT_DISPOSITION);
    match response.status().as_u16() {
        200 if !is_page => Some(Ok(0)),
        206 if !is_page => {
            let range = text(CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
            let start = range.and_then(|range| range.split('-').next()?.parse::<u64>().ok());
            Some(match start {
                Some(start) if start == asked => Ok(start),
                _ => Err(ErrorKind::unexpected("another part of the file than was asked for")),
            })
        }
        _ => None,
    }
}

/// The refusal that the download server sent instead of the data.
pub(crate) async fn refusal(transport: &Transport, response: Response) -> ErrorKind {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    if location.is_some_and(|place| place.contains("?c=DB") || place.contains("?c=SCAN")) {
        return ErrorKind::Maintenance;
    }
    let kind = match transport.read(response).await {
        Ok(reply) => reply.decode::<serde_json::Value>().err(),
        Err(kind) => Some(kind),
    };
    match kind {
        // The server does not know the address (any more); that says nothing about the file.
        None | Some(ErrorKind::NotFound | ErrorKind::Refused { .. }) => {
            ErrorKind::unexpected("a page instead of the file")
        }
        Some(kind) => kind,
    }
}
