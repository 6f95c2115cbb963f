//! What is told, and how often: the pure parts, over hours of a status.

use std::time::Duration;

use jiff::Timestamp;

use super::judge::{Look, Memory, judge};
use super::message::{Message, What};
use super::outbox::Outbox;
use super::wire::Outcome;
use crate::config::notify::AddressSource;
use crate::config::{NotifyConfig, NotifyKind, Topic};
use crate::status::{DegradedStatus, Kind, MirrorState, MirrorStatus, Status, Weight};

const NOW: i64 = 1_763_900_000;
const MIN: i64 = 60;
const HOUR: i64 = 3600;

pub(super) fn receiver(kind: NotifyKind) -> NotifyConfig {
    NotifyConfig {
        name: "hc".to_owned(),
        kind,
        url: AddressSource::Here("https://hc.test/uuid".to_owned().into()),
        token: None,
        mirrors: Vec::new(),
        on: vec![Topic::Stopped, Topic::Held, Topic::Overdue, Topic::Over],
        after: Duration::from_secs(900),
        remind: Some(Duration::from_secs(24 * 3600)),
        every: Duration::from_secs(600),
        paths: false,
        ca_file: None,
    }
}

/// A mirror that was complete a minute before, in these states since then.
fn status(now_s: i64, states: &[(Kind, i64)]) -> Status {
    let entry = |&(kind, since_s): &(Kind, i64)| {
        let about = kind.about();
        let is_of_mirror = about.scope == crate::status::Scope::Mirror;
        DegradedStatus {
            kind,
            mirror: is_of_mirror.then(|| "photos".to_owned()),
            title: about.title.to_owned(),
            cause: "/srv/secret/path is the cause".to_owned(),
            what_to_do: kind.what_to_do(Some("photos")),
            stops: about.weight == Weight::Stops,
            since: Timestamp::from_second(since_s).ok(),
            since_age_s: u64::try_from(now_s - since_s).ok(),
            next_try: None,
        }
    };
    let mirror = MirrorStatus {
        name: "photos".to_owned(),
        state: MirrorState::Idle,
        complete: states.is_empty(),
        last_success: Timestamp::from_second(now_s - 60).ok().filter(|_| states.is_empty()),
        last_success_age_s: Some(60),
        files: 1_204,
        bytes: 1 << 30,
        ..MirrorStatus::default()
    };
    let mut status = Status { running: true, mirrors: vec![mirror], ..Status::default() };
    status.set_degraded(states.iter().map(entry).collect());
    status
}

/// Looks each half minute from `NOW` on for so many hours; `states` tells the states at a time.
/// Returns the messages.
fn over(
    receiver: &NotifyConfig,
    hours: i64,
    states: impl Fn(i64) -> Vec<(Kind, i64)>,
) -> Vec<Message> {
    let (mut memory, mut told, mut number) = (Memory::default(), Vec::new(), 0);
    for now_s in (NOW..NOW + hours * HOUR).step_by(30) {
        let status = status(now_s, &states(now_s));
        let look = Look { now_s, scale: 1 };
        told.extend(judge(&mut memory, receiver, &status, look, || {
            number += 1;
            number.to_string()
        }));
    }
    told
}

fn kinds(messages: &[Message]) -> Vec<(What, i64)> {
    messages.iter().map(|it| (it.what, it.at_s - NOW)).collect()
}

/// Webhooks are told of states only.
fn hook() -> NotifyConfig {
    receiver(NotifyKind::Webhook)
}

#[test]
fn a_state_is_told_once_when_it_has_lasted_and_once_when_it_has_been_gone() {
    let told = over(&hook(), 6, |now_s| {
        let is_on = (NOW..NOW + 2 * HOUR).contains(&now_s);
        if is_on { vec![(Kind::SourceMissing, NOW)] } else { Vec::new() }
    });
    assert_eq!(kinds(&told), [(What::Begins, 15 * MIN), (What::Over, 2 * HOUR + 15 * MIN)]);
    assert_eq!(told[0].title, "fichierd: photos: the source is missing");
    assert_eq!(told[1].title, "fichierd: ended: photos: the source is missing");
}

#[test]
fn a_state_that_passes_is_not_told() {
    let told = over(&hook(), 6, |now_s| {
        if now_s < NOW + 14 * MIN { vec![(Kind::Unreachable, NOW)] } else { Vec::new() }
    });
    assert_eq!(told, []);
}

