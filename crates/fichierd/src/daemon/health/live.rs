//! The status of the running service, from the records and from what only this process knows.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use tokio::time::Instant;

use super::recorded::{account, at_rest, blank, hold_off_status, mirror_on_record, timestamp};
use super::waiting::{EndOfWait, wait_text};
use crate::base::when;
use crate::base::words::{bytes, counted};
use crate::config::NotifyConfig;
use crate::daemon::Seat;
use crate::daemon::alerts::notified;
use crate::disk::WatchMode;
use crate::mirror::{Shared, Trouble};
use crate::remote::claims;
use crate::status::{MOST_LISTED, MirrorState, MirrorStatus, Status, WatchStatus};

/// The status of the running service.
pub(crate) fn live<'a>(
    shared: &Shared,
    notify: &[NotifyConfig],
    seats: impl Iterator<Item = &'a Seat>,
    paused: bool,
) -> Status {
    let pacer = shared.client.pacer();
    let scale = pacer.time_scale();
    let hold_off = pacer.hold_off();
    let held_until = hold_off.as_ref().map(|hold_off| hold_off.until);
    let mut status = Status {
        running: true,
        paused,
        calls_made: pacer.calls_made(),
        hold_off: hold_off.map(hold_off_status),
        account: shared.state.read(account).unwrap_or_default(),
        notified: shared.state.read(|s| notified(s, notify)).unwrap_or_default(),
        ..Status::default()
    };
    let seats: Vec<&Seat> = seats.collect();
    let wait = pacer.waiting().and_then(|it| wait_text(&it, Instant::now(), EndOfWait::TimeOfDay));
    // All mirrors share the calls, so a wait is that of one mirror only where no other works.
    let is_alone = seats.iter().filter(|seat| seat.is_working()).count() == 1;
    let wait = wait.map(|wait| if is_alone { wait } else { format!("of all calls: {wait}") });
    for seat in seats {
        let recorded = shared.state.read(|s| mirror_on_record(s, &seat.config, scale));
        let mut mirror = recorded.unwrap_or_else(|_| blank(&seat.config));
        for path in seat.unsettled.iter().map(ToString::to_string) {
            if mirror.unsettled.len() < MOST_LISTED && !mirror.unsettled.contains(&path) {
                mirror.unsettled.push(path);
            }
        }
        mirror.watch = watch_status(seat);
        (mirror.state, mirror.what) = if seat.is_working() {
            (MirrorState::Working, work(seat, wait.as_deref()))
        } else {
            state_of(seat, &mirror, paused, held_until)
        };
        let left = shared.state.read(|s| claims::left_to_look_at(s, seat.id)).unwrap_or_default();
        if let (Some(left), None) = (left, &seat.trouble) {
            mirror.what = format!(
                "the state file is older than what is on 1fichier: comparing the whole target \
                 first, {} left",
                counted(left, "folder")
            );
        }
        status.mirrors.push(mirror);
    }
    status
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
        WatchMode::Absent { reason } => ("off", Some(reason)),
    };
    WatchStatus { mode: mode.to_owned(), watched: health.watched_folders, advice }
}

/// What a mirror does whose cycle or chores are under way, and what it waits for.
fn work(seat: &Seat, wait: Option<&str>) -> String {
    let sent = seat.sent_bytes.load(Ordering::Relaxed);
    let sent = if sent > 0 { format!(", {} sent", bytes(sent)) } else { String::new() };
    let wait = wait.map(|wait| format!("; {wait}")).unwrap_or_default();
    format!("working{sent}{wait}")
}

/// The state of a mirror between its cycles.
fn state_of(
    seat: &Seat,
    mirror: &MirrorStatus,
    paused: bool,
    held_until: Option<SystemTime>,
) -> (MirrorState, String) {
    match (&seat.trouble, &mirror.held) {
        (Some(Trouble::Held(held)), _) => (MirrorState::Held, held.text(&mirror.name)),
        (Some(Trouble::HeldOff(until, why, _)), _) => {
            // Only the pacer knows the end after a refusal that is one of several.
            let until = held_until.unwrap_or(*until);
            (
                MirrorState::Waiting,
                format!("{why}; nothing is sent until {}", when::clock(timestamp(until))),
            )
        }
        (Some(Trouble::Unreachable(why) | Trouble::Unanswered(why) | Trouble::Failing(why)), _) => {
            (MirrorState::Waiting, why.clone())
        }
        (
            Some(trouble @ (Trouble::Refused(_) | Trouble::OtherAccount(_) | Trouble::NoState(_))),
            _,
        ) => (MirrorState::Problem, trouble.text(&mirror.name)),
        (None, Some(held)) => (MirrorState::Held, held.reason.clone()),
        (None, None) => {
            let (state, what) = at_rest(mirror, paused);
            if state == MirrorState::Idle && !seat.dirty.is_empty() {
                (MirrorState::Waiting, "waiting until changes have settled".to_owned())
            } else {
                (state, what)
            }
        }
    }
}
