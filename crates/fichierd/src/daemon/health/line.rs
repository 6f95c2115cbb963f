//! The short forms of the status: one line about everything, and a summary of one cycle.

use std::fmt::Write as _;

use crate::base::words::{bytes, count, counted, duration};
use crate::base::{Exit, when};
use crate::mirror::{CycleEnd, Held};
use crate::status::{CycleSummary, Kind, MirrorState, Status};

/// One line about everything, for `systemctl status`.
pub fn line(status: &Status) -> String {
    let mut degraded = status.degraded.iter();
    if let Some(worst) = degraded.clone().find(|it| it.stops) {
        let mirror = worst.mirror.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let until = worst.next_try.map(|at| format!(" until {}", when::clock(at)));
        let until = until.filter(|_| worst.kind == Kind::HoldOff).unwrap_or_default();
        let more = match status.degraded.len() {
            1 => String::new(),
            many => format!(" (and {} more, see: fichierd status)", many - 1),
        };
        return format!("{mirror}{}{until}: {}{more}", worst.title, worst.cause);
    }
    let files: u64 = status.mirrors.iter().map(|mirror| mirror.files).sum();
    let is = |state| status.mirrors.iter().any(|mirror| mirror.state == state);
    let is_open = status.mirrors.iter().any(|it| it.state == MirrorState::Waiting && !it.complete);
    let verb = match (is(MirrorState::Working), is(MirrorState::Waiting)) {
        (true, _) => "working",
        (false, true) if is_open => "not complete yet",
        (false, true) => "waiting until changes have settled",
        (false, false) => "idle",
    };
    let mut line = format!("{verb} · {} safe", counted(files, "file"));
    if let Some(first) = degraded.next() {
        let mirror = first.mirror.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let _ok = write!(line, " · {mirror}{}", first.title);
    }
    let more = degraded.count();
    if more > 0 {
        let _ok = write!(line, " (and {more} more, see: fichierd status)");
    }
    line
}

/// The summary of a cycle, for `sync` and the control socket.
pub fn summary(name: &str, end: &CycleEnd) -> CycleSummary {
    let (report, completeness) = (&end.report, &end.completeness);
    let open = completeness.open().map(|open| format!("not complete: {open}"));
    let held = end.outcome.held.map(|held| Held::Removals(held).text(name));
    let outcome = match (&end.trouble, open, held) {
        (Some(trouble), _, _) => trouble.text(name),
        (None, Some(open), Some(held)) => format!("{open}; {held}"),
        (None, Some(text), None) | (None, None, Some(text)) => text,
        (None, None, None) => match completeness.by_size() {
            Some(by_size) => format!("done; {by_size}"),
            None => "done".to_owned(),
        },
    };
    let exit = match (&end.trouble, &end.outcome.held) {
        (Some(trouble), _) => trouble.exit(),
        (None, Some(_)) => Exit::worst([completeness.exit(), Exit::Held]),
        (None, None) => completeness.exit(),
    };
    CycleSummary {
        exit: exit.code(),
        mirror: name.to_owned(),
        complete: end.trouble.is_none() && completeness.is_complete(),
        outcome,
        uploaded_files: report.uploaded_files,
        uploaded_bytes: report.uploaded_bytes,
        relocated: report.relocated + report.moved_folders,
        copied: report.copied,
        retired: report.retired,
        adopted: report.adopted,
        held_removals: end.outcome.held.as_ref().map_or(0, |held| held.removals),
        problems: report.problems,
        calls: report.calls,
        seconds: end.took.as_secs_f64(),
    }
}

/// Writes one line to the journal for a cycle that changed something. A cycle that failed is told
/// as a degraded state instead.
pub(crate) fn log_end(name: &str, end: &CycleEnd) {
    let report = &end.report;
    if report.changed_something() {
        tracing::info!(
            mirror = name,
            uploaded_files = report.uploaded_files,
            uploaded_bytes = report.uploaded_bytes,
            relocated = report.relocated + report.moved_folders,
            copied = report.copied,
            adopted = report.adopted,
            retired = report.retired,
            problems = report.problems,
            calls = report.calls,
            "`{name}`: {} sent ({}), {} moved, {} retired, {}, {}",
            counted(report.uploaded_files, "file"),
            bytes(report.uploaded_bytes),
            count(report.relocated + report.moved_folders),
            count(report.retired),
            counted(report.calls, "call"),
            duration(end.took),
        );
    }
}
