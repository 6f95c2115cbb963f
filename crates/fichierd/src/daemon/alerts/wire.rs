//! A message in the words of its receiver, and what the receiver's answer means. Pure.
//!
//! | kind | request | source |
//! |---|---|---|
//! | `healthchecks` | POST to the address, `/fail` or `/log`; the text as body | healthchecks.io, pinging API |
//! | `uptime-kuma` | GET with `status`, `msg`; anything but `up` is down | Uptime Kuma, push monitors |
//! | `ntfy` | POST to the root of the server, JSON | ntfy, publish as JSON |
//! | `webhook` | POST, JSON `fichierd.notify/1`, headers of Standard Webhooks | standardwebhooks.com |

use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use url::Url;

use super::message::{Message, What};
use crate::config::{NotifyConfig, NotifyKind};

/// The form of what a webhook is sent.
pub(super) const SCHEMA: &str = "fichierd.notify/1";

/// Characters of a text in an address; more is cut. Uptime Kuma shows a line.
const LONGEST_IN_ADDRESS: usize = 200;

/// What is sent.
pub(super) struct Request {
    /// Whether it is a POST; else a GET.
    pub(super) is_post: bool,
    /// Where to; a secret.
    pub(super) url: Url,
    /// The headers, in lower case.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub(super) body: String,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It is tried again, at once or after the time that the receiver asks for.
    Later {
        /// Why it was not delivered.
        why: String,
        /// The time that the receiver asks for.
        wait: Option<Duration>,
    },
    /// The receiver will never take it.
    Refused {
        /// Why.
        why: String,
    },
}

/// The request for a message; `None` if this kind of receiver is not told such a thing.
pub(super) fn request(
    receiver: &NotifyConfig,
    address: &Url,
    token: Option<&str>,
    message: &Message,
) -> Option<Request> {
    match &receiver.kind {
        NotifyKind::Healthchecks => Some(healthchecks(address, message)),
        NotifyKind::UptimeKuma => uptime_kuma(address, message),
        NotifyKind::Ntfy { topic } => Some(ntfy(address, token, topic, message)),
        NotifyKind::Webhook => Some(webhook(address, token, message)),
    }
}

