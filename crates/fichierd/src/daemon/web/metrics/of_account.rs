//! Metrics of the account. Neither its name nor its offer is told.

use jiff::Timestamp;

use super::{Metric, Sample, Sort, Value};
use crate::status::Status;

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "fichierd_account_subscription_end_timestamp_seconds",
        sort: Sort::Gauge,
        help: "When the subscription of the account ends.",
        labels: &[],
        samples: |status, _| {
            let end = status.account.as_ref().and_then(|it| it.subscription_end);
            end.iter().map(|end| Sample::time(&[], *end)).collect()
        },
    },
    Metric {
        name: "fichierd_account_quota_bytes",
        sort: Sort::Gauge,
        help: "Storage of the account: used in cold and hot storage, allowed in cold storage, and \
               available of all; the last is negative when too much is used.",
        labels: &["class"],
        samples: quota,
    },
];

fn quota(status: &Status, _: Timestamp) -> Vec<Sample> {
    let Some(account) = &status.account else { return Vec::new() };
    let sizes = [
        ("cold_used", account.used_bytes),
        ("cold_allowed", account.allowed_bytes),
        ("hot_used", account.hot_bytes),
    ];
    let known = sizes.iter().filter_map(|(class, bytes)| Some(Sample::whole(&[class], (*bytes)?)));
    let left = account.available_bytes.map(|left| Sample::new(&["available"], Value::Whole(left)));
    known.chain(left).collect()
}
