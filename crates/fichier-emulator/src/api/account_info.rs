//! `user/info.cgi`: the account's figures and settings, in the types that clients have seen
//! (docs/api-notes.md, B.18): some numbers are strings.

use serde_json::json;

use super::call::Call;
use crate::base::dates;
use crate::reply::Reply;
use crate::rules::Offer;

const YEAR_S: i64 = 365 * 86_400;
const SETTINGS: [&str; 10] = [
    "ftp_mode",
    "ftp_did",
    "ftp_report",
    "ru_report",
    "default_domain",
    "page_limit",
    "default_port",
    "default_port_files",
    "use_cdn",
    "download_menu",
];

/// Sets the settings that the call names, then tells all about the account.
pub(crate) fn read_or_set(call: &mut Call) -> Reply {
    let rules = call.state.rules.clone();
    if let Err(refusal) = call.state.limits.admit_account(&rules, call.now) {
        call.violation(&refusal.broken);
        return Reply::ko(403, "Flood detected: IP Locked", 38);
    }
    for name in SETTINGS {
        if let Some(value) = call.fields.number(name) {
            call.state.settings.insert(name.to_owned(), value);
        }
    }
    let state = &*call.state;
    let setting = |name: &str| state.settings.get(name).copied().unwrap_or(0);
    let (used, allowed) = (state.account.used_bytes(), rules.quota_bytes);
    let now = state.clock.now();
    let hot_s = rules.hot_for.map_or(0, |hot_for| i64::try_from(hot_for.as_secs()).unwrap_or(0));
    let is_hot = |date: i64| now - date < hot_s;
    let hot = state.account.used_bytes_of(is_hot);
    let cdn = call.world.traffic.cdn_left_gb(&rules);
    let end = if state.offer == Offer::None { String::new() } else { dates::write(now + YEAR_S) };
    Reply::ok(json!({
        "status": "OK", "email": state.email,
        "offer": state.offer.number().to_string(), "subscription_end": end,
        "2fa": "0", "mail_rm": "0", "cdn": format!("{cdn:.2}"),
        "ftp_mode": setting("ftp_mode").to_string(), "ftp_did": setting("ftp_did"),
        "ftp_report": setting("ftp_report").to_string(),
        "ru_report": setting("ru_report").to_string(),
        "default_domain": setting("default_domain"), "page_limit": setting("page_limit"),
        "default_port": setting("default_port").to_string(),
        "default_port_files": setting("default_port_files").to_string(),
        "use_cdn": setting("use_cdn").to_string(),
        "download_menu": setting("download_menu").to_string(),
        "default_quota": allowed, "default_cold_storage_quota": allowed,
        "hot_storage": hot, "cold_storage": used - hot, "stats_date": dates::write(now),
        "allowed_cold_storage": allowed, "available_storage": i128::from(allowed) - i128::from(used),
        "available_cold_storage": allowed.saturating_sub(used),
        "overquota": u8::from(used > allowed),
        "upload_forbidden": u8::from(state.upload_forbidden).to_string(),
    }))
}
