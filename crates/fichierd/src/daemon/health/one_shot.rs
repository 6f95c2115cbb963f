//! The degraded states after a command that mirrored without the service: what it met begins, and
//! what it disproves has ended.
//!
//! The service remembers its episodes in the state file, so that `status` shows them while it is
//! stopped. A state that is not on record ends only when something shows that its cause has ended,
//! and without the service only a command can show that.

use std::time::Duration;

use fichier_state::{Error, Store};
use jiff::Timestamp;

use super::{Facts, MirrorFacts, REMEMBERED, Remembered, found, offline, remembered};
use crate::config::Config;
use crate::mirror::{CycleEnd, Shared, Trouble};
use crate::status::{Kind, Scope};

/// What a command has met in one mirror.
#[derive(Debug)]
pub struct Met {
    /// The mirror.
    pub mirror: String,
    /// How its last cycle ended.
    pub end: CycleEnd,
    /// Why its chores failed; `None` if they did not.
    pub chores_trouble: Option<Trouble>,
}

/// Remembers the degraded states as they are after a command that mirrored.
///
/// # Errors
///
/// The state file's.
pub fn remember_met(shared: &Shared, config: &Config, met: &[Met]) -> Result<(), Error> {
    let clocks_apart = shared.client.service_clock().map(|heard| heard.difference());
    let episodes = shared.state.read(|store| after(store, config, met, clocks_apart))?;
    shared.state.write(|w| {
        if episodes.is_empty() { REMEMBERED.forget(w) } else { REMEMBERED.keep(w, &episodes) }
    })
}

fn after(
    store: &Store,
    config: &Config,
    met: &[Met],
    clocks_apart: Option<Duration>,
) -> Result<Vec<Remembered>, Error> {
    let before = remembered(store);
    let status = offline(store, &config.mirrors, &config.notify, config.pace.time_scale, None)?;
    let of = |name: &str| met.iter().find(|it| it.mirror == name);
    let facts = |name: &str| {
        let Some(met) = of(name) else { return MirrorFacts::default() };
        MirrorFacts {
            trouble: met.end.trouble.as_ref(),
            chores_trouble: met.chores_trouble.as_ref(),
            uploads_refused: met.end.report.uploads_refused.as_deref(),
            ..MirrorFacts::default()
        }
    };
    let facts = Facts {
        mirrors: status.mirrors.iter().map(|mirror| facts(&mirror.name)).collect(),
        clocks_apart,
        ..Facts::default()
    };
    let (now_s, now) = (store.clock().now_s(), Timestamp::now());
    let mut after: Vec<Remembered> = Vec::new();
    for found in found(&status, &facts, now) {
        let same = |it: &&Remembered| it.kind == found.kind && it.mirror == found.mirror;
        let since_s = before.iter().find(same).map_or(now_s, |it| it.since_s);
        let (kind, mirror, cause) = (found.kind, found.mirror, found.cause);
        after.push(Remembered { kind, mirror, since_s, cause });
    }
    let is_there = |it: &Remembered, all: &[Remembered]| {
        all.iter().any(|other| other.kind == it.kind && other.mirror == it.mirror)
    };
    let goes_on: Vec<Remembered> = before
        .into_iter()
        .filter(|it| !is_there(it, &after) && !it.kind.about().on_record && !has_ended(it, met))
        .collect();
    after.extend(goes_on);
    Ok(after)
}

/// Whether the command has shown that a remembered state, which it has not met itself, has ended.
fn has_ended(it: &Remembered, met: &[Met]) -> bool {
    let of_it = |met: &&Met| {
        it.kind.about().scope == Scope::Service || it.mirror.as_ref() == Some(&met.mirror)
    };
    met.iter().filter(of_it).any(|met| disproves(&met.end, it.kind))
}

/// Whether a cycle that ended like this, and did not meet the state, shows that it has ended.
pub(crate) fn disproves(end: &CycleEnd, kind: Kind) -> bool {
    let ended_well = end.trouble.is_none();
    let asked = end.report.calls > 0;
    match kind {
        // 1fichier has answered, with this key, to what was asked.
        Kind::KeyRefused
        | Kind::NoSubscription
        | Kind::AccountLocked
        | Kind::OtherAccount
        | Kind::Unreachable
        | Kind::UnknownRefusal
        | Kind::Failing
        | Kind::TargetTaken
        | Kind::TargetGone => ended_well && asked,
        // A cycle begins only with a mirror that is configured as it is on record.
        Kind::MirrorChanged | Kind::OtherPassword | Kind::OtherForm => ended_well,
        // The end of the cycle is on record; and the pacer knows by itself when a hold-off ends.
        Kind::StateUnusable | Kind::HoldOff => ended_well,
        // The source is looked at before 1fichier is asked.
        Kind::SourceMissing
        | Kind::SourceBehindLink
        | Kind::SourceEmpty
        | Kind::SourceChanged
        | Kind::SourceUnreadable => {
            let kind = end.trouble.as_ref().map(Trouble::kind);
            kind.is_none_or(|kind| {
                kind.about().scope == Scope::Service && kind != Kind::StateUnusable
            })
        }
        Kind::UploadsRefused => {
            end.report.uploaded_files > 0 || ended_well && end.completeness.problems == 0
        }
        // They are states of a running service: its watches, and the configuration that it has not
        // taken up. The command has read the configuration, and has looked at everything.
        Kind::ConfigurationRefused
        | Kind::NotWatched
        | Kind::Polling
        | Kind::PartlyWatched
        | Kind::EventsLost => true,
        // The service's clock is told with each answer.
        Kind::ClockWrong => ended_well && asked,
        // These follow from the records.
        Kind::Paused
        | Kind::RemovalsHeld
        | Kind::Burst
        | Kind::RemovalsWait
        | Kind::AccountNearlyFull
        | Kind::SubscriptionEnding
        | Kind::SnapshotOverdue
        | Kind::AuditBehind
        | Kind::AuditFailed
        | Kind::VerifyFailed
        | Kind::DrillFailed
        | Kind::DownloadsRefused
        | Kind::Overdue
        | Kind::NotifyFailed
        | Kind::Problems => false,
    }
}
