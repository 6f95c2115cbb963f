//! The degraded states of this moment, derived from the records, the watches and the last cycles.
//! It is pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::base::when;
use crate::base::words::{counted, duration};
use crate::mirror::Trouble;
use crate::status::{DegradedStatus, Kind, MirrorStatus, ProofStatus, Scope, Status, Weight};

/// The time before the end of a subscription from which on that end is a degraded state.
const ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// The difference between the clocks that is tolerated; a larger one is a degraded state.
const CLOCKS_AGREE: Duration = Duration::from_secs(3600);

/// A degraded state of this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundState {
    /// The state.
    pub kind: Kind,
    /// The mirror; `None` if it is a state of the service.
    pub mirror: Option<String>,
    /// The cause, for people.
    pub cause: String,
    /// The time at which the service looks again.
    pub next_try: Option<Timestamp>,
}

impl FoundState {
    /// The entry that `status` shows.
    pub fn entry(&self, since_s: Option<i64>, now_s: i64) -> DegradedStatus {
        let about = self.kind.about();
        DegradedStatus {
            kind: self.kind,
            mirror: self.mirror.clone(),
            title: about.title.to_owned(),
            cause: self.cause.clone(),
            what_to_do: self.kind.what_to_do(self.mirror.as_deref()),
            stops: about.weight == Weight::Stops,
            since: since_s.and_then(|at_s| Timestamp::from_second(at_s).ok()),
            since_age_s: since_s.map(|at_s| u64::try_from(now_s - at_s).unwrap_or(0)),
            next_try: self.next_try,
        }
    }
}

/// The facts that are not in the [`Status`].
#[derive(Debug, Default)]
pub struct Facts<'a> {
    /// Why the last reload was refused; `None` if it was not.
    pub configuration_refused: Option<&'a str>,
    /// The difference between this machine's clock and the service's, as last heard.
    pub clocks_apart: Option<Duration>,
    /// The facts of each mirror, in the order of [`Status::mirrors`].
    pub mirrors: Vec<MirrorFacts<'a>>,
}

/// The facts of one mirror.
#[derive(Debug, Default)]
pub struct MirrorFacts<'a> {
    /// Why the last cycle failed; `None` if it succeeded.
    pub trouble: Option<&'a Trouble>,
    /// Why the last chores failed; `None` if they succeeded.
    pub chores_trouble: Option<&'a Trouble>,
    /// Why the last uploads were refused, for a reason that concerns every file.
    pub uploads_refused: Option<&'a str>,
    /// Whether events were lost and no look at everything has succeeded since.
    pub events_lost: bool,
    /// Why the source is not watched at all; `None` if it is watched.
    pub not_watched: Option<&'a str>,
    /// The time at which its next cycle begins, if the mirror waits.
    pub next_try: Option<Timestamp>,
}

/// All degraded states at `now`.
pub fn found(status: &Status, facts: &Facts<'_>, now: Timestamp) -> Vec<FoundState> {
    let mut all = of_all(status, facts, now);
    let none = MirrorFacts::default();
    for (at, mirror) in status.mirrors.iter().enumerate() {
        of_mirror(&mut all, mirror, facts.mirrors.get(at).unwrap_or(&none));
    }
    all
}

fn of_all(status: &Status, facts: &Facts<'_>, now: Timestamp) -> Vec<FoundState> {
    let mut all = Vec::new();
    let mut add = |kind, cause: String, next_try| {
        all.push(FoundState { kind, mirror: None, cause, next_try });
    };
    if let Some(hold_off) = &status.hold_off {
        add(hold_off.kind, hold_off.reason.clone(), Some(hold_off.until));
    }
    if status.paused {
        add(Kind::Paused, "somebody said `fichierd pause`".to_owned(), None);
    }
    if let Some(why) = facts.configuration_refused {
        add(Kind::ConfigurationRefused, why.to_owned(), None);
    }
    if let Some(apart) = facts.clocks_apart.filter(|apart| *apart > CLOCKS_AGREE) {
        let cause = format!("this machine's clock is {} away from 1fichier's", duration(apart));
        add(Kind::ClockWrong, cause, None);
    }
    if let Some(end) = status.account.as_ref().and_then(|account| account.subscription_end)
        && Duration::try_from(end.duration_since(now)).unwrap_or_default() < ENDS_SOON
    {
        let day = when::day(end);
        add(Kind::SubscriptionEnding, format!("it was paid until {day}"), None);
    }
    if let Some(warning) = status.mirrors.iter().find_map(|it| it.quota_warning.as_ref()) {
        add(Kind::AccountNearlyFull, warning.clone(), None);
    }
    let mute: Vec<_> =
        status.notified.iter().filter_map(|it| Some((it, it.trouble.as_ref()?))).collect();
    if let Some((first, why)) = mute.first() {
        let more = match mute.len() {
            1 => String::new(),
            many => format!(" (and {} more)", many - 1),
        };
        add(Kind::NotifyFailed, format!("`{}`: {why}{more}", first.name), None);
    }
    let refused = facts.mirrors.iter().find_map(|it| Some((it.uploads_refused?, it.next_try)));
    if let Some((why, next_try)) = refused {
        add(Kind::UploadsRefused, why.to_owned(), next_try);
    }
    // A state of the service is told once, with the cause that the first mirror has.
    let troubles = facts.mirrors.iter().flat_map(|it| {
        [it.trouble, it.chores_trouble].into_iter().flatten().map(|trouble| (trouble, it.next_try))
    });
    // The hold-off itself is told above, with its newest cause.
    let is_told = |it: &Trouble| matches!(it, Trouble::HeldOff(..)) && status.hold_off.is_some();
    for (trouble, next_try) in troubles.filter(|(trouble, _)| !is_told(trouble)) {
        let kind = trouble.kind();
        if kind.about().scope == Scope::Service && all.iter().all(|found| found.kind != kind) {
            all.push(FoundState { kind, mirror: None, cause: trouble.cause(), next_try });
        }
    }
    all
}

