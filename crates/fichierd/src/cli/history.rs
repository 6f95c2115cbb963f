//! `fichierd history`: what the cycles of the mirrors did, newest first.

use std::time::Duration;

use clap::Args;
use fichier_state::Cycle;
use jiff::Timestamp;
use serde::Serialize;

use super::output;
use super::past::Recorded;
use crate::base::words::{bytes, count, duration};
use crate::base::{Exit, when};
use crate::config::Config;

#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    /// Name of the mirror
    mirror: String,
    /// How many cycles; the last 1,000 are kept
    #[arg(short = 'n', long, default_value_t = 20, value_name = "COUNT")]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    mirror: String,
    cycles: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    started: Timestamp,
    ended: Timestamp,
    outcome: String,
    looked_at: u64,
    uploaded_files: u64,
    uploaded_bytes: u64,
    relocated: u64,
    copied: u64,
    retired: u64,
    problems: u64,
    calls: u64,
}

pub(crate) fn run(args: &HistoryArgs, config: &Config) -> anyhow::Result<Exit> {
    let recorded = Recorded::open(config, &args.mirror)?;
    let cycles = recorded.store.cycles(Some(recorded.mirror.id), args.limit)?;
    let rows: Vec<Row> = cycles.into_iter().map(Row::of).collect();
    if args.json {
        let schema = "fichierd.history/1";
        output::json(&Document { schema, mirror: args.mirror.clone(), cycles: rows })?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        output::line("no cycle has changed anything yet")?;
    }
    for row in rows {
        output::line(&row.text())?;
    }
    Ok(Exit::Done)
}

impl Row {
    fn of(cycle: Cycle) -> Row {
        let time = |at_s| Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH);
        Row {
            started: time(cycle.started_s),
            ended: time(cycle.ended_s),
            outcome: cycle.outcome,
            looked_at: cycle.looked_at,
            uploaded_files: cycle.uploaded_files,
            uploaded_bytes: cycle.uploaded_bytes,
            relocated: cycle.relocated,
            copied: cycle.copied,
            retired: cycle.retired,
            problems: cycle.problems,
            calls: cycle.calls,
        }
    }

    fn text(&self) -> String {
        let sent = format!("sent ({})", bytes(self.uploaded_bytes));
        let parts = [
            (self.uploaded_files, &*sent),
            (self.relocated, "moved"),
            (self.copied, "copied"),
            (self.retired, "to the versions"),
            (self.problems, if self.problems == 1 { "with a problem" } else { "with problems" }),
            (self.calls, if self.calls == 1 { "call" } else { "calls" }),
        ];
        let did: Vec<String> = parts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{} {what}", count(number)))
            .collect();
        let did = did.join(", ");
        let seconds = self.ended.duration_since(self.started).as_secs();
        let took = duration(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        let ended = when::shown(self.ended.as_second());
        let colon = if did.is_empty() { "" } else { ": " };
        format!("{ended}  {}{colon}{did}; {took}", self.outcome)
    }
}
