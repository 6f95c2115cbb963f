//! Every degraded state of the list is found, told once, shown and ended. Each test goes through
//! [`Kind::ALL`], so that a new state fails here until it can be found.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::*;
use crate::base::Exit;
use crate::daemon::health;
use crate::mirror::{Held, Reason, Trouble};
use crate::status::{
    AccountStatus, AuditStatus, BurstStatus, Completeness, HeldStatus, HoldOffStatus, Kind,
    MirrorState, MirrorStatus, NotifiedStatus, ProblemStatus, ProofStatus, Scope, SnapshotStatus,
    Status, WatchStatus, Weight,
};

fn now() -> Timestamp {
    "2026-05-04T12:00:00Z".parse().unwrap()
}

fn healthy() -> Status {
    let mirror = MirrorStatus {
        name: "photos".to_owned(),
        source: "/srv/photos".into(),
        target: "/photos".to_owned(),
        state: MirrorState::Idle,
        complete: true,
        completeness: Completeness { looked: true, ..Completeness::default() },
        last_success_age_s: Some(9),
        files: 3,
        bytes: 3,
        watch: WatchStatus { mode: "watching".to_owned(), watched: 3, advice: None },
        ..MirrorStatus::default()
    };
    Status { running: true, calls_made: 1, mirrors: vec![mirror], ..Status::default() }
}

fn trouble(kind: Kind) -> Trouble {
    let reason = || Reason { kind, text: format!("met {}", kind.word()) };
    if kind == Kind::Unreachable {
        Trouble::Unreachable(reason().text)
    } else if kind == Kind::Failing {
        Trouble::Failing(reason().text)
    } else if kind == Kind::StateUnusable {
        Trouble::NoState(reason().text)
    } else if kind == Kind::OtherAccount {
        Trouble::OtherAccount(reason().text)
    } else if [Kind::KeyRefused, Kind::NoSubscription, Kind::AccountLocked].contains(&kind) {
        Trouble::Refused(reason())
    } else {
        Trouble::Held(Held::Source { kind, cause: reason().text })
    }
}

fn bad_proof() -> Option<ProofStatus> {
    Some(ProofStatus {
        good: false,
        at: now(),
        age_s: 60,
        files: 7,
        bytes: 7,
        detail: "1 of 7 files was damaged".to_owned(),
        last_good: None,
        last_good_age_s: None,
    })
}

/// The states that are found while exactly this one is caused.
fn found_when(kind: Kind) -> Vec<FoundState> {
    look_when(kind, |status, facts| found(status, facts, now()))
}

