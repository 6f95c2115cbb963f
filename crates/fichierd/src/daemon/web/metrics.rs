//! Every metric that there is: a closed list, with the function that takes its values out of the
//! status.
//!
//! Pure. Names, kinds and help texts are constants: node_exporter drops a family that two files
//! describe differently, so they are the same for every version and every mirror. What is not known
//! has no sample, and never the value 0. Labels have few values, and none of them is a path, a link,
//! the name of an account or the text of an error.
//!
//! docs/operations.md shows the same table; a test compares them.

mod of_account;
mod of_mirrors;
mod of_process;

use jiff::Timestamp;

use crate::status::Status;

/// A metric: what is always the same about it, and where its values come from.
pub(crate) struct Metric {
    /// Its name, with its unit, as it is asked for.
    pub(crate) name: &'static str,
    /// Whether it only grows.
    pub(crate) sort: Sort,
    /// A sentence for people.
    pub(crate) help: &'static str,
    /// The names of its labels.
    pub(crate) labels: &'static [&'static str],
    /// Its samples in a status, as it was at that time.
    pub(crate) samples: fn(&Status, Timestamp) -> Vec<Sample>,
}

/// The sorts of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A number that goes up and down.
    Gauge,
    /// A number that only grows, and begins at 0 with each start.
    Counter,
    /// A constant 1, whose labels tell something.
    Info,
}

/// A value, and the values of the labels in the order of [`Metric::labels`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

/// A value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Whole(i64),
    Count(u64),
    Seconds(f64),
}

/// All metrics, in the order in which they are told.
pub(crate) fn all() -> impl Iterator<Item = &'static Metric> {
    of_process::METRICS.iter().chain(of_account::METRICS).chain(of_mirrors::METRICS)
}

impl Sample {
    fn new(labels: &[&str], value: Value) -> Sample {
        Sample { labels: labels.iter().map(|&label| label.to_owned()).collect(), value }
    }

    /// A number that is not below zero.
    fn whole(labels: &[&str], value: u64) -> Sample {
        Sample::new(labels, Value::Whole(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn flag(labels: &[&str], is: bool) -> Sample {
        Sample::whole(labels, u64::from(is))
    }

    fn count(labels: &[&str], value: u64) -> Sample {
        Sample::new(labels, Value::Count(value))
    }

    /// A point in time, in seconds since 1970.
    fn time(labels: &[&str], at: Timestamp) -> Sample {
        Sample::new(labels, Value::Whole(at.as_second()))
    }
}