#[test]
fn a_state_that_lasts_is_told_again_each_day() {
    let told = over(&hook(), 50, |_| vec![(Kind::KeyRefused, NOW - HOUR)]);
    let day = 24 * HOUR;
    assert_eq!(kinds(&told), [(What::Begins, 0), (What::LastsOn, day), (What::LastsOn, 2 * day)]);
    let never = NotifyConfig { remind: None, ..hook() };
    assert_eq!(over(&never, 50, |_| vec![(Kind::KeyRefused, NOW - HOUR)]).len(), 1);
}

/// Each way to flap within a day and a half: what is there and what is not, in minutes.
#[test]
fn a_day_of_a_flapping_network_is_told_twice_at_most() {
    let away = [Kind::Unreachable, Kind::Failing, Kind::HoldOff];
    for (on, off) in [(1, 1), (10, 5), (20, 20), (16, 40), (90, 17), (120, 120), (200, 230)] {
        for kind in [HookOr::Hook, HookOr::Pinged] {
            let receiver = kind.receiver();
            let told = over(&receiver, 24, |now_s| {
                let (period, at) = ((on + off) * MIN, now_s - NOW);
                let turn = at / period;
                let begin = NOW + turn * period;
                let state = away[usize::try_from(turn).unwrap() % away.len()];
                if at % period < on * MIN { vec![(state, begin)] } else { Vec::new() }
            });
            let told: Vec<_> = told.iter().filter(|it| it.what != What::Safe).collect();
            assert!(told.len() <= 2, "{on} min there, {off} min not: {told:#?}");
        }
    }
}

enum HookOr {
    Hook,
    Pinged,
}

impl HookOr {
    fn receiver(&self) -> NotifyConfig {
        match self {
            HookOr::Hook => hook(),
            HookOr::Pinged => receiver(NotifyKind::Healthchecks),
        }
    }
}

#[test]
fn noise_of_one_cause_hides_no_other() {
    let told = over(&hook(), 24, |now_s| {
        let turn = (now_s - NOW) / (20 * MIN);
        let mut states = Vec::new();
        if turn % 2 == 0 {
            states.push((Kind::Unreachable, NOW + turn * 20 * MIN));
        }
        if now_s >= NOW + 10 * HOUR {
            states.push((Kind::RemovalsHeld, NOW + 10 * HOUR));
        }
        states
    });
    let held = |it: &&Message| it.about.as_ref().is_some_and(|told| told.state == "removals_held");
    let held: Vec<_> = told.iter().filter(held).map(|it| (it.what, it.at_s - NOW)).collect();
    assert_eq!(held, [(What::Begins, 10 * HOUR + 15 * MIN)]);
}

#[test]
fn a_pinged_receiver_hears_of_safety_each_ten_minutes_and_then_silence() {
    let pinged = receiver(NotifyKind::Healthchecks);
    let told = over(&pinged, 3, |now_s| {
        let is_on = (NOW + HOUR..NOW + 2 * HOUR).contains(&now_s);
        if is_on { vec![(Kind::SourceMissing, NOW + HOUR)] } else { Vec::new() }
    });
    let of = |what| {
        let of: Vec<i64> = kinds(&told).iter().filter(|it| it.0 == what).map(|it| it.1).collect();
        of
    };
    assert_eq!(of(What::Begins), [HOUR + 15 * MIN]);
    let safe = of(What::Safe);
    assert_eq!(safe[..7], [0, 600, 1200, 1800, 2400, 3000, 7200], "at once when it has ended");
    assert!(safe[7..].windows(2).all(|it| it[1] - it[0] == 600), "{safe:?}");
}

#[test]
fn nothing_is_pinged_while_a_mirror_is_not_complete_paused_or_degraded_beyond_use() {
    let pinged = receiver(NotifyKind::UptimeKuma);
    let ping = |change: fn(&mut Status)| {
        let mut safe = status(NOW, &[]);
        change(&mut safe);
        let look = Look { now_s: NOW, scale: 1 };
        !judge(&mut Memory::default(), &pinged, &safe, look, String::new).is_empty()
    };
    assert!(ping(|_| {}));
    assert!(!ping(|status| status.paused = true));
    assert!(!ping(|status| status.mirrors.clear()));
    assert!(!ping(|status| {
        status.mirrors[0].complete = false;
        status.mirrors[0].last_success = None;
    }));
    // What is being sent again and again is pinged when it was complete in between.
    assert!(ping(|status| status.mirrors[0].complete = false));
    assert!(!ping(|status| {
        status.mirrors[0].complete = false;
        status.mirrors[0].problem_count = 1;
    }));
    let title = |is_complete| {
        let mut status = status(NOW, &[]);
        status.mirrors[0].complete = is_complete;
        let look = Look { now_s: NOW, scale: 1 };
        judge(&mut Memory::default(), &pinged, &status, look, String::new).remove(0).title
    };
    assert_eq!(title(true), "fichierd: everything is safe");
    assert_eq!(title(false), "fichierd: was complete a moment ago, and sends changes");
    for &kind in Kind::ALL {
        let mut memory = Memory::default();
        let mut status = status(NOW, &[(kind, NOW)]);
        status.mirrors[0].complete = true;
        status.mirrors[0].last_success = Timestamp::from_second(NOW).ok();
        let look = Look { now_s: NOW, scale: 1 };
        let told = judge(&mut memory, &pinged, &status, look, String::new);
        let about = kind.about();
        let is_bad = about.weight == Weight::Stops
            || about.alarms
            || about.exit == Some(crate::base::Exit::Held)
            || kind == Kind::Overdue;
        let is_pinged = told.iter().any(|it| it.what == What::Safe);
        assert_eq!(is_pinged, !is_bad, "{kind:?}");
    }
}

