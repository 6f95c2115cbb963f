//! `end.pl`: the result of an upload (docs/api-notes.md, C.4).
//!
//! An id that the node does not know, has not received yet or has forgotten gives a result
//! without links. The order of the links means nothing and changes each time.

use std::io;

use hyper::{Request, Response};
use serde_json::{Value, json};

use super::query::{header, query};
use crate::base::instant;
use crate::faults::{Action, Subject};
use crate::habits::WhileProcessing;
use crate::reply::{Body, Delivery, Payload, Reply, spoil};
use crate::world::{Entry, State, Ticket, World};

const SCANNING: &str = "<html><body><div class=\"bloc2\">Veuillez patienter. Please wait until the \
    file has been scanned by our anti-virus</div></body></html>\n";

/// The form in which a client wants a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Page,
    Json,
    Csv,
}

/// Answers `end.pl?xid=…`.
///
/// # Errors
///
/// When a fault wants it: the caller closes the connection.
pub(crate) async fn tell<B>(
    world: &World,
    request: &Request<B>,
    ticket: Ticket,
) -> io::Result<Response<Body>> {
    let xid = query(request, "xid").unwrap_or_default();
    let asks = |name: &str| query(request, name).is_some_and(|value| value != "0");
    let form = if header(request, hyper::header::HeaderName::from_static("json")) == Some("1")
        || asks("JSON")
    {
        Form::Json
    } else if request.headers().contains_key("export") || asks("Export") {
        Form::Csv
    } else {
        Form::Page
    };
    let answer = {
        let mut state = world.lock();
        let (reply, delivery) = answer(world, &mut state, xid, form);
        let answer = reply.write(&mut state, query(request, "JSON") == Some("2"), delivery);
        if let Some(note) = state.record.note(ticket) {
            note.status = answer.status();
        }
        answer
    };
    answer.deliver().await
}

fn answer(world: &World, state: &mut State, xid: &str, form: Form) -> (Reply, Delivery) {
    let now = instant();
    let rules = state.rules.clone();
    if let Err(refusal) = state.limits.admit_node(&rules, now) {
        state.record.violation("end.pl", &refusal.broken);
    }
    let action = state.faults.take("end.pl", Subject::default());
    if let Some(action) = &action
        && let Some(instead) = spoil::instead(action, state, now)
    {
        return instead;
    }
    let delivery = spoil::delivery(action.as_ref());
    spoil::meddle(action.as_ref(), state, &world.storage, now);
    let kept = rules.real(rules.result_kept);
    let mut entries = Vec::new();
    if let Some(upload) = state.uploads.get_mut(xid) {
        upload.prepare(action.as_ref());
        if upload.scanning > 0 {
            upload.scanning -= 1;
            return (Reply::html(200, SCANNING), delivery);
        }
        let stored = upload.result.as_ref().map(|(stored, _)| *stored);
        if let (Some(page), Some(at)) = (&rules.end_page, stored)
            && now - at < rules.real(page.lasts)
        {
            return (Reply::html(200, page.text.clone()), delivery);
        }
        let is_processing = stored.is_some_and(|at| now - at < rules.real(rules.processing));
        if is_processing && rules.while_processing == WhileProcessing::Page {
            return (Reply::html(200, SCANNING), delivery);
        }
        if upload.empty > 0 {
            upload.empty -= 1;
        } else if is_processing {
            // The links are not told yet.
        } else if let Some((stored, all)) = &upload.result
            && now - *stored < kept
        {
            entries.clone_from(all);
            if let Some((most, lasts)) = rules.first_links
                && now - *stored < rules.real(lasts)
            {
                entries.truncate(most);
            }
        }
        upload.reply_lost =
            upload.reply_lost && matches!(delivery, Delivery::Lost | Delivery::Page(_));
    }
    if state.rules.appears_after_result {
        let shown = now + state.rules.real(state.rules.listing_lag);
        for entry in &entries {
            if let Some(file) = state.account.file_mut(&entry.id) {
                file.hidden_until = file.hidden_until.map(|until| until.min(shown));
            }
        }
    }
    if !rules.links_as_sent {
        state.shuffler.shuffle(&mut entries);
    }
    let mut links: Vec<Value> = entries.iter().map(|entry| link(state, entry)).collect();
    if let Some(action) = &action {
        distort(action, &mut links);
    }
    let reply = write(form, &entries, links);
    match &action {
        Some(Action::Reshape(how)) => (reply.reshaped(how), delivery),
        _ => (reply, delivery),
    }
}

fn write(form: Form, entries: &[Entry], links: Vec<Value>) -> Reply {
    match form {
        Form::Json => Reply::ok(json!({"incoming": 0, "links": links})),
        Form::Csv => {
            let line = |e: &Entry| format!("{};{};{};{};0\n", e.name, e.size, e.id, e.removal_code);
            let text = entries.iter().map(line).collect();
            Reply {
                payload: Payload::Text("text/plain; charset=utf-8", text),
                ..Reply::html(200, "")
            }
        }
        Form::Page => {
            let line = |e: &Entry| format!("<td>https://1fichier.com/?{}</td>\n", e.id);
            let cells: String = entries.iter().map(line).collect();
            Reply::html(200, format!("<html><body><table>{cells}</table></body></html>\n"))
        }
    }
}

fn link(state: &State, entry: &Entry) -> Value {
    let remove = if entry.removal_code.is_empty() {
        String::new()
    } else {
        format!("https://1fichier.com/remove/{}/{}", entry.id, entry.removal_code)
    };
    let mut link = json!({
        "download": format!("https://1fichier.com/?{}", entry.id), "filename": entry.name,
        "remove": remove, "size": entry.size.to_string(), "whirlpool": entry.whirlpool,
    });
    if let (Some(fields), Some(file)) = (link.as_object_mut(), state.account.file(&entry.id)) {
        file.tell_hash(fields, "whirlpool", &state.rules, state.rules.hash_lag.result);
    }
    link
}

/// Makes the links wrong in the way that a fault asks for.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other faults do not touch the links")]
fn distort(action: &Action, links: &mut Vec<Value>) {
    match action {
        Action::DropLink(name) => links.retain(|link| link["filename"] != name.as_str()),
        Action::WrongWhirlpool => {
            links.iter_mut().for_each(|link| link["whirlpool"] = "0".repeat(128).into());
        }
        Action::WrongSize => links.iter_mut().for_each(|link| link["size"] = "1".into()),
        Action::ExtraLinks => {
            let extra: Vec<Value> = links
                .iter()
                .map(|link| {
                    let mut extra = link.clone();
                    extra["download"] = "https://1fichier.com/?aaaaaaaaaaaaaaaaaaaa".into();
                    extra
                })
                .collect();
            links.extend(extra);
        }
        Action::ReorderedLinks => links.reverse(),
        _ => {}
    }
}