/// Looks at a service of which exactly this is wrong.
fn look_when<T>(kind: Kind, look: impl FnOnce(&Status, &Facts<'_>) -> T) -> T {
    let mut status = healthy();
    let trouble = trouble(kind);
    let mut facts = Facts { mirrors: vec![MirrorFacts::default()], ..Facts::default() };
    let mirror = &mut status.mirrors[0];
    let of = &mut facts.mirrors[0];
    match kind {
        Kind::KeyRefused
        | Kind::NoSubscription
        | Kind::AccountLocked
        | Kind::OtherAccount
        | Kind::StateUnusable
        | Kind::Unreachable
        | Kind::Failing
        | Kind::SourceMissing
        | Kind::SourceEmpty
        | Kind::SourceChanged
        | Kind::SourceUnreadable
        | Kind::SourceBehindLink
        | Kind::TargetTaken
        | Kind::TargetGone
        | Kind::OtherPassword
        | Kind::OtherForm
        | Kind::MirrorChanged => of.trouble = Some(&trouble),
        Kind::HoldOff | Kind::UnknownRefusal => {
            status.hold_off =
                Some(HoldOffStatus { until: now(), reason: "a flood".to_owned(), kind });
        }
        Kind::Paused => status.paused = true,
        Kind::RemovalsHeld => {
            let (reason, cause) = ("5 …; …".to_owned(), "5 …".to_owned());
            mirror.held = Some(HeldStatus { reason, cause, removals: 5, since: now() });
        }
        Kind::Burst => mirror.burst = Some(BurstStatus { since: now(), files: 400 }),
        Kind::RemovalsWait => mirror.removals_wait = true,
        Kind::Overdue => mirror.overdue_since = Some(now()),
        Kind::NotifyFailed => {
            status.notified = vec![NotifiedStatus {
                name: "hc".to_owned(),
                told: None,
                told_age_s: None,
                waiting: 1,
                trouble: Some("HTTP 404".to_owned()),
            }];
        }
        Kind::UploadsRefused => of.uploads_refused = Some("no space left"),
        Kind::AccountNearlyFull => mirror.quota_warning = Some("95 of 100 GiB".to_owned()),
        Kind::SubscriptionEnding => {
            status.account = Some(AccountStatus {
                offer: "premium".to_owned(),
                subscription_end: Some(now() + Duration::from_secs(13 * 24 * 3600)),
                ..AccountStatus::default()
            });
        }
        Kind::ConfigurationRefused => facts.configuration_refused = Some("line 3"),
        Kind::ClockWrong => facts.clocks_apart = Some(Duration::from_secs(3601)),
        Kind::NotWatched => of.not_watched = Some("no thread left"),
        Kind::Polling | Kind::PartlyWatched => {
            let mode = if kind == Kind::Polling { "polling" } else { "partly" };
            let advice = Some("raise the limit".to_owned());
            mirror.watch = WatchStatus { mode: mode.to_owned(), watched: 3, advice };
        }
        Kind::EventsLost => of.events_lost = true,
        Kind::SnapshotOverdue => {
            mirror.snapshot = Some(SnapshotStatus {
                newest: None,
                newest_age_s: None,
                changed_since: None,
                overdue_since: Some(now()),
            });
        }
        Kind::AuditBehind => {
            let (folders, compared) = (12, 3);
            mirror.audit = Some(AuditStatus { folders, compared, since: None, behind: true });
        }
        Kind::AuditFailed => mirror.proofs.audit = bad_proof(),
        Kind::VerifyFailed => mirror.proofs.verify = bad_proof(),
        Kind::DrillFailed => mirror.proofs.drill = bad_proof(),
        Kind::DownloadsRefused => mirror.proofs.canary = bad_proof(),
        Kind::Problems => {
            mirror.problem_count = 1;
            mirror.problems = vec![ProblemStatus {
                path: "a.jpg".to_owned(),
                what: "permission denied".to_owned(),
                hint: String::new(),
                tries: 1,
                next_try: Some(now()),
            }];
        }
    }
    look(&status, &facts)
}

#[test]
fn a_healthy_service_is_in_no_degraded_state() {
    assert_eq!(found(&healthy(), &Facts::default(), now()), []);
}

#[test]
fn each_state_is_found_alone_with_a_cause_and_for_whom() {
    for kind in Kind::ALL {
        let found = found_when(*kind);
        let [one] = found.as_slice() else { panic!("{kind:?}: {found:?}") };
        assert_eq!(one.kind, *kind);
        assert_eq!(one.mirror.is_none(), (kind.about().scope == Scope::Service), "{kind:?}");
        assert!(!one.cause.is_empty(), "{kind:?}");
    }
}

#[test]
fn a_state_on_record_is_found_by_a_command_while_no_service_runs() {
    for kind in Kind::ALL.iter().filter(|kind| kind.about().on_record) {
        let found = look_when(*kind, |status, _| found(status, &Facts::default(), now()));
        assert_eq!(found.len(), 1, "{kind:?}");
    }
}

#[test]
fn y27_a_hold_off_is_told_once_as_the_state_that_it_is() {
    for kind in [Kind::HoldOff, Kind::AccountLocked, Kind::UnknownRefusal, Kind::Failing] {
        let mut status = healthy();
        let reason = "\u{201c}Compte suspendu\u{201d}".to_owned();
        status.hold_off = Some(HoldOffStatus { until: now(), reason: reason.clone(), kind });
        let until = std::time::SystemTime::UNIX_EPOCH;
        let trouble = Trouble::HeldOff(until, "earlier".to_owned(), Kind::HoldOff);
        let mirror = MirrorFacts { trouble: Some(&trouble), ..MirrorFacts::default() };
        let facts = Facts { mirrors: vec![mirror], ..Facts::default() };
        let found = found(&status, &facts, now());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].kind, &found[0].cause), (kind, &reason));
    }
}

