//! The reply of a download server: the data that was asked for, or something else.
//!
//! Error pages come with status 200, and a request for a part may be answered with the whole
//! (docs/api-notes.md, D).

use reqwest::Response;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION};
use url::Url;

use crate::error::ErrorKind;
use crate::transport::{ApiAddress, Transport};

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

/// The server that a response leads to; `None` if it leads nowhere, or says with its redirect that
/// the service is being maintained ([`refusal`]).
///
/// # Errors
///
/// [`ErrorKind::Refused`] if it leads to a page of the website, such as the one for a login;
/// [`ErrorKind::UnexpectedReply`], with the name of the host, if that is none of the service.
pub(crate) fn leads_to(
    service: &ApiAddress,
    from: &Url,
    response: &Response,
) -> Result<Option<Url>, ErrorKind> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(location) = location.filter(|_| response.status().is_redirection()) else {
        return Ok(None);
    };
    if is_maintenance(location) {
        return Ok(None);
    }
    let unreadable = || ErrorKind::unexpected("the download server leads to no address");
    let next = from.join(location).map_err(|_| unreadable())?;
    if matches!(next.host_str(), Some("1fichier.com" | "www.1fichier.com"))
        || next.path().contains("login")
    {
        let path: String = next.path().chars().filter(|c| !c.is_control()).take(60).collect();
        let message = format!("the download server leads to the page {path} of the website");
        // As a refusal in words that are not known.
        return Err(ErrorKind::Refused { status: 403, message });
    }
    service.download(next.as_str()).map(Some)
}

fn is_maintenance(location: &str) -> bool {
    location.contains("?c=DB") || location.contains("?c=SCAN")
}

/// The refusal that the download server sent instead of the data.
///
/// That it does not know the address says nothing about the file at first; another address is asked
/// for. A status that says so again and again is the caller's to judge, so it is kept.
pub(crate) async fn refusal(transport: &Transport, response: Response) -> ErrorKind {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    if location.is_some_and(is_maintenance) {
        return ErrorKind::Maintenance;
    }
    let status = response.status().as_u16();
    let kind = match transport.read(response).await {
        Ok(reply) => reply.decode::<serde_json::Value>().err(),
        Err(kind) => Some(kind),
    };
    match kind {
        _ if is_unknown(status) => {
            let message = "the download server does not know the file".to_owned();
            ErrorKind::Refused { status, message }
        }
        // A refusal that is not known is quoted.
        Some(kind @ ErrorKind::Refused { .. }) => kind,
        None | Some(ErrorKind::NotFound) => {
            ErrorKind::unexpected(format!("HTTP {status} with a page instead of the file"))
        }
        Some(kind) => kind,
    }
}

/// Whether a download server says with this status that it has no such file.
pub(crate) fn is_unknown(status: u16) -> bool {
    matches!(status, 404 | 410)
}
