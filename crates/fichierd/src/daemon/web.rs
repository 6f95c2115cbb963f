//! What other programs read of the service: its metrics, for Prometheus.
//!
//! One value, three forms: the metrics are a pure function of [`crate::status::Status`], which
//! `fichierd status` and `status --json` show too, so that they cannot disagree. [`metrics`] has
//! the closed list of them, [`exposition`] the two text formats.
//!
//! The metrics are told on the control socket always, and where `[metrics]` says so on an address of
//! this machine ([`listener`]) and in a file ([`textfile`]). Both are tasks beside the loop, and ask
//! it for the status as commands do.
//!
//! Used by the loop, by the control socket and by a one-shot `sync`; uses `status` and `config`.
//! Nothing here changes anything: no request can make the service do more than tell how it is.

pub(crate) mod exposition;
mod listener;
pub(crate) mod metrics;
pub(crate) mod textfile;

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use self::exposition::{Format, render};
use super::{Daemon, Event};
use crate::config::MetricsConfig;
use crate::daemon::control::{Call, Reply, Request};
use crate::status::Status;

/// The tasks that tell the metrics, as the configuration in force wants them.
#[derive(Debug, Default)]
pub(super) struct Tellers {
    config: MetricsConfig,
    listener: Option<AbortHandle>,
    textfile: Option<AbortHandle>,
    changed: Arc<Notify>,
}

impl Tellers {
    /// Notes that the metrics may have changed.
    pub(super) fn note_change(&self) {
        self.changed.notify_one();
    }
}

impl Daemon {
    /// Begins to tell the metrics where the configuration says so, and no longer does where it does
    /// not.
    pub(super) fn tell_metrics(&mut self) {
        let wanted = self.config.metrics.clone();
        let asker = Asker { events: self.sender.clone() };
        let Tellers { config, listener, textfile, changed } = &mut self.tellers;
        if config.listen != wanted.listen {
            listener.take().inspect(AbortHandle::abort);
            let serve = |address| self.feeders.spawn(listener::serve(address, asker.clone()));
            *listener = wanted.listen.map(serve);
        }
        if config.textfile != wanted.textfile {
            textfile.take().inspect(AbortHandle::abort);
            let keep = |path| self.feeders.spawn(textfile::keep(path, asker, Arc::clone(changed)));
            *textfile = wanted.textfile.clone().map(keep);
        }
        *config = wanted;
    }
}

/// Asks the loop for the status.
#[derive(Clone)]
struct Asker {
    events: mpsc::Sender<Event>,
}

impl Asker {
    /// The status; `None` if the service is stopping.
    async fn status(&self) -> Option<Status> {
        let (reply, answer) = oneshot::channel();
        let call = Call { request: Request::Status, reply };
        self.events.send(Event::Asked(call)).await.ok()?;
        match answer.await {
            Ok(Reply::Status(status)) => Some(status),
            Ok(_) | Err(_) => None,
        }
    }
}

/// The answer to `GET /metrics`, in the format that the request asks for.
pub(crate) fn metrics_reply(status: &Status, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::asked_for(accept);
    match render(status, Timestamp::now(), format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
