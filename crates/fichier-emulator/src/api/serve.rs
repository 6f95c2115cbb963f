//! The API's front end: what every call must have, and where it goes.
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
use serde_json::{Value, json};

use super::{account_info, attributes, folders, listings, other, placing, tokens};
use crate::base::dates::instant;
use crate::faults::{Action, Subject};
use crate::habits::BatchExcess;
use crate::reply::answer::{Answer, Body, Delivery, Reply};
use crate::reply::json::Fields;
use crate::reply::spoil;
use crate::rules::switches::Offer;
use crate::world::file::{File, link_id};
use crate::world::places::Caller;
use crate::world::requests::Ticket;
use crate::world::shared::World;
use crate::world::state::State;

/// Bodies of calls are small; the service's own limit is not known.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// One call on its way through an endpoint.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) world: &'a World,
    pub(crate) endpoint: &'a str,
    pub(crate) fields: Fields,
    pub(crate) now: Instant,
    pub(crate) caller: Caller,
    /// The fault that hit this call and concerns what the endpoint does.
    pub(crate) action: Option<Action>,
    ticket: Ticket,
}

/// Answers one request to the API.
///
/// # Errors
///
/// When the client's body cannot be read, and to have the connection closed.
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
        }
        answer
    };
    answer.deliver().await
}

/// A request before anything is known about it.
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
        return Reply::locked(refusal.kind).write(state, false, Delivery::Send);
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
    let reply = call.dispatch();
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

impl Call<'_> {
    fn dispatch(&mut self) -> Reply {
        if self.is_batch_refused() {
            return Reply::ko(400, "Too many links", 577);
        }
        match self.endpoint {
            "upload/get_upload_server.cgi" => self.upload_server(),
            "download/get_token.cgi" => tokens::give(self),
            "file/ls.cgi" => listings::files(self),
            "folder/ls.cgi" => listings::folder(self),
            "file/info.cgi" => attributes::info(self),
            "file/scan.cgi" => attributes::scan(self),
            "file/chattr.cgi" => attributes::change(self),
            "file/rm.cgi" => placing::remove(self),
            "file/mv.cgi" => placing::move_files(self),
            "file/rename.cgi" => placing::rename(self),
            "file/cp.cgi" => placing::copy(self),
            "folder/mkdir.cgi" => folders::make(self),
            "folder/mv.cgi" => folders::move_or_rename(self),
            "folder/rm.cgi" => folders::remove(self),
            "folder/share.cgi" => folders::share(self),
            "user/info.cgi" => account_info::read_or_set(self),
            _ => other::answer(self).unwrap_or_else(|| {
                self.violation("no such endpoint");
                Reply::html(404, "<html><body><h1>Not Found</h1></body></html>")
            }),
        }
    }

    /// Keeps a broken rule of the service.
    pub(crate) fn violation(&mut self, broken: &str) {
        self.state.record.violation(self.endpoint, broken);
    }

    /// Keeps a broken rule, unless it may be tried: [`State::trial`].
    pub(crate) fn trial(&mut self, broken: &str) {
        self.state.trial(self.endpoint, broken);
    }

    /// The file of an id, once calls know it.
    pub(crate) fn known_file(&self, id: &str) -> Option<&File> {
        let file = self.state.account.file(id)?;
        file.unknown_until.is_none_or(|until| self.now >= until).then_some(file)
    }

    /// The elements of a batch that will be carried out.
    pub(crate) fn batch(&mut self, name: &str) -> Vec<Value> {
        let items = self.fields.list(name).to_vec();
        if items.is_empty() {
            self.violation(&format!("`{name}` is empty or missing"));
        }
        if items.len() > self.state.rules.batch_tolerated {
            self.violation(&format!("{} links in one call", items.len()));
        }
        let mut most = self.state.rules.batch_max.unwrap_or(usize::MAX);
        if let Some(Action::Partial(first)) = self.action {
            most = most.min(first);
        }
        items.into_iter().take(most).collect()
    }

    /// Whether the call names more links than are taken at once. The service's words for that are
    /// not recorded.
    fn is_batch_refused(&self) -> bool {
        let rules = &self.state.rules;
        let links =
            ["urls", "files"].iter().map(|name| self.fields.list(name).len()).sum::<usize>();
        rules.batch_excess == BatchExcess::Refuse
            && self.endpoint.starts_with("file/")
            && rules.batch_max.is_some_and(|most| links > most)
    }

    /// Records what the call is about.
    fn note_subject(&mut self) {
        let folder = ["folder_id", "destination_folder_id"]
            .iter()
            .rev()
            .find_map(|name| self.fields.number(name));
        let links = ["urls", "files"].iter().map(|name| self.fields.list(name).len()).sum();
        let one = usize::from(self.fields.has("url"));
        if let Some(note) = self.state.record.note(self.ticket) {
            note.folder_id = folder;
            note.links = if links > 0 { links } else { one };
        }
    }

    /// `upload/get_upload_server.cgi` (docs/api-notes.md, B.2): no `status` on success.
    fn upload_server(&mut self) -> Reply {
        let mut id = self.state.numbers.mixed(10);
        let mut host = self.caller.places.node_host();
        if let Some(Action::ForeignNode(other)) = &self.action {
            host.clone_from(other);
        }
        if let Some(Action::BadUploadId(other)) = &self.action {
            id.clone_from(other);
        }
        self.state.uploads.give(id.clone(), self.now);
        Reply::ok(json!({"url": host, "id": id}))
    }
}
