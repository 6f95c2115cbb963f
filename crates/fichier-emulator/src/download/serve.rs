//! A token's address gives the bytes of a file (docs/api-notes.md, section D).
//!
//! A refusal is an HTML page with status 200, as observed: a client has to look at `Content-Type`
//! and not at the status alone.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION,
    RANGE,
};
use hyper::{Method, Request, Response};

use super::peer::Peer;
use super::send::{self, Part};
use crate::base::instant;
use crate::faults::{Action, Subject};
use crate::habits::DownloadLeads;
use crate::reply::{Body, Delivery, ONE_LOCATION, ONE_LOCATION_NUMBER, Reply, full, spoil};
use crate::world::{File, Passage, State, World};

/// A request to a download server.
struct Asked<'a> {
    /// The name of the token.
    token: &'a str,
    /// The redirects that led here.
    hops: u32,
    is_get: bool,
    range: Option<&'a str>,
    peer: &'a Peer,
}

/// The file that a token leads to, and how it is sent.
struct Found {
    file: File,
    inline: bool,
    cdn: bool,
    /// The fault that hit this request and does not replace the file.
    action: Option<Action>,
}

/// Answers one request to a download server.
///
/// # Errors
///
/// When a fault or the storage wants the connection closed.
pub(crate) async fn serve(
    world: Arc<World>,
    request: Request<Incoming>,
    peer: Peer,
) -> io::Result<Response<Body>> {
    let asked = Asked {
        token: request.uri().path().trim_start_matches('/'),
        hops: request.uri().query().and_then(hops_in).unwrap_or(0),
        is_get: request.method() == Method::GET,
        range: request.headers().get(RANGE).and_then(|value| value.to_str().ok()),
        peer: &peer,
    };
    let (ticket, found) = {
        let mut state = world.lock();
        let ticket = state.record.download("download", request.method().as_str());
        (ticket, find(&mut state, &asked))
    };
    let response = match found {
        Ok(found) => respond(Arc::clone(&world), &asked, &found).await?,
        Err((reply, delivery)) => {
            let answer = reply.write(&mut world.lock(), false, delivery);
            answer.deliver().await?
        }
    };
    if let Some(note) = world.lock().record.note(ticket) {
        note.status = response.status().as_u16();
    }
    Ok(response)
}

/// The number of redirects in the address that the one before gave.
fn hops_in(query: &str) -> Option<u32> {
    query.split('&').find_map(|pair| pair.strip_prefix("hops="))?.parse().ok()
}

/// Where the server leads in place of sending the file.
fn led_to(state: &State, asked: &Asked) -> Option<String> {
    let own = asked.peer.caller.places.other_download_base();
    match state.rules.download_leads {
        DownloadLeads::Around(most) if asked.hops < most => {
            Some(format!("{own}/{}?hops={}", asked.token, asked.hops + 1))
        }
        DownloadLeads::ToTheFile | DownloadLeads::Around(_) => None,
        DownloadLeads::ToLogin => Some("https://1fichier.com/login.pl?lg=en".to_owned()),
        DownloadLeads::Away => Some("https://mirror.downloads.example/p1".to_owned()),
    }
}

/// The file of a token, or the reply in its place.
fn find(state: &mut State, asked: &Asked) -> Result<Found, (Reply, Delivery)> {
    let now = instant();
    if let Some(address) = led_to(state, asked) {
        return Err((Reply::html(302, "302").with(LOCATION, address), Delivery::Send));
    }
    let token = state.tokens.get(asked.token);
    let good = token.filter(|token| token.is_good(&state.rules, now, asked.is_get));
    let good = good.map(|token| (token.inline, token.cdn));
    let file = token.and_then(|token| state.account.file(&token.file)).cloned();
    // Rules and faults concern requests for the bytes only, not HEAD.
    let mut action = None;
    if asked.is_get {
        if let (Some(_), Some(file)) = (good, &file)
            && let Some(page) = refusal(state, asked, file, now)
        {
            return Err((page, Delivery::Send));
        }
        action = take_fault(state, asked, file.as_ref());
    }
    // `ResetAfter` cuts the file, which is sent below, and not a reply in its place.
    if let Some(action) = action.as_ref().filter(|a| !matches!(a, Action::ResetAfter(_)))
        && let Some(instead) = spoil::instead(action, state, now)
    {
        return Err(instead);
    }
    let (Some((inline, cdn)), Some(file)) = (good, file) else {
        return Err((page("Lien invalide ou expiré"), Delivery::Send));
    };
    if let Some(token) = state.tokens.get_mut(asked.token).filter(|_| asked.is_get) {
        token.used.get_or_insert(now);
    }
    Ok(Found { file, inline, cdn, action })
}

