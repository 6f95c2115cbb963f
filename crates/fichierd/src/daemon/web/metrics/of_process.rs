//! Metrics of the process that answers: its version, its requests, its waits.

use jiff::Timestamp;

use super::{Metric, Sample, Sort, Value};
use crate::status::{Counters, Status};

/// The beginnings of endpoints that the daemon never calls: only the library can.
const NEVER_CALLED: [&str; 5] = ["ftp/", "remote/", "vouchers/", "folder/share", "file/scan"];

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "fichierd_build_info",
        sort: Sort::Info,
        help: "The version of the program that answers.",
        labels: &["version"],
        samples: |status, _| vec![Sample::whole(&[&status.version], 1)],
    },
    Metric {
        name: "fichierd_running",
        sort: Sort::Gauge,
        help: "Whether a service runs (1), or a single run has left what is on record (0).",
        labels: &[],
        samples: |status, _| vec![Sample::flag(&[], status.running)],
    },
    Metric {
        name: "fichierd_written_timestamp_seconds",
        sort: Sort::Gauge,
        help: "When these metrics were taken: old in a text file that is no longer written.",
        labels: &[],
        samples: |_, now| vec![Sample::time(&[], now)],
    },
    Metric {
        name: "fichierd_hold_off_until_timestamp_seconds",
        sort: Sort::Gauge,
        help: "Until when no request is made; absent while requests may be made.",
        labels: &[],
        samples: |status, _| status.hold_off.iter().map(|it| Sample::time(&[], it.until)).collect(),
    },
    Metric {
        name: "fichierd_api_calls_total",
        sort: Sort::Counter,
        help: "Requests made to the API and to upload nodes since the start, answered or not.",
        labels: &[],
        samples: |status, _| match status.counters {
            Some(_) => vec![Sample::count(&[], status.calls_made)],
            None => Vec::new(),
        },
    },
    Metric {
        name: "fichierd_api_requests_total",
        sort: Sort::Counter,
        help: "Answers to requests, by endpoint and by how the request ended.",
        labels: &["endpoint", "result"],
        samples: requests,
    },
    Metric {
        name: "fichierd_api_wait_seconds_total",
        sort: Sort::Counter,
        help: "Time that requests waited for their turns, together.",
        labels: &[],
        samples: |status, _| {
            let waited = |it: &Counters| Value::Seconds(it.requests.waited.as_secs_f64());
            status.counters.iter().map(|it| Sample::new(&[], waited(it))).collect()
        },
    },
    Metric {
        name: "fichierd_hold_offs_total",
        sort: Sort::Counter,
        help: "How often an answer began a time in which no request is made.",
        labels: &[],
        samples: |status, _| {
            let counters = status.counters.iter();
            counters.map(|it| Sample::count(&[], it.requests.hold_offs)).collect()
        },
    },
];

fn requests(status: &Status, _: Timestamp) -> Vec<Sample> {
    let Some(counters) = &status.counters else { return Vec::new() };
    let is_called = |endpoint: &str| !NEVER_CALLED.iter().any(|it| endpoint.starts_with(it));
    let all = counters.requests.requests.iter();
    all.filter(|(endpoint, _, count)| *count > 0 || is_called(endpoint))
        .map(|(endpoint, answer, count)| Sample::count(&[endpoint, answer.word()], *count))
        .collect()
}
