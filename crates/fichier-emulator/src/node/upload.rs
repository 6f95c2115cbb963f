//! `upload.cgi`: takes the files of an upload (docs/api-notes.md, C.1 to C.3 and C.7).
//!
//! A body that ends before its closing boundary stores nothing. A second POST of the same files
//! makes second files, as the service does; that it happened is a violation.
//!
//! Nodes count towards the limits, but a lock of the API does not stop an upload that has begun:
//! only *beginning* one while locked is a violation.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use hyper::{Request, Response};

use super::query::{header, query};
use super::receive::{self, Arriving, Received};
use crate::base::instant;
use crate::faults::{Action, Subject};
use crate::habits::{AtQuota, BadKeyOnNode, EmptyFile};
use crate::reply::{Body, Delivery, Reply, spoil};
use crate::rules::names;
use crate::world::{Entry, File, ROOT, State, Ticket, World};

/// Files in one upload; one with more gets a page and stores nothing (docs/api-notes.md, C.1).
const MAX_FILES: usize = 500;
/// Bytes in the body of one upload; a longer one is refused unread (docs/api-notes.md, C.1).
const MAX_BODY: u64 = 500_000_000_000;
/// How long a file stays hidden while nobody asks for its result: longer than any emulator runs.
const NEVER_ASKED: Duration = Duration::from_secs(10 * 365 * 86_400);
const NOTHING_FOUND: &str = "Pas de fichier trouvé dans l'envoi";

/// The facts about an upload that come before its body.
struct Opening {
    id: String,
    boundary: String,
    /// Whether the key is the account's; `None` if there is none at all.
    identified: Option<bool>,
    action: Option<Action>,
    ticket: Ticket,
}

