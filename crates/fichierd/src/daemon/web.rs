//! What other programs read of the service: its metrics, for Prometheus.
//!
//! One value, three forms: the metrics are a pure function of [`crate::status::Status`], which
//! `fichierd status` and `status --json` show too, so that they cannot disagree. [`metrics`] has
//! the closed list of them, [`exposition`] the two text formats.
//!
//! Used by the loop, by the control socket and by a one-shot `sync`; uses `status` and `config`.
//! Nothing here changes anything: no request can make the service do more than tell how it is.

pub(crate) mod exposition;
pub(crate) mod metrics;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use self::exposition::{Format, render};
use crate::status::Status;

/// The answer to `GET /metrics`, in the format that the request asks for.
pub(crate) fn metrics_reply(status: &Status, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::asked_for(accept);
    match render(status, Timestamp::now(), format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
