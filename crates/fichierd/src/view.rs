//! What the service, or a command beside it, tells about the mirrors.

mod proofs;

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use fichier_api::HoldOff;
use fichier_state::{Clock, Mirror, Store};
use jiff::Timestamp;

use crate::config::MirrorConfig;
use crate::daemon::Seat;
use crate::degraded::{self, Kind};
use crate::exit::Exit;
use crate::fence;
use crate::mirror::{CycleEnd, Shared, Trouble};
use crate::recovering;
use crate::status::{
    CycleSummary, HeldStatus, HoldOffStatus, MOST_LISTED, MirrorState, MirrorStatus, ProblemStatus,
    ProofsStatus, SCHEMA, Status, WatchStatus, bytes, count, counted, duration,
};
use crate::watch::WatchMode;

/// The status of the running service.
pub(crate) fn live<'a>(
    shared: &Shared,
    seats: impl Iterator<Item = &'a Seat>,
    paused: bool,
) -> Status {
    let mut status = empty(true, paused);
    status.calls_made = shared.client.pacer().calls_made();
    status.hold_off = shared.client.pacer().hold_off().map(hold_off_status);
    status.account = shared.state.read(proofs::account).unwrap_or_default();
    for seat in seats {
        let recorded = shared.state.read(|s| mirror_on_record(s, &seat.config));
        let mut mirror = recorded.unwrap_or_else(|_| blank(&seat.config));
        for path in seat.unsettled.iter().map(ToString::to_string) {
            if mirror.unsettled.len() < MOST_LISTED && !mirror.unsettled.contains(&path) {
                mirror.unsettled.push(path);
            }
        }
        mirror.watch = watch_status(seat);
        (mirror.state, mirror.what) = state_of(seat, &mirror, paused);
        let left = shared.state.read(|s| fence::left_to_look_at(s, seat.id)).unwrap_or_default();
        if let (Some(left), None) = (left, &seat.trouble) {
            mirror.what = format!(
                "the state file is older than what is on 1fichier: comparing the whole target \
                 first, {} folders left",
                count(left)
            );
        }
        status.mirrors.push(mirror);
    }
    status
}

/// The status as the state file tells it, while no service runs.
///
/// # Errors
///
/// The state file's.
pub fn at_rest(
    store: &Store,
    mirrors: &[MirrorConfig],
    hold_off: Option<HoldOffStatus>,
) -> Result<Status, fichier_state::Error> {
    let mut status = empty(false, store.paused()?);
    status.hold_off = hold_off;
    status.account = proofs::account(store)?;
    for config in mirrors {
        let mut mirror = mirror_on_record(store, config)?;
        (mirror.state, mirror.what) = match (&mirror.held, mirror.last_success) {
            (Some(held), _) => (MirrorState::Held, held.reason.clone()),
            (None, None) => (MirrorState::Never, "not mirrored yet".to_owned()),
            (None, Some(_)) => (MirrorState::Idle, "the service is not running".to_owned()),
        };
        status.mirrors.push(mirror);
    }
    let remembered = degraded::remembered(store);
    status.degraded = degraded::at_rest(&status, &remembered, store.clock().now_s());
    Ok(status)
}

/// The status of mirrors that nothing is on record of.
pub fn never(mirrors: &[MirrorConfig], hold_off: Option<HoldOffStatus>) -> Status {
    let mut status = empty(false, false);
    status.hold_off = hold_off;
    status.mirrors = mirrors.iter().map(blank).collect();
    status.degraded = degraded::at_rest(&status, &[], Clock::default().now_s());
    status
}

fn empty(running: bool, paused: bool) -> Status {
    Status {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        running,
        paused,
        hold_off: None,
        account: None,
        calls_made: 0,
        mirrors: Vec::new(),
        degraded: Vec::new(),
    }
}

fn blank(config: &MirrorConfig) -> MirrorStatus {
    MirrorStatus {
        name: config.name.clone(),
        source: config.source.clone(),
        target: config.target.clone(),
        state: MirrorState::Never,
        what: "not mirrored yet".to_owned(),
        held: None,
        last_success: None,
        last_success_age_s: None,
        files: 0,
        bytes: 0,
        pending_files: 0,
        pending_bytes: 0,
        unmanaged: 0,
        foreign: 0,
        unsettled: Vec::new(),
        versions_files: 0,
        versions_bytes: 0,
        problems: Vec::new(),
        problem_count: 0,
        watch: WatchStatus { mode: "off".to_owned(), watched: 0, advice: None },
        history_from: None,
        audit: None,
        removals_wait: false,
        proofs: ProofsStatus::default(),
        snapshot: None,
        replaced_in_24_h: 0,
        quota_warning: None,
    }
}

