//! `download/get_token.cgi`: a single-use address for one file (docs/api-notes.md, B.1).

use serde_json::json;

use super::attributes;
use super::call::Call;
use crate::reply::{ONE_LOCATION, ONE_LOCATION_NUMBER, Reply};
use crate::rules::Offer;
use crate::world::Token;

/// Gives a token, or one of the refusals that belong to downloads.
pub(crate) fn give(call: &mut Call) -> Reply {
    let Some(file) = attributes::file_asked_for(call) else { return Reply::not_found() };
    let rules = call.state.rules.clone();
    if !call.state.limits.admit_location(call.caller.address, &rules, call.now) {
        return Reply::ko(403, ONE_LOCATION, ONE_LOCATION_NUMBER);
    }
    if let Some(text) = &rules.download_refusal {
        return Reply { status: 403, ..Reply::ok(json!({"status": "KO", "message": text})) };
    }
    let cdn = call.fields.is_set("cdn");
    let needs_cdn = rules.downloads_need_cdn && call.state.offer != Offer::Gold;
    let may_pay = call.world.traffic.cdn_left_gb(&rules) > 0.0;
    if needs_cdn && !cdn || cdn && !may_pay {
        return Reply::ko(
            403,
            "You must have CDN credits: this address is not a residential private one. \
             Use CDN credits",
            913,
        );
    }
    let given = call.fields.text("pass").unwrap_or_default();
    if !file.password.is_empty() && file.password != given {
        let why = if given.is_empty() { "Password not provided" } else { "Invalid password" };
        return Reply::ko(403, &format!("{why}. Resource not allowed"), 631);
    }
    let name = format!("p{}", 1_000_000_000 + call.state.numbers.below(1_000_000_000));
    let inline = call.fields.is_set("inline");
    let url = format!(
        "{}/{name}{}",
        call.caller.places.download_base(rules.download_address),
        if inline { "?inline" } else { "" }
    );
    let single = call.fields.is_set("single");
    let token = Token { file: file.id, single, inline, cdn, given: call.now, used: None };
    call.state.tokens.insert(name, token);
    Reply::ok(json!({"status": "OK", "url": url}))
}
