//! Sends one request to a receiver. Its address and token are read for it, and forgotten.
//!
//! The only place of the program that speaks HTTP to anything but 1fichier. It follows no redirect,
//! waits [`AT_MOST`], and repeats nothing by itself. No error shows the address (invariant I10).

use std::time::Duration;

use super::message::Message;
use super::wire::{Outcome, Request, outcome, request};
use crate::config::NotifyConfig;

/// The longest that a receiver is waited for.
const AT_MOST: Duration = Duration::from_secs(10);
/// The longest wait that a receiver may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Bytes of an answer that are shown to a person.
const SHOWN: usize = 300;

/// What a receiver answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// What it means.
    pub(super) outcome: Outcome,
    /// The status code and the beginning of the body, for a person; nothing if there was none.
    pub(super) text: String,
}

impl Answer {
    fn failed(outcome: Outcome) -> Answer {
        Answer { outcome, text: String::new() }
    }

    fn later(why: String) -> Answer {
        Answer::failed(Outcome::Later { why, wait: None })
    }

    fn refused(why: String) -> Answer {
        Answer::failed(Outcome::Refused { why })
    }
}

/// Sends a message. `None` if this kind of receiver is not told such a thing.
pub(super) async fn send(receiver: &NotifyConfig, message: &Message) -> Option<Answer> {
    let (owned, sent) = (receiver.clone(), message.clone());
    // A command may be run for the address.
    let prepared = tokio::task::spawn_blocking(move || prepare(&owned, &sent)).await;
    match prepared {
        Ok(Ok(Some((client, request)))) => Some(carry(&client, request).await),
        Ok(Ok(None)) => None,
        Ok(Err(answer)) => Some(answer),
        Err(crashed) => std::panic::resume_unwind(crashed.into_panic()),
    }
}

fn prepare(
    receiver: &NotifyConfig,
    message: &Message,
) -> Result<Option<(reqwest::Client, Request)>, Answer> {
    let address = receiver.address().map_err(|error| Answer::later(error.to_string()))?;
    let token = receiver.token().map_err(|error| Answer::later(error.to_string()))?;
    let token = token.as_ref().map(|token| token.trim());
    let Some(request) = request(receiver, &address, token, message) else { return Ok(None) };
    let authority = match &receiver.ca_file {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(|error| {
            Answer::later(format!("`ca_file` {} cannot be read: {error}", path.display()))
        })?),
    };
    let tls = fichier_api::tls_config(authority.as_deref())
        .map_err(|error| Answer::refused(error.to_string()))?;
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("fichierd/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .timeout(AT_MOST);
    let client = builder.build().map_err(|error| Answer::refused(without_url(error)))?;
    Ok(Some((client, request)))
}

async fn carry(client: &reqwest::Client, request: Request) -> Answer {
    let Request { is_post, url, headers, body } = request;
    let mut call = if is_post { client.post(url).body(body) } else { client.get(url) };
    for (name, value) in headers {
        call = call.header(name, value);
    }
    let reply = match call.send().await {
        Ok(reply) => reply,
        Err(error) => return Answer::later(without_url(error)),
    };
    let status = reply.status();
    let wait = reply.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let wait = wait.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let outcome = outcome(status.as_u16(), wait.map(|wait| wait.min(LONGEST_WAIT)));
    let body = beginning(reply).await;
    Answer { outcome, text: format!("HTTP {status}: {body}") }
}

/// The beginning of a body, of which control characters are left out.
async fn beginning(mut reply: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < SHOWN
        && let Ok(Some(chunk)) = reply.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(SHOWN);
    let text = String::from_utf8_lossy(&bytes);
    text.trim().chars().filter(|c| !c.is_control()).collect()
}

/// What went wrong, without the address: the causes of an error may hold it, so they are not shown.
fn without_url(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return format!("it did not answer within {} s", AT_MOST.as_secs());
    }
    if error.is_connect() {
        return "it cannot be reached".to_owned();
    }
    error.to_string()
}