#[test]
fn what_several_mirrors_meet_alike_is_one_state_of_the_service() {
    let mut status = healthy();
    status.mirrors.push(MirrorStatus { name: "music".to_owned(), ..status.mirrors[0].clone() });
    let trouble = trouble(Kind::Unreachable);
    let of = || MirrorFacts { trouble: Some(&trouble), ..MirrorFacts::default() };
    let facts = Facts { mirrors: vec![of(), of()], ..Facts::default() };
    assert_eq!(found(&status, &facts, now()).len(), 1);
    // A state of a mirror is told for each mirror.
    let trouble = self::trouble(Kind::SourceMissing);
    let of = || MirrorFacts { trouble: Some(&trouble), ..MirrorFacts::default() };
    let facts = Facts { mirrors: vec![of(), of()], ..Facts::default() };
    assert_eq!(found(&status, &facts, now()).len(), 2);
}

#[test]
fn each_state_says_what_to_do_and_ends_the_program_with_a_code_of_the_list() {
    for kind in Kind::ALL {
        let about = kind.about();
        assert!(about.title.len() <= 60, "{kind:?}: the title is for one line");
        assert!(!kind.what_to_do(Some("photos")).contains("MIRROR"), "{kind:?}");
        assert!(about.what_to_do.len() > 20, "{kind:?}");
        // A state that stops the work has an exit code for scripts; one that only degrades it need
        // not have one.
        assert!(about.exit.is_some() || about.weight == Weight::Degrades, "{kind:?}");
        assert_ne!(about.exit, Some(Exit::Done), "{kind:?}");
    }
}

/// A row of docs/operations.md without its code marks: word, title, what to do and exit code.
fn documented(kind: Kind) -> String {
    let about = kind.about();
    let bold = if about.weight == Weight::Stops { "**" } else { "" };
    let exit = about.exit.map(|exit| format!(" ({})", exit.code())).unwrap_or_default();
    let (word, title) = (kind.word(), about.title);
    format!("| {word} | {bold}{title}{bold} | {}{exit} |", about.what_to_do).replace('`', "")
}

#[test]
fn the_documents_have_the_table_of_the_states_row_by_row() {
    let operations = include_str!("../../../../../docs/operations.md");
    let (_, table) = operations.split_once("## Degraded states").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    for (at, kind) in Kind::ALL.iter().enumerate() {
        let row = rows.get(at).copied().unwrap_or_default().replace('`', "");
        assert_eq!(row, documented(*kind), "docs/operations.md, row {} of the states", at + 1);
    }
    assert_eq!(rows.len(), Kind::ALL.len(), "docs/operations.md has states that are not known");
}

#[test]
fn each_state_is_in_the_one_line_for_systemd_and_in_what_a_person_reads() {
    for kind in Kind::ALL {
        let mut status = healthy();
        let found = &found_when(*kind)[0];
        status.degraded = vec![found.entry(Some(0), 7_200)];
        let line = health::line(&status);
        assert!(line.contains(kind.about().title), "{kind:?}: {line}");
        assert_eq!(line.starts_with("idle"), !status.degraded[0].stops, "{kind:?}: {line}");
        let drawn = crate::status::render(&status, now()).replace("\n      ", " ");
        let drawn = drawn.replace("\n    ", " ");
        assert!(drawn.contains(kind.about().title), "{kind:?}:\n{drawn}");
        assert!(drawn.contains("for 2 h"), "{kind:?}:\n{drawn}");
        let what_to_do = kind.what_to_do(found.mirror.as_deref());
        assert!(drawn.contains(&what_to_do), "{kind:?}:\n{drawn}\n{what_to_do}");
        let json = serde_json::to_value(&status.degraded[0]).unwrap();
        assert_eq!(json["kind"], kind.word());
        for field in ["mirror", "title", "cause", "what_to_do", "stops", "since", "next_try"] {
            assert!(json.get(field).is_some(), "{kind:?}: {field}");
        }
    }
}

/// A monotonic clock and a wall clock, which are moved together.
struct Time(Now);

impl Time {
    fn start() -> Time {
        Time(Now { steady: Instant::now(), unix_s: 1_000_000 })
    }

    fn pass(&mut self, by: Duration) {
        self.0.steady += by;
        self.0.unix_s += i64::try_from(by.as_secs()).unwrap();
    }

    fn now(&self) -> Now {
        self.0
    }
}

