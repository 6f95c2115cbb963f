//! The API's front end: the checks that every call must pass, and the endpoint that it goes to.
//!
//! The order of the checks is part of the emulation: a call is counted before anything else is
//! looked at, then come `Content-Type`, the key, the JSON, the faults of the tests, the
//! subscription, and at last the endpoint (docs/api-notes.md, A.2 to A.5 and G.2).

use std::io;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, Response};

use super::call::Call;
use super::fields::Fields;
use super::{account_info, attributes, folders, listings, other, placing, tokens, upload_server};
use crate::base::instant;
use crate::faults::{Action, Subject};
use crate::reply::{Answer, Body, Delivery, Reply, spoil};
use crate::rules::Offer;
use crate::world::{Caller, State, Ticket, World, link_id};

/// Bytes in the body of a call; the connection of a longer one is closed. The service's own limit
/// is not known.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Answers one request to the API.
///
/// # Errors
///
/// When the body cannot be read or a fault wants it: the caller closes the connection.
pub(crate) async fn serve<B>(
    world: Arc<World>,
    request: Request<B>,
    caller: Caller,
) -> io::Result<Response<Body>>
where
    B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    let endpoint = head.uri.path().strip_prefix("/v1/").unwrap_or(head.uri.path()).to_owned();
    let ticket = world.lock().record.request(&endpoint, head.method.as_str());
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
    let header =
        |name| head.headers.get(name).and_then(|v: &hyper::header::HeaderValue| v.to_str().ok());
    let answer = {
        let mut state = world.lock();
        let call = Knock {
            endpoint: &endpoint,
            method: head.method.as_str(),
            content_type: header(CONTENT_TYPE),
            authorization: header(AUTHORIZATION),
            body: &body,
            caller,
            ticket,
        };
        let answer = answer(&world, &mut state, &call);
        if let Some(note) = state.record.note(ticket) {
            note.status = answer.status();
            note.bytes = body.len() as u64;
            note.text = String::from_utf8_lossy(&body).into_owned();
        }
        answer
    };
    answer.deliver().await
}

/// A request before any of it was checked.
struct Knock<'a> {
    endpoint: &'a str,
    method: &'a str,
    content_type: Option<&'a str>,
    authorization: Option<&'a str>,
    body: &'a [u8],
    caller: Caller,
    ticket: Ticket,
}

fn answer(world: &World, state: &mut State, knock: &Knock) -> Answer {
    let now = instant();
    let rules = state.rules.clone();
    if let Err(refusal) = state.limits.admit(&rules, now) {
        state.record.violation(knock.endpoint, &refusal.broken);
        return Reply::locked(refusal.kind, rules.flood_answer).write(state, false, Delivery::Send);
    }
    let fields = match admit(state, knock) {
        Ok(fields) => fields,
        Err(reply) => {
            count_refusal(state, knock.endpoint, reply.status, now);
            return reply.write(state, false, Delivery::Send);
        }
    };
    let link = fields.text("url");
    let file = link.and_then(link_id).and_then(|id| state.account.file(id));
    let subject = Subject { link, name: file.map(|file| file.name.as_str()), ..Subject::default() };
    let action = state.faults.take(knock.endpoint, subject);
    let pretty = fields.is_set("pretty");
    if let Some(action) = &action
        && let Some((reply, delivery)) = spoil::instead(action, state, now)
    {
        return reply.write(state, pretty, delivery);
    }
    let delivery = spoil::delivery(action.as_ref());
    spoil::meddle(action.as_ref(), state, &world.storage, now);
    let before = (action == Some(Action::SaysDone)).then(|| state.account.clone());
    let mut call = Call {
        state,
        world,
        endpoint: knock.endpoint,
        fields,
        now,
        caller: knock.caller,
        action,
        ticket: knock.ticket,
    };
    call.note_subject();
    let reply = dispatch(&mut call);
    let reply = match &call.action {
        Some(Action::Reshape(how)) => reply.reshaped(how),
        _ => reply,
    };
    if let Some(before) = before {
        state.account = before;
    }
    state.changed = true;
    count_refusal(state, knock.endpoint, reply.status, now);
    reply.write(state, pretty, delivery)
}

/// The checks that every endpoint has in common.
fn admit(state: &mut State, knock: &Knock) -> Result<Fields, Reply> {
    let is_json = knock.content_type.is_some_and(|kind| {
        kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    });
    if !is_json {
        state.record.violation(knock.endpoint, "no `Content-Type: application/json`");
        return Err(Reply::ko(400, "Content-Type not JSON", 24));
    }
    let is_open = knock.endpoint == "upload/get_upload_server.cgi";
    if !is_open && !state.accepts(knock.authorization) {
        return Err(Reply::not_authenticated());
    }
    if is_open && knock.method == "POST" && state.rules.upload_server_by_get {
        return Err(Reply::html(405, "Method Not Allowed"));
    }
    if knock.method != "POST" && !(is_open && knock.method == "GET") {
        state.record.violation(knock.endpoint, &format!("{} is not understood", knock.method));
        return Err(Reply::html(405, "Method Not Allowed"));
    }
    let fields = Fields::parse(knock.body).map_err(|error| {
        state.record.violation(knock.endpoint, &format!("bad JSON: {error}"));
        Reply::ko(400, "Bad JSON", 29)
    })?;
    let is_free = is_open || knock.endpoint == "user/info.cgi";
    if state.offer == Offer::None && !is_free {
        return Err(Reply::ko(403, "Must be a customer (Premium, Access)", 200));
    }
    Ok(fields)
}

fn count_refusal(state: &mut State, endpoint: &str, status: u16, now: Instant) {
    if !matches!(status, 401 | 403 | 404 | 410) {
        return;
    }
    let rules = state.rules.clone();
    if let Some(broken) = state.limits.count_refusal(&rules, now) {
        state.record.violation(endpoint, &broken);
    }
}

fn dispatch(call: &mut Call) -> Reply {
    if call.is_batch_refused() {
        return Reply::ko(400, "Too many links", 577);
    }
    match call.endpoint {
        "upload/get_upload_server.cgi" => upload_server::give(call),
        "download/get_token.cgi" => tokens::give(call),
        "file/ls.cgi" => listings::files(call),
        "folder/ls.cgi" => listings::folder(call),
        "file/info.cgi" => attributes::info(call),
        "file/scan.cgi" => attributes::scan(call),
        "file/chattr.cgi" => attributes::change(call),
        "file/rm.cgi" => placing::remove(call),
        "file/mv.cgi" => placing::move_files(call),
        "file/rename.cgi" => placing::rename(call),
        "file/cp.cgi" => placing::copy(call),
        "folder/mkdir.cgi" => folders::make(call),
        "folder/mv.cgi" => folders::move_or_rename(call),
        "folder/rm.cgi" => folders::remove(call),
        "folder/share.cgi" => folders::share(call),
        "user/info.cgi" => account_info::read_or_set(call),
        _ => other::answer(call).unwrap_or_else(|| {
            call.violation("no such endpoint");
            Reply::html(404, "<html><body><h1>Not Found</h1></body></html>")
        }),
    }
}