/// The page for a client that may not have the bytes at this moment.
fn refusal(state: &mut State, asked: &Asked, file: &File, now: Instant) -> Option<Reply> {
    let rules = state.rules.clone();
    if !state.limits.admit_location(asked.peer.caller.address, &rules, now) {
        return Some(page(&format!("{ONE_LOCATION} #{ONE_LOCATION_NUMBER}")));
    }
    if let Err(refusal) = state.limits.admit_download(file.size, &rules, now) {
        state.record.violation("download", &refusal.broken);
        return Some(page("Your requests are too fast"));
    }
    None
}

/// Counts a download as under way from here on.
fn pass(world: &Arc<World>, cdn: bool) -> Passage {
    let mut state = world.lock();
    if let Some(most) = state.rules.max_download_connections
        && world.traffic.downloads() >= most
    {
        state.record.violation("download", &format!("more than {most} downloads at one time"));
    }
    Passage::begin(Arc::clone(world), cdn)
}

/// An error as a download server tells it.
fn page(message: &str) -> Reply {
    Reply::html(200, format!("<html><body>{message}</body></html>"))
}

fn take_fault(state: &mut State, asked: &Asked, file: Option<&File>) -> Option<Action> {
    let link = file.map(File::link);
    let subject = Subject {
        link: link.as_deref(),
        name: file.map(|file| file.name.as_str()),
        has_range: asked.range.is_some(),
    };
    state.faults.take("download", subject)
}

async fn respond(
    world: Arc<World>,
    asked: &Asked<'_>,
    found: &Found,
) -> io::Result<Response<Body>> {
    let Found { file, inline, cdn, action } = found;
    let passage = asked.is_get.then(|| pass(&world, *cdn));
    match spoil::delivery(action.as_ref()) {
        Delivery::Lost => return Err(io::ErrorKind::ConnectionReset.into()),
        Delivery::Late(delay) => tokio::time::sleep(delay).await,
        // The bytes of a file do not trickle; `StallBody` makes them stop.
        Delivery::Send
        | Delivery::Never
        | Delivery::Half
        | Delivery::Nothing
        | Delivery::Page(_)
        | Delivery::Trickle(_) => {}
    }
    let Some(reader) = world.storage.reader(&file.content)? else {
        let reply = Reply::html(500, "this emulator keeps no contents");
        let answer = reply.write(&mut world.lock(), false, Delivery::Send);
        return answer.deliver().await;
    };
    // The size in listings may be wrong: the content may have been damaged since.
    let size = reader.length()?;
    let Some(part) = part(asked.range, size, action.as_ref()) else {
        let refused = Response::builder()
            .status(416)
            .header(CONTENT_RANGE, format!("bytes */{size}"))
            .body(full(""));
        return refused.map_err(io::Error::other);
    };
    let kind = if *inline { "inline" } else { "attachment" };
    let mut response = Response::builder()
        .status(if part.partial { 206 } else { 200 })
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_LENGTH, part.length)
        .header(CONTENT_DISPOSITION, format!("{kind}; filename=\"{}\"", file.name).as_bytes());
    if part.partial {
        let last = (part.first + part.length).saturating_sub(1);
        let range = format!("bytes {}-{last}/{size}", part.first);
        response = response.header(CONTENT_RANGE, range);
    }
    let body = match passage {
        Some(passage) => {
            send::body(reader, &part, action.as_ref(), Arc::clone(&asked.peer.flushed), passage)
        }
        None => full(""),
    };
    response.body(body).map_err(io::Error::other)
}

/// The bytes of a file that are sent; `None` if it has no such bytes.
fn part(range: Option<&str>, size: u64, action: Option<&Action>) -> Option<Part> {
    let range = range.filter(|_| action != Some(&Action::IgnoreRange));
    let whole = Part { first: 0, length: size, partial: false };
    let part = match range.and_then(|range| parse_range(range, size)) {
        Some(Some((first, length))) => Part { first, length, partial: true },
        Some(None) => return None,
        None => whole,
    };
    Some(match action {
        Some(Action::WrongRange) if part.partial => {
            let first = part.first.checked_sub(1).unwrap_or(1).min(size - 1);
            Part { first, length: part.length.min(size - first), partial: true }
        }
        Some(Action::Truncated) => Part { length: part.length / 2, ..part },
        Some(Action::Empty) => Part { first: 0, length: 0, partial: false },
        _ => part,
    })
}

/// (first byte, length) of `bytes=a-b`; `Some(None)` if there are no such bytes, `None` if the
/// service does not understand the range.
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