fn mirror_on_record(
    store: &Store,
    config: &MirrorConfig,
) -> Result<MirrorStatus, fichier_state::Error> {
    let mut status = blank(config);
    let Some(row) = store.mirror(&config.name, &config.target)? else { return Ok(status) };
    let totals = store.totals(row.id)?;
    let (versions_files, versions_bytes) = store.version_totals(row.id)?;
    let uploads = store.uploads(row.id)?;
    let pending = uploads.iter().flat_map(|upload| &upload.files);
    let problems = store.problems(Some(row.id))?;
    status.held = held_status(&row, store.clock().now_s());
    status.removals_wait = recovering::holds_removals(store, row.id)?;
    status.last_success = row.last_success_s.and_then(|at| Timestamp::from_second(at).ok());
    status.last_success_age_s =
        row.last_success_s.map(|at| u64::try_from(store.clock().now_s() - at).unwrap_or(0));
    status.files = totals.files;
    status.bytes = totals.bytes;
    status.pending_files = pending.clone().count() as u64;
    status.pending_bytes = pending.map(|file| file.size_bytes).sum();
    status.unmanaged = totals.unmanaged_files;
    status.foreign = totals.foreign;
    let unsettled = store.unsettled(row.id, u32::try_from(MOST_LISTED).unwrap_or(u32::MAX))?;
    status.unsettled = unsettled.iter().map(ToString::to_string).collect();
    status.versions_files = versions_files;
    status.versions_bytes = versions_bytes;
    let a_day_ago_s = store.clock().now_s() - 24 * 3600;
    status.replaced_in_24_h = store.replaced_since(row.id, a_day_ago_s)?;
    status.problem_count = problems.len() as u64;
    status.problems = problems
        .into_iter()
        .take(MOST_LISTED)
        .map(|problem| ProblemStatus {
            path: problem.path.to_string(),
            what: problem.what,
            hint: problem.hint,
            tries: problem.tries,
            next_try: Timestamp::from_second(problem.next_try_s).ok(),
        })
        .collect();
    proofs::add(&mut status, store, &row, config)?;
    Ok(status)
}

fn held_status(row: &Mirror, now_s: i64) -> Option<HeldStatus> {
    let reason = row.held.clone()?;
    // The number leads the text of held removals; other reasons have none.
    let removals = reason.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let since = row.last_success_s.unwrap_or(now_s);
    let since = Timestamp::from_second(since).unwrap_or(Timestamp::UNIX_EPOCH);
    Some(HeldStatus { reason, removals, since })
}

fn watch_status(seat: &Seat) -> WatchStatus {
    let Some(watch) = &seat.watch else {
        return WatchStatus { mode: "off".to_owned(), watched: 0, advice: None };
    };
    let health = watch.health();
    let (mode, advice) = match health.mode {
        WatchMode::Watching => ("watching", None),
        WatchMode::Partly { advice } => ("partly", Some(advice)),
        WatchMode::Polling { reason } => ("polling", Some(reason)),
    };
    WatchStatus { mode: mode.to_owned(), watched: health.watched_folders, advice }
}

fn state_of(seat: &Seat, mirror: &MirrorStatus, paused: bool) -> (MirrorState, String) {
    if seat.is_working() {
        let sent = seat.sent_bytes.load(Ordering::Relaxed);
        let what =
            if sent > 0 { format!("working, {} sent", bytes(sent)) } else { "working".to_owned() };
        return (MirrorState::Working, what);
    }
    match (&seat.trouble, &mirror.held) {
        (Some(Trouble::Held(why)), _) => (MirrorState::Held, why.text.clone()),
        (Some(Trouble::HeldOff(until, why)), _) => {
            (MirrorState::Waiting, format!("{why}; nothing is sent until {}", clock(*until)))
        }
        (Some(Trouble::Unreachable(why)), _) => (MirrorState::Waiting, why.clone()),
        (
            Some(trouble @ (Trouble::Refused(_) | Trouble::OtherAccount(_) | Trouble::NoState(_))),
            _,
        ) => (MirrorState::Problem, trouble.text().to_owned()),
        (None, Some(held)) => (MirrorState::Held, held.reason.clone()),
        (None, None) if paused => (MirrorState::Waiting, "paused".to_owned()),
        (None, None) if mirror.last_success.is_none() => {
            (MirrorState::Never, "not mirrored yet".to_owned())
        }
        (None, None) if !seat.dirty.is_empty() => {
            (MirrorState::Waiting, "waiting until changes have come to rest".to_owned())
        }
        (None, None) => (MirrorState::Idle, "up to date".to_owned()),
    }
}

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
        (false, true) => "waiting until changes have come to rest",
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

/// What a cycle did, for `sync` and the control socket.
pub fn summary(name: &str, end: &CycleEnd) -> CycleSummary {
    let report = &end.report;
    let restless = end.outcome.unsettled.len() + report.restless.len();
    let outcome = match (&end.trouble, &end.outcome.held) {
        (Some(trouble), _) => trouble.text().to_owned(),
        (None, Some(held)) => held.text(name),
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

/// One line in the journal for a cycle that did something. That it could not, and waits, is told
/// by [`crate::degraded`].
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

/// Until when nothing is sent, and why.
pub fn hold_off_status(hold_off: HoldOff) -> HoldOffStatus {
    HoldOffStatus { until: timestamp(hold_off.until), reason: hold_off.reason }
}

fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn clock(at: SystemTime) -> String {
    let at = timestamp(at).to_zoned(jiff::tz::TimeZone::system());
    at.strftime("%H:%M:%S").to_string()
}
