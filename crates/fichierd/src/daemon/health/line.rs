//! The short forms of the status: one line about everything, and a summary of one cycle.

use std::fmt::Write as _;

use crate::base::Exit;
use crate::base::words::{bytes, count, counted, duration};
use crate::mirror::{CycleEnd, Held};
use crate::status::{CycleSummary, Kind, MirrorState, Status};

/// One line about everything, for `systemctl status`.
pub fn line(status: &Status) -> String {
    let mut degraded = status.degraded.iter();
    if let Some(worst) = degraded.clone().find(|it| it.stops) {
        let mirror = worst.mirror.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let until = worst.next_try.map(|at| format!(" until {}", at.strftime("%H:%M:%SZ")));
        let until = until.filter(|_| worst.kind == Kind::HoldOff).unwrap_or_default();
        let more = match status.degraded.len() {
            1 => String::new(),
            many => format!(" (and {} more, see: fichierd status)", many - 1),
        };
        return format!("{mirror}{}{until}: {}{more}", worst.title, worst.cause);
    }
    let files: u64 = status.mirrors.iter().map(|mirror| mirror.files).sum();
    let is = |state| status.mirrors.iter().any(|mirror| mirror.state == state);
    let verb = match (is(MirrorState::Working), is(MirrorState::Waiting)) {
        (true, _) => "working",
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
    let report = &end.report;
    let restless = end.outcome.unsettled.len() + report.restless.len();
    let outcome = match (&end.trouble, &end.outcome.held) {
        (Some(trouble), _) => trouble.text(name),
        (None, Some(held)) => Held::Removals(*held).text(name),
        (None, None) if restless > 0 => {
            format!("done but for {} that are being written", count(restless as u64))
        }
        (None, None) => "done".to_owned(),
    };
    let kind = match (&end.trouble, &end.outcome.held) {
        (Some(trouble), _) => Some(trouble.kind()),
        (None, Some(_)) => Some(Kind::RemovalsHeld),
        (None, None) if report.problems > 0 || restless > 0 => Some(Kind::Problems),
        (None, None) => None,
    };
    let exit = kind.map_or(Exit::Done, |kind| kind.about().exit.unwrap_or(Exit::Done));
    CycleSummary {
        exit: exit.code(),
        mirror: name.to_owned(),
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
            "`{name}`: {} files sent ({}), {} moved, {} retired, {} calls, {}",
            count(report.uploaded_files),
            bytes(report.uploaded_bytes),
            count(report.relocated + report.moved_folders),
            count(report.retired),
            count(report.calls),
            duration(end.took),
        );
    }
}
