//! How a fault changes the answer to a request.
//!
//! Each fault either replaces the work ([`instead`]) or changes how its reply is delivered
//! ([`delivery`]). A fault that changes the content of a reply is handled by the endpoint that it
//! concerns.

use std::time::Instant;

use hyper::header::{LOCATION, RETRY_AFTER};

use super::answer::{Delivery, JSON};
use super::bomb;
use super::words::{Payload, Reply};
use crate::faults::Action;
use crate::rules::LockKind;
use crate::storage::Storage;
use crate::world::State;

/// The answer that takes the place of any work, if the fault has one.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other faults let the work be done")]
pub(crate) fn instead(
    action: &Action,
    state: &mut State,
    now: Instant,
) -> Option<(Reply, Delivery)> {
    let reply = match action {
        Action::Status(status, body) | Action::Html(status, body) => {
            Reply::html(*status, body.as_str())
        }
        Action::Json(status, text) => {
            Reply { payload: Payload::Text(JSON, text.clone()), ..Reply::html(*status, "") }
        }
        Action::Flood => locked(state, LockKind::Flood, now),
        Action::HardLock => locked(state, LockKind::Address, now),
        Action::OwnerLocked => locked(state, LockKind::Owner, now),
        Action::NodeStorage => Reply::node_page("Ne peut ouvrir le fichier destination"),
        // The node's own words are not recorded (docs/api-notes.md, C.7).
        Action::Quota => Reply::node_page("Espace de stockage insuffisant"),
        Action::RedirectTo(url) => {
            Reply::html(302, "<html><body>302</body></html>").with(LOCATION, url)
        }
        Action::RetryAfter(text) => Reply::html(429, "Too Many Requests").with(RETRY_AFTER, text),
        Action::KeyRefused => Reply::not_authenticated(),
        Action::Denied => Reply::not_found(),
        Action::HugeBody(length) => {
            Reply { payload: Payload::Huge(*length), ..Reply::html(200, "") }
        }
        Action::GzipBomb(length) => {
            Reply { payload: Payload::Gzip(bomb::of(*length)), ..Reply::html(200, "") }
        }
        Action::Reset | Action::ResetAfter(_) => {
            return Some((Reply::html(200, ""), Delivery::Lost));
        }
        Action::StallHeaders => return Some((Reply::html(200, ""), Delivery::Never)),
        _ => return None,
    };
    Some((reply, Delivery::Send))
}

/// How the reply is delivered after the work is done.
pub(crate) fn delivery(action: Option<&Action>) -> Delivery {
    match action {
        Some(Action::DoItThenReset) => Delivery::Lost,
        Some(Action::DoItThenStatus(status)) => Delivery::Page(*status),
        Some(Action::Truncated) => Delivery::Half,
        Some(Action::Empty) => Delivery::Nothing,
        Some(Action::Delay(delay)) => Delivery::Late(*delay),
        Some(Action::Trickle(rate)) => Delivery::Trickle(*rate),
        _ => Delivery::Send,
    }
}

/// Plays others who change the account just before the work.
pub(crate) fn meddle(action: Option<&Action>, state: &mut State, storage: &Storage, now: Instant) {
    let Some(Action::Vanish(name)) = action else { return };
    let gone: Vec<String> =
        state.account.files().filter(|file| file.name == *name).map(|f| f.id.clone()).collect();
    for id in gone {
        state.remove_file(&id, storage, now);
    }
}

fn locked(state: &mut State, kind: LockKind, now: Instant) -> Reply {
    let rules = state.rules.clone();
    state.limits.lock(kind, &rules, now);
    Reply::locked(kind, rules.flood_answer)
}
