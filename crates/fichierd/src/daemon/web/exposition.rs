//! The metrics as text, in the two formats that are asked for.
//!
//! Prometheus, node_exporter and `promtool` all read the text format 0.0.4; OpenMetrics is for those
//! who ask for it. Which one is sent must be said in `Content-Type`: Prometheus 3 refuses a text
//! whose format it has to guess, and reads OpenMetrics without its type as values without a kind.

#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::metrics::{self, Metric, Sample, Sort, Value};
use crate::status::Status;

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The format for a request with this `Accept`: OpenMetrics if it is asked for, and not less
    /// than the other one.
    pub(crate) fn asked_for(accept: Option<&str>) -> Format {
        let weight = |wanted: &str| {
            let ranges = accept.unwrap_or_default().split(',');
            ranges.filter_map(|range| weight(range, wanted)).fold(0.0, f32::max)
        };
        let open = weight("application/openmetrics-text");
        if open > 0.0 && open >= weight("text/plain") { Format::OpenMetrics } else { Format::Text }
    }

    /// What stands in `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Text => prometheus_text::CONTENT_TYPE,
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How much one range of an `Accept` header asks for this type; `None` if it is about another one.
/// Of OpenMetrics there is version 1.0.0 alone.
fn weight(range: &str, wanted: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(wanted) {
        return None;
    }
    let mut weight = 1.0;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => weight = value.trim().parse().unwrap_or(0.0),
            "version" if value != "1.0.0" && value != "0.0.4" => return None,
            _ => {}
        }
    }
    Some(weight)
}

/// The metrics of a status as it was at `now`.
///
/// # Errors
///
/// None that is known: writing into a `String` cannot fail.
pub(crate) fn render(
    status: &Status,
    now: Timestamp,
    format: Format,
) -> Result<String, fmt::Error> {
    let families = metrics::all().map(|metric| (metric, (metric.samples)(status, now)));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families.collect())));
    let mut written = String::new();
    match format {
        Format::Text => prometheus_text::encode(&mut written, &registry)?,
        Format::OpenMetrics => text::encode(&mut written, &registry)?,
    }
    Ok(written)
}

/// The labels of an exemplar; none is told.
type NoExemplar = [(&'static str, &'static str); 0];

/// All metrics with their samples at one moment.
struct Families(Vec<(&'static Metric, Vec<Sample>)>);

impl fmt::Debug for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} families", self.0.len())
    }
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (metric, samples) in self.0.iter().filter(|(_, samples)| !samples.is_empty()) {
            let (name, unit) = metric.split_name();
            let sort = match metric.sort {
                Sort::Gauge => MetricType::Gauge,
                Sort::Counter => MetricType::Counter,
                Sort::Info => MetricType::Info,
            };
            let family = encoder.encode_descriptor(name, metric.help, unit.as_ref(), sort)?;
            metric.encode(samples, family)?;
        }
        Ok(())
    }
}

impl Metric {
    /// The name without the endings that the encoders add, and its unit.
    fn split_name(&self) -> (&'static str, Option<Unit>) {
        let cut = |name: &'static str, end| name.strip_suffix(end).unwrap_or(name);
        let name = cut(cut(self.name, "_total"), "_info");
        match (name.strip_suffix("_seconds"), name.strip_suffix("_bytes")) {
            (Some(name), _) => (name, Some(Unit::Seconds)),
            (None, Some(name)) => (name, Some(Unit::Bytes)),
            (None, None) => (name, None),
        }
    }

    fn encode(&self, samples: &[Sample], mut family: MetricEncoder<'_>) -> fmt::Result {
        for Sample { labels, value } in samples {
            let values = labels.iter().map(String::as_str);
            let labels: Vec<_> = self.labels.iter().copied().zip(values).collect();
            match self.sort {
                Sort::Info => family.encode_info(&labels)?,
                Sort::Gauge | Sort::Counter if labels.is_empty() => value.encode(&mut family)?,
                Sort::Gauge | Sort::Counter => value.encode(&mut family.encode_family(&labels)?)?,
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, sample: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Value::Whole(value) => sample.encode_gauge(value),
            Value::Count(value) => sample.encode_counter::<NoExemplar, _, u64>(value, None),
            Value::Seconds(value) => sample.encode_counter::<NoExemplar, _, u64>(value, None),
        }
    }
}