fn yes(_: Option<&str>) -> bool {
    true
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn each_state_is_told_once_when_it_begins_and_once_when_it_has_ended() {
    for kind in Kind::ALL {
        let (mut episodes, mut time) = (Episodes::default(), Time::start());
        let found = found_when(*kind);
        let began = episodes.observe(time.now(), found.clone(), yes);
        assert_eq!(began, [News::Begins(found[0].clone())], "{kind:?}");
        for _ in 0..90 {
            time.pass(SECOND);
            assert_eq!(episodes.observe(time.now(), found.clone(), yes), [], "{kind:?}");
        }
        assert_eq!(episodes.current().map(|(it, _)| it.kind).collect::<Vec<_>>(), [*kind]);
        // The state lasted for 91 s, which is told when it has been gone for its patience.
        time.pass(SECOND);
        let mut told = episodes.observe(time.now(), Vec::new(), yes);
        assert_eq!(episodes.current().count(), 0, "{kind:?}");
        assert_eq!(told.is_empty(), kind.about().patience > Duration::ZERO, "{kind:?}");
        time.pass(kind.about().patience);
        told.extend(episodes.observe(time.now(), Vec::new(), yes));
        let (mirror, lasted) = (found[0].mirror.clone(), 91 * SECOND);
        assert_eq!(told, [News::Ended { kind: *kind, mirror, lasted }], "{kind:?}");
        time.pass(kind.about().patience);
        assert_eq!(episodes.observe(time.now(), Vec::new(), yes), [], "{kind:?}");
        assert_eq!(episodes.to_remember(), [], "{kind:?}");
    }
}

#[test]
fn what_flaps_is_one_episode_with_one_line_at_each_end() {
    let flapping = Kind::ALL.iter().filter(|kind| kind.about().patience > Duration::ZERO);
    for kind in flapping {
        let (mut episodes, mut time) = (Episodes::default(), Time::start());
        let found = found_when(*kind);
        let mut told = Vec::new();
        for _ in 0..100 {
            told.extend(episodes.observe(time.now(), found.clone(), yes));
            time.pass(5 * SECOND);
            told.extend(episodes.observe(time.now(), Vec::new(), yes));
            assert!(episodes.next_end().is_some(), "the loop has to look again");
            time.pass(kind.about().patience - SECOND);
        }
        assert_eq!(told.len(), 1, "{kind:?}: {told:?}");
        time.pass(SECOND);
        told.extend(episodes.observe(time.now(), Vec::new(), yes));
        assert_eq!(told.len(), 2, "{kind:?}: {told:?}");
        assert!(matches!(told[1], News::Ended { .. }), "{kind:?}: {told:?}");
        assert_eq!(episodes.next_end(), None);
    }
}

#[test]
fn an_episode_outlives_the_process_with_its_beginning() {
    for kind in Kind::ALL {
        let (mut before, mut time) = (Episodes::default(), Time::start());
        let found = found_when(*kind);
        before.observe(time.now(), found.clone(), yes);
        let text = serde_json::to_string(&before.to_remember()).unwrap();
        time.pass(3_600 * SECOND);
        let mut after = Episodes::new(serde_json::from_str(&text).unwrap(), 1);
        // No cycle has looked yet: the episode goes on, and nothing is said.
        assert_eq!(after.observe(time.now(), Vec::new(), |_| false), [], "{kind:?}");
        assert_eq!(after.current().map(|(_, since_s)| since_s).collect::<Vec<_>>(), [1_000_000]);
        // The state is still there: the new process tells it, with the old beginning.
        let told = after.observe(time.now(), found.clone(), yes);
        assert_eq!(told, [News::Begins(found[0].clone())], "{kind:?}");
        assert_eq!(after.current().map(|(_, since_s)| since_s).collect::<Vec<_>>(), [1_000_000]);
        // Or the state has ended meanwhile, which is told as soon as a cycle has looked.
        let mut after = Episodes::new(serde_json::from_str(&text).unwrap(), 1);
        let told = after.observe(time.now(), Vec::new(), yes);
        let (mirror, lasted) = (found[0].mirror.clone(), 3_600 * SECOND);
        assert_eq!(told, [News::Ended { kind: *kind, mirror, lasted }], "{kind:?}");
    }
}

#[test]
fn a_clock_that_jumps_does_not_change_how_long_something_lasted() {
    let (mut episodes, mut time) = (Episodes::default(), Time::start());
    episodes.observe(time.now(), found_when(Kind::Paused), yes);
    time.pass(30 * SECOND);
    time.0.unix_s -= 10 * 365 * 24 * 3_600;
    let told = episodes.observe(time.now(), Vec::new(), yes);
    let ended = News::Ended { kind: Kind::Paused, mirror: None, lasted: 30 * SECOND };
    assert_eq!(told, [ended]);
}