fn of_mirror(all: &mut Vec<FoundState>, mirror: &MirrorStatus, facts: &MirrorFacts<'_>) {
    let mut add = |kind, cause: String, next_try| {
        all.push(FoundState { kind, mirror: Some(mirror.name.clone()), cause, next_try });
    };
    let trouble = facts
        .trouble
        .or(facts.chores_trouble)
        .filter(|it| it.kind().about().scope == Scope::Mirror);
    if let Some(trouble) = trouble {
        add(trouble.kind(), trouble.cause(), facts.next_try);
    }
    if let Some(held) = mirror.held.as_ref().filter(|held| held.removals > 0) {
        add(Kind::RemovalsHeld, held.cause.clone(), None);
    }
    if let Some(burst) = &mirror.burst {
        let files = counted(burst.files, "file");
        let cause = format!(
            "BURST: {files} replaced, emptied or renamed within a day, which looks like encryption; \
             no earlier version expires"
        );
        add(Kind::Burst, cause, None);
    }
    if mirror.removals_wait {
        let cause = "the records were recovered, and may be older than the disk";
        add(Kind::RemovalsWait, cause.to_owned(), None);
    }
    if mirror.overdue_since.is_some() {
        let since = mirror.last_success.map_or_else(
            || "it was never complete".to_owned(),
            |at| format!("it was complete for the last time at {}", when::told(at.as_second())),
        );
        add(Kind::Overdue, since, None);
    }
    let advice = || mirror.watch.advice.clone().unwrap_or_default();
    match (facts.not_watched, mirror.watch.mode.as_str()) {
        (Some(why), _) => add(Kind::NotWatched, why.to_owned(), facts.next_try),
        (None, "polling") => add(Kind::Polling, advice(), None),
        (None, "partly") => add(Kind::PartlyWatched, advice(), None),
        (None, "off") if mirror.watch.advice.is_some() => {
            add(Kind::NotWatched, advice(), facts.next_try);
        }
        (None, _) => {}
    }
    if facts.events_lost {
        let cause = "the kernel's queue of events overflowed; everything is looked at";
        add(Kind::EventsLost, cause.to_owned(), None);
    }
    if let Some(snapshot) = mirror.snapshot.as_ref().filter(|it| it.overdue_since.is_some()) {
        let cause = match snapshot.newest_age_s {
            Some(age_s) => {
                format!("the newest is of {} ago", duration(Duration::from_secs(age_s)))
            }
            None => "there is no snapshot yet".to_owned(),
        };
        add(Kind::SnapshotOverdue, cause, None);
    }
    if let Some(audit) = mirror.audit.as_ref().filter(|audit| audit.behind) {
        let folders = counted(audit.folders, "folder");
        add(Kind::AuditBehind, format!("{} of {folders} so far", audit.compared), None);
    }
    let proofs = [
        (Kind::AuditFailed, &mirror.proofs.audit),
        (Kind::VerifyFailed, &mirror.proofs.verify),
        (Kind::DrillFailed, &mirror.proofs.drill),
        (Kind::DownloadsRefused, &mirror.proofs.canary),
    ];
    for (kind, proof) in proofs {
        if let Some(proof) = proof.as_ref().filter(|proof| !proof.good) {
            add(kind, proof_cause(proof), None);
        }
    }
    // That no file can be sent is a state of its own.
    let is_told =
        |path: &str| path.is_empty() && (facts.uploads_refused.is_some() || mirror.uploads_wait);
    let problems: Vec<_> = mirror.problems.iter().filter(|it| !is_told(&it.path)).collect();
    if let Some(first) = problems.first() {
        let next_try = problems.iter().filter_map(|problem| problem.next_try).min();
        let told = (mirror.problems.len() - problems.len()) as u64;
        let (place, what) = (first.place(mirror), &first.what);
        let cause = match mirror.problem_count.saturating_sub(told) {
            0 | 1 => format!("{place}: {what}"),
            many => format!("{}, such as {place}: {what}", counted(many, "file")),
        };
        add(Kind::Problems, cause, next_try);
    }
}

fn proof_cause(proof: &ProofStatus) -> String {
    let since = match proof.last_good_age_s {
        Some(age_s) => format!("last good {} ago", duration(Duration::from_secs(age_s))),
        None => "never good yet".to_owned(),
    };
    format!("{} ({since})", proof.detail)
}