/// A ping. Its address may have a query such as `create=1`, which stays.
fn healthchecks(address: &Url, message: &Message) -> Request {
    let alarms = message.about.as_ref().is_some_and(|told| told.alarms);
    let end = match (message.what, alarms) {
        (What::Safe, _) => "",
        (What::Begins, true) => "/fail",
        // A test changes nothing.
        (What::Begins, false) | (What::LastsOn | What::Over | What::Test, _) => "/log",
    };
    let mut url = address.clone();
    if !end.is_empty() {
        let path = format!("{}{end}", address.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    let headers = vec![("content-type", "text/plain; charset=utf-8".to_owned())];
    Request { is_post: true, url, headers, body: format!("{}\n{}", message.title, message.text) }
}

/// A push. Only safety and alarms change the state of a monitor.
fn uptime_kuma(address: &Url, message: &Message) -> Option<Request> {
    let alarms = message.about.as_ref().is_some_and(|told| told.alarms);
    let status = match (message.what, alarms) {
        (What::Safe, _) | (What::Test, false) => "up",
        (What::Begins | What::Test, true) => "down",
        (What::Begins, false) | (What::LastsOn | What::Over, _) => return None,
    };
    let mut url = address.clone();
    // The address that Kuma shows has an example as its query, which would win over ours.
    url.set_query(None);
    let text: String = message.title.chars().take(LONGEST_IN_ADDRESS).collect();
    url.query_pairs_mut().append_pair("status", status).append_pair("msg", &text);
    Some(Request { is_post: false, url, headers: Vec::new(), body: String::new() })
}

fn ntfy(address: &Url, token: Option<&str>, topic: &str, message: &Message) -> Request {
    let alarms = message.about.as_ref().is_some_and(|told| told.alarms);
    let (priority, tag) = match message.what {
        What::Over | What::Safe => (3, "white_check_mark"),
        What::Test => (3, "floppy_disk"),
        What::Begins | What::LastsOn if alarms => (5, "rotating_light"),
        What::Begins | What::LastsOn => (4, "warning"),
    };
    let body = json!({
        "topic": topic,
        "title": message.title,
        "message": message.text,
        "priority": priority,
        "tags": [tag],
    });
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
    Request { is_post: true, url: address.clone(), headers, body: body.to_string() }
}

fn webhook(address: &Url, token: Option<&str>, message: &Message) -> Request {
    let kind = match message.what {
        What::Safe => "safe",
        What::Begins => "state.begins",
        What::LastsOn => "state.lasts",
        What::Over => "state.over",
        What::Test => "test",
    };
    let timestamp = jiff::Timestamp::from_second(message.at_s).unwrap_or_default();
    let about = message.about.as_ref();
    let since = about.and_then(|told| jiff::Timestamp::from_second(told.since_s).ok());
    let body = json!({
        "schema": SCHEMA,
        "type": kind,
        "timestamp": timestamp,
        "data": {
            "state": about.map(|told| &told.state),
            "mirror": about.and_then(|told| told.mirror.as_ref()),
            "alarms": about.map(|told| told.alarms),
            "since": since,
            "title": message.title,
            "text": message.text,
            "what_to_do": about.map(|told| &told.what_to_do),
        },
    })
    .to_string();
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("webhook-id", message.id.clone()),
        ("webhook-timestamp", message.at_s.to_string()),
    ];
    if let Some(token) = token {
        let signed = signature(token, &format!("{}.{}.{body}", message.id, message.at_s));
        headers.push(("webhook-signature", signed));
    }
    Request { is_post: true, url: address.clone(), headers, body }
}

/// `v1,` and the HMAC-SHA256. A secret that begins with `whsec_` is Base64 behind it.
fn signature(secret: &str, text: &str) -> String {
    let of_prefix = secret.strip_prefix("whsec_").and_then(|it| BASE64.decode(it.as_bytes()).ok());
    let key = of_prefix.unwrap_or_else(|| secret.as_bytes().to_vec());
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return String::new() };
    mac.update(text.as_bytes());
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

/// What an answer means. `wait` is what `Retry-After` says.
pub(super) fn outcome(status: u16, wait: Option<Duration>) -> Outcome {
    match status {
        200..=299 => Outcome::Delivered,
        300..=399 => Outcome::Refused {
            why: format!("HTTP {status}: it is at another address, which is not followed"),
        },
        408 | 425 | 429 | 500..=599 => Outcome::Later { why: format!("HTTP {status}"), wait },
        404 => Outcome::Refused {
            why: "HTTP 404: there is no such check, monitor or topic, or it is paused".to_owned(),
        },
        401 | 403 => Outcome::Refused { why: format!("HTTP {status}: the token is not accepted") },
        _ => Outcome::Refused { why: format!("HTTP {status}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::alerts::message::Told;
    use crate::daemon::alerts::tests::receiver;

    fn about(what: What, alarms: bool) -> Message {
        let told = Told {
            state: "held".to_owned(),
            mirror: Some("photos".to_owned()),
            alarms,
            since_s: 1_763_900_000,
            title: "removals are held".to_owned(),
            what_to_do: "fichierd approve photos".to_owned(),
        };
        Message {
            id: "msg_1".to_owned(),
            at_s: 1_763_900_900,
            what,
            about: (what != What::Safe && (alarms || what != What::Test)).then_some(told),
            title: "fichierd: \"photos\" & more".to_owned(),
            text: "line\n".to_owned(),
        }
    }

    fn sent(kind: NotifyKind, url: &str, message: &Message) -> Option<Request> {
        let url = Url::parse(url).unwrap();
        request(&receiver(kind), &url, Some("tk_secret"), message)
    }

    #[test]
    fn healthchecks_is_pinged_failed_and_told() {
        let end = |what, alarms| {
            let url = "https://hc-ping.com/key/slug?create=1";
            let request = sent(NotifyKind::Healthchecks, url, &about(what, alarms)).unwrap();
            assert!(request.is_post && request.body.ends_with("line\n"));
            assert_eq!(request.url.query(), Some("create=1"));
            request.url.path().to_owned()
        };
        assert_eq!(end(What::Safe, false), "/key/slug");
        assert_eq!(end(What::Test, false), "/key/slug/log");
        assert_eq!(end(What::Begins, true), "/key/slug/fail");
        assert_eq!(end(What::Begins, false), "/key/slug/log");
        assert_eq!(end(What::LastsOn, true), "/key/slug/log");
        assert_eq!(end(What::Over, true), "/key/slug/log");
    }

    #[test]
    fn uptime_kuma_is_up_or_down_and_the_example_in_its_address_goes() {
        let url = "https://kuma.test/api/push/abc?status=up&msg=OK&ping=";
        let up = sent(NotifyKind::UptimeKuma, url, &about(What::Safe, false)).unwrap();
        assert_eq!(up.url.query(), Some("status=up&msg=fichierd%3A+%22photos%22+%26+more"));
        let down = sent(NotifyKind::UptimeKuma, url, &about(What::Begins, true)).unwrap();
        assert!(down.url.query().unwrap().starts_with("status=down&") && !down.is_post);
        for (is_safe, expected) in [(true, "status=up&"), (false, "status=down&")] {
            let test = sent(NotifyKind::UptimeKuma, url, &about(What::Test, !is_safe)).unwrap();
            assert!(test.url.query().unwrap().starts_with(expected), "a test tells no lie");
        }
        assert!(sent(NotifyKind::UptimeKuma, url, &about(What::Begins, false)).is_none());
        assert!(sent(NotifyKind::UptimeKuma, url, &about(What::Over, true)).is_none());
    }

    #[test]
    fn ntfy_gets_numbers_and_lists_where_it_wants_them() {
        let kind = NotifyKind::Ntfy { topic: "backups".to_owned() };
        let request = sent(kind, "https://ntfy.test/", &about(What::Begins, true)).unwrap();
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["topic"], "backups");
        assert_eq!(body["priority"], 5);
        assert_eq!(body["tags"], json!(["rotating_light"]));
        assert!(request.headers.contains(&("authorization", "Bearer tk_secret".to_owned())));
    }

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn a_webhook_is_signed_as_the_standard_says() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let text = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature(secret, text), expected);
        let request = sent(NotifyKind::Webhook, "https://a.test/b", &about(What::Over, true));
        let request = request.unwrap();
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["schema"], SCHEMA);
        assert_eq!(body["type"], "state.over");
        assert_eq!(body["timestamp"], "2025-11-23T12:28:20Z");
        assert_eq!(body["data"]["mirror"], "photos");
        let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
        assert!(names.contains(&"webhook-signature") && names.contains(&"webhook-id"));
    }

    #[test]
    fn answers_are_taken_as_they_are_meant() {
        let wait = Some(Duration::from_secs(9));
        assert_eq!(outcome(200, None), Outcome::Delivered);
        assert_eq!(outcome(201, None), Outcome::Delivered);
        let later = Outcome::Later { why: "HTTP 429".to_owned(), wait };
        assert_eq!(outcome(429, wait), later);
        assert!(matches!(outcome(503, None), Outcome::Later { .. }));
        for status in [301, 400, 401, 404, 410, 413] {
            assert!(matches!(outcome(status, None), Outcome::Refused { .. }), "{status}");
        }
    }
}
