//! The log: where its lines go, and their form.
//!
//! A terminal gets short coloured lines. The journal (`$JOURNAL_STREAM` names our stderr) gets
//! fields of its own, so that `journalctl -u fichierd MIRROR=photos` works. A pipe gets the
//! terminal's lines without colour and with the date. On request each line is a JSON object. Lines
//! for people bear local time with its zone, as their sentences do; JSON bears UTC.
//!
//! Below `warn`, only lines of our own crates are logged: the libraries' debug lines show
//! addresses, and the address of a download is a secret (invariant I10). For the same reason
//! `RUST_LOG` has no effect.

use std::fmt;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;

use clap::ValueEnum;
use jiff::Timestamp;
use tracing::Level;
use tracing::field::Field;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::base::when;

/// Our crates, whose lines are logged at the level that was asked for.
const OURS: [&str; 4] = ["fichierd", "fichier_api", "fichier_state", "fichier_emulator"];

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Data is not safe.
    Error,
    /// Will be tried again, and may need a look.
    Warn,
    /// Start, stop, and a summary of each cycle.
    Info,
    /// Every file.
    Debug,
    /// Every call.
    Trace,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// Sets up the log of the process, once. If `format` is `None`, it goes to the journal if systemd
/// started us, else it is text.
///
/// # Errors
///
/// An error if a log was set up before.
pub fn start(level: LogLevel, format: Option<LogFormat>) -> anyhow::Result<()> {
    let layer = layer(format);
    tracing_subscriber::registry().with(layer.with_filter(filter(level))).try_init()?;
    Ok(())
}

fn layer(format: Option<LogFormat>) -> Box<dyn Layer<Registry> + Send + Sync> {
    match format {
        Some(LogFormat::Json) => Box::new(
            tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_timer(Utc)
                .with_writer(io::stderr),
        ),
        None if stderr_is_the_journal() => match tracing_journald::layer() {
            Ok(journal) => {
                let priorities = PriorityMappings {
                    info: Priority::Informational,
                    debug: Priority::Debug,
                    ..PriorityMappings::new()
                };
                Box::new(journal.with_field_prefix(None).with_priority_mappings(priorities))
            }
            Err(_) => text(),
        },
        None | Some(LogFormat::Text) => text(),
    }
}

fn text() -> Box<dyn Layer<Registry> + Send + Sync> {
    let terminal = io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(debug_fn(sentence_alone))
        .with_ansi(colour)
        .with_target(false)
        .compact()
        .with_timer(Local { date: !terminal })
        .with_writer(io::stderr);
    Box::new(lines)
}

/// Writes the sentence of an event. It names every fact that a person needs; the fields beside it
/// are for the journal and for JSON.
fn sentence_alone(to: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() == "message" { write!(to, "{value:?}") } else { Ok(()) }
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let others = LevelFilter::from_level(level.min(Level::WARN));
    Targets::new()
        .with_default(others)
        // `notify` warns of each folder that is deleted while it is watched, which does no harm. A
        // real failure comes back as an error, and `watch` tells it.
        .with_target("notify", LevelFilter::ERROR)
        .with_targets(OURS.map(|ours| (ours, level)))
}

/// Whether stderr goes to the journal: `$JOURNAL_STREAM` is its `device:inode`.
fn stderr_is_the_journal() -> bool {
    let Ok(journal) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    journal == format!("{}:{}", stderr.dev(), stderr.ino())
}

/// The date and time in UTC.
#[derive(Clone, Copy)]
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        write!(to, "{}", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// The time of this machine's time zone, with the date if `date` is set.
#[derive(Clone, Copy)]
struct Local {
    date: bool,
}

impl FormatTime for Local {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        let now = Timestamp::now();
        write!(to, "{}", if self.date { when::logged(now) } else { when::clock(now) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stay_quiet_whatever_level_is_asked_for() {
        let filter = filter(LogLevel::Trace);
        assert!(filter.would_enable("fichier_api::transport", &Level::TRACE));
        assert!(!filter.would_enable("hyper::client", &Level::DEBUG));
        assert!(filter.would_enable("hyper::client", &Level::WARN));
    }

    #[test]
    fn deleted_folders_are_not_warned_of() {
        let filter = filter(LogLevel::Info);
        assert!(!filter.would_enable("notify::inotify", &Level::WARN));
        assert!(filter.would_enable("notify::inotify", &Level::ERROR));
    }

    #[test]
    fn a_higher_level_holds_for_everybody() {
        let filter = filter(LogLevel::Error);
        assert!(!filter.would_enable("fichierd::daemon", &Level::WARN));
        assert!(!filter.would_enable("hyper::client", &Level::WARN));
        assert!(filter.would_enable("hyper::client", &Level::ERROR));
    }
}