#[test]
fn what_is_told_names_no_file_unless_it_may() {
    let mut receiver = hook();
    let states = |_| vec![(Kind::SourceMissing, NOW - HOUR)];
    let told = over(&receiver, 1, states);
    assert!(!told[0].text.contains("/srv/") && told[0].text.contains("what to do: "));
    assert!(told[0].text.contains("photos: 1,204 files safe (1.00 GiB), complete 1 min ago"));
    receiver.paths = true;
    assert!(over(&receiver, 1, states)[0].text.contains("cause: /srv/secret/path is the cause"));
}

#[test]
fn a_receiver_of_one_mirror_hears_of_that_and_of_the_service() {
    let other = NotifyConfig { mirrors: vec!["music".to_owned()], ..hook() };
    assert_eq!(over(&other, 1, |_| vec![(Kind::SourceMissing, NOW - HOUR)]), []);
    assert_eq!(over(&other, 1, |_| vec![(Kind::KeyRefused, NOW - HOUR)]).len(), 1);
}

fn queued(outbox: &Outbox, now_s: i64) -> Option<String> {
    outbox.next(now_s, 1).map(|message| message.id.clone())
}

#[test]
fn a_message_that_does_not_arrive_is_sent_again_more_and_more_seldom() {
    let mut outbox = Outbox::default();
    outbox.push(over(&hook(), 1, |_| vec![(Kind::KeyRefused, NOW - HOUR)]));
    let later = || Outcome::Later { why: "HTTP 503".to_owned(), wait: None };
    let (mut now_s, mut waits) = (NOW, Vec::new());
    for _ in 0..12 {
        let id = queued(&outbox, now_s).unwrap();
        outbox.after(&id, later(), now_s, 1);
        let began_s = now_s;
        while queued(&outbox, now_s).is_none() {
            now_s += 1;
        }
        waits.push(now_s - began_s);
    }
    assert_eq!(waits[..5], [5, 10, 20, 40, 80]);
    assert_eq!(waits.last(), Some(&3600));
    assert_eq!(outbox.trouble(), Some("HTTP 503"));
    outbox.after("1", Outcome::Delivered, now_s, 1);
    assert_eq!((outbox.trouble(), outbox.waiting(), outbox.told_s), (None, 0, Some(now_s)));
}

#[test]
fn one_failure_is_no_trouble_yet_and_a_refusal_is() {
    let messages = || over(&hook(), 1, |_| vec![(Kind::KeyRefused, NOW - HOUR)]);
    let mut outbox = Outbox::default();
    outbox.push(messages());
    outbox.after("1", Outcome::Later { why: "away".to_owned(), wait: None }, NOW, 1);
    assert_eq!(outbox.trouble(), None);
    let mut outbox = Outbox::default();
    outbox.push(messages());
    outbox.after("1", Outcome::Refused { why: "HTTP 404".to_owned() }, NOW, 1);
    assert_eq!((outbox.trouble(), outbox.waiting()), (Some("HTTP 404"), 0));
    assert_eq!(queued(&outbox, NOW), None);
}

#[test]
fn the_outbox_is_bound_and_keeps_one_ping() {
    let mut outbox = Outbox::default();
    let safe = over(&receiver(NotifyKind::Healthchecks), 5, |_| Vec::new());
    assert!(safe.len() > 20);
    outbox.push(safe);
    assert_eq!(outbox.waiting(), 1);
    for _ in 0..150 {
        outbox.push(over(&hook(), 1, |_| vec![(Kind::KeyRefused, NOW - HOUR)]));
    }
    assert_eq!(outbox.waiting(), 100);
}