/// Takes the files of one `upload.cgi`.
///
/// # Errors
///
/// When the body cannot be read or a fault wants it: the caller closes the connection.
pub(crate) async fn take<B: Arriving>(
    world: &Arc<World>,
    request: Request<B>,
    ticket: Ticket,
) -> io::Result<Response<Body>> {
    let opening = open(&mut world.lock(), &request, ticket);
    let opening = match opening {
        Ok(opening) => opening,
        Err(reply) => {
            let answer = reply.write(&mut world.lock(), false, Delivery::Send);
            return answer.deliver().await;
        }
    };
    let most = match opening.action {
        Some(Action::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
        Some(Action::ResetAfter(bytes) | Action::StallBody(bytes)) => bytes,
        _ => usize::MAX,
    };
    let mut body = request.into_body();
    let rate = match opening.action {
        Some(Action::ReadSlowly(rate)) => Some(rate),
        _ => None,
    };
    let pace = receive::Pace { most, rate };
    let received = receive::receive(world, &opening.boundary, &mut body, pace).await;
    if matches!(opening.action, Some(Action::StallBody(_))) && received.is_err() {
        std::future::pending::<()>().await;
    }
    let received = received?;
    let answer = {
        let mut state = world.lock();
        let (reply, delivery) = close(world, &mut state, &opening, received);
        let answer = reply.write(&mut state, false, delivery);
        if let Some(note) = state.record.note(ticket) {
            note.status = answer.status();
        }
        if matches!(answer.status(), 0 | 500..)
            && let Some(upload) = state.uploads.get_mut(&opening.id)
        {
            upload.reply_lost = upload.result.is_some();
        }
        answer
    };
    answer.deliver().await
}

fn open<B>(state: &mut State, request: &Request<B>, ticket: Ticket) -> Result<Opening, Reply> {
    note_pace(state, instant());
    let id = query(request, "id").unwrap_or_default().to_owned();
    note_id(state, &id);
    let boundary = boundary(state, request);
    let length = header(request, CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if let Some(note) = state.record.note(ticket) {
        note.bytes = length.unwrap_or(0);
    }
    let refused = if request.method() != hyper::Method::POST {
        Some((405, "Method Not Allowed", "not a POST"))
    } else if length.is_none() {
        Some((411, "Length Required", "no Content-Length"))
    } else if length > Some(MAX_BODY) {
        Some((413, "Request Entity Too Large", "more than 500 GB"))
    } else {
        None
    };
    if let Some((status, page, broken)) = refused {
        state.record.violation("upload.cgi", broken);
        return Err(Reply::html(status, page));
    }
    if state.is_too_old(&id, instant()) {
        // The node's own words are not recorded.
        return Err(Reply::node_page("Identifiant d'envoi inconnu"));
    }
    let authorization = header(request, AUTHORIZATION);
    Ok(Opening {
        id,
        boundary,
        identified: authorization.map(|_| state.accepts(authorization)),
        action: state.faults.take("upload.cgi", Subject::default()),
        ticket,
    })
}

fn note_pace(state: &mut State, now: Instant) {
    let rules = state.rules.clone();
    if state.limits.is_locked(now) {
        state.record.violation("upload.cgi", "an upload was begun while locked");
    }
    if let Err(refusal) = state.limits.admit_node(&rules, now) {
        state.record.violation("upload.cgi", &refusal.broken);
    }
}

impl State {
    /// Whether an id has waited too long for its files.
    fn is_too_old(&self, id: &str, now: Instant) -> bool {
        let given = self.uploads.get(id).and_then(|upload| upload.given);
        let kept = self.rules.upload_id_kept.map(|kept| self.rules.real(kept));
        given.zip(kept).is_some_and(|(given, kept)| now - given >= kept)
    }

    /// Whether the account has no room for the files that came.
    fn is_too_much(&self, received: &Received) -> bool {
        let more: u64 = received.files.iter().map(|(_, stored)| stored.size).sum();
        self.account.used_bytes() + more > self.rules.quota_bytes
    }
}

/// Records an upload under an id, which is good for one (docs/api-notes.md, B.2). The node takes
/// files under any id.
fn note_id(state: &mut State, id: &str) {
    let is_known = state.uploads.get(id).is_some();
    let upload = state.uploads.of(id);
    upload.posts += 1;
    if !is_known {
        state.record.violation("upload.cgi", "an upload under an id that was never given out");
    } else if upload.posts > 1 {
        state.record.violation("upload.cgi", "a second upload under one id");
    }
}

/// The boundary as it is written: the service does not take off quotes.
fn boundary<B>(state: &mut State, request: &Request<B>) -> String {
    let kind = header(request, CONTENT_TYPE).unwrap_or_default();
    let boundary = kind.strip_prefix("multipart/form-data").and_then(|rest| {
        let (_, boundary) = rest.split_once("boundary=")?;
        Some(boundary.split(';').next().unwrap_or_default().trim().to_owned())
    });
    match boundary {
        Some(boundary) => {
            if boundary.contains('"') {
                state.record.violation("upload.cgi", "a quoted boundary");
            }
            boundary
        }
        None => {
            state.record.violation("upload.cgi", &format!("the Content-Type is `{kind}`"));
            // No body has a line like this: nothing will be found in it.
            "\u{0}".to_owned()
        }
    }
}

/// The reply to a body that has been read to its end.
fn close(
    world: &World,
    state: &mut State,
    opening: &Opening,
    received: Received,
) -> (Reply, Delivery) {
    let now = instant();
    for broken in &received.broken {
        state.record.violation("upload.cgi", broken);
    }
    if let Some(note) = state.record.note(opening.ticket) {
        note.links = received.files.len();
        let names: Vec<&str> = received.files.iter().map(|(name, _)| name.as_str()).collect();
        note.text = names.join("\n");
        note.folder_id = received.did.as_ref().and_then(|did| did.trim().parse().ok());
    }
    let instead = opening.action.as_ref().and_then(|action| spoil::instead(action, state, now));
    let instead = match instead {
        Some(instead) => Some(instead),
        None => refusal(state, opening, &received).map(|reply| (reply, Delivery::Send)),
    };
    if let Some(instead) = instead {
        receive::discard(world, &received);
        return instead;
    }
    let entries = if opening.identified == Some(true) && state.is_too_much(&received) {
        receive::discard(world, &received);
        Vec::new()
    } else {
        keep(state, opening, received)
    };
    let xid = if opening.action == Some(Action::XidDiffers) {
        state.numbers.mixed(10)
    } else {
        opening.id.clone()
    };
    let upload = state.uploads.of(&xid);
    upload.result.get_or_insert_with(|| (now, Vec::new())).1.extend(entries);
    upload.prepare(opening.action.as_ref());
    state.changed = true;
    let place = format!("/end.pl?xid={xid}");
    let page = format!("<html><body><a href=\"{place}\">302 Found</a></body></html>\n");
    (Reply::html(302, page).with(LOCATION, place), spoil::delivery(opening.action.as_ref()))
}

/// The reply to an upload that the node refuses; `None` if it stores the files.
fn refusal(state: &mut State, opening: &Opening, received: &Received) -> Option<Reply> {
    let names: Vec<&str> = received.files.iter().map(|(name, _)| name.as_str()).collect();
    if !received.closed {
        state.record.violation("upload.cgi", "the body has no closing boundary");
        return Some(Reply::node_page(NOTHING_FOUND));
    }
    if state.faults.poisons("upload.cgi", &names) {
        return Some(Reply::html(500, "<html><body>Internal Server Error</body></html>"));
    }
    if let Some(refusal) = &state.rules.node_refusal
        && names.len() > refusal.above_files
    {
        return Some(Reply::html(refusal.status, refusal.page.clone()));
    }
    if opening.identified == Some(false) && state.rules.bad_key_on_node == BadKeyOnNode::Refuse {
        return Some(Reply::not_authenticated());
    }
    if names.len() > MAX_FILES {
        state.record.violation("upload.cgi", &format!("{} files in one upload", names.len()));
        return Some(Reply::node_page("Trop de fichiers"));
    }
    let is_full = state.rules.at_quota == AtQuota::Refuse && state.is_too_much(received);
    if (state.upload_forbidden || is_full) && opening.identified == Some(true) {
        return Some(Reply::node_page(&state.rules.quota_page));
    }
    let habit = state.rules.empty_files;
    let mut sizes = received.files.iter().map(|(_, stored)| stored.size);
    if habit != EmptyFile::Store && sizes.clone().any(|size| size == 0) {
        state.trial("upload.cgi", "an empty file");
    }
    let is_nothing = sizes.all(|size| size == 0 && habit == EmptyFile::Lose);
    is_nothing.then(|| Reply::node_page(NOTHING_FOUND))
}

/// Puts the files into the account, or outside of it if the upload is anonymous.
fn keep(state: &mut State, opening: &Opening, received: Received) -> Vec<Entry> {
    let anonymous = opening.identified != Some(true) || opening.action == Some(Action::Anonymous);
    let into_root = anonymous || opening.action == Some(Action::IntoRoot);
    let folder = if into_root { ROOT } else { folder_of(state, received.did.as_deref()) };
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    let most = state.rules.files_stored.unwrap_or(usize::MAX);
    for (sent, mut stored) in received.files.into_iter().take(most) {
        if opening.action == Some(Action::WrongWhirlpool) {
            stored.whirlpool = "0".repeat(128);
        }
        if stored.size == 0 && state.rules.empty_files != EmptyFile::Store {
            continue;
        }
        if !seen.insert(sent.clone()) {
            state.trial("upload.cgi", &format!("the name `{sent}` twice in one upload"));
        }
        let Some(name) = stored_name(state, &sent, opening.action.as_ref()) else { continue };
        if state.uploads.has_lost_reply_about(&name, &stored.whirlpool) {
            let broken = format!("`{name}` was sent again before asking whether it had arrived");
            state.record.violation("upload.cgi", &broken);
        }
        let file = File {
            id: state.numbers.lower(20),
            folder,
            name: name.clone(),
            size: stored.size,
            whirlpool: stored.whirlpool.clone(),
            date: state.clock.now(),
            content: stored.content,
            anonymous,
            removal_code: state.numbers.mixed(8),
            description: String::new(),
            password: String::new(),
            no_ssl: false,
            inline: false,
            cdn: false,
            hidden_until: hidden_until(state),
            unknown_until: unknown_until(state),
            stored: Some(instant()),
        };
        entries.push(Entry {
            id: file.id.clone(),
            folder,
            name,
            size: stored.size,
            whirlpool: stored.whirlpool,
            removal_code: if anonymous || state.rules.remove_told {
                file.removal_code.clone()
            } else {
                String::new()
            },
        });
        state.account.add_file(file);
    }
    entries
}

/// The moment from which listings show a new file.
fn hidden_until(state: &State) -> Option<Instant> {
    let lag = if state.rules.appears_after_result { NEVER_ASKED } else { Duration::ZERO };
    let lag = lag + state.rules.real(state.rules.listing_lag);
    (!lag.is_zero()).then(|| instant() + lag)
}

/// The moment from which calls know the link of a new file.
fn unknown_until(state: &State) -> Option<Instant> {
    let lag = state.rules.real(state.rules.new_link_lag);
    (!lag.is_zero()).then(|| instant() + lag)
}

/// The folder that `did` names; the root, silently, if it names none (docs/api-notes.md, C.3).
fn folder_of(state: &mut State, did: Option<&str>) -> i64 {
    let Some(did) = did else { return ROOT };
    match did.trim().parse::<i64>() {
        Ok(id) if state.account.folder(id).is_some() => id,
        _ => {
            let broken = format!("a bad `did`, `{did}`: the files went to the account's root");
            state.trial("upload.cgi", &broken);
            ROOT
        }
    }
}

fn stored_name(state: &mut State, sent: &str, action: Option<&Action>) -> Option<String> {
    if let Some(Action::StoreAs(from, to)) = action
        && from == sent
    {
        return Some(to.clone());
    }
    let (stored, careless) = names::stored(sent, &state.rules);
    if careless {
        state.trial("upload.cgi", &format!("the name `{sent}` is not one that the service keeps"));
    }
    stored
}
