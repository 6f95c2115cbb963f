//! `fichierd sync --dry-run`: what a sync would do, without a call.
//!
//! It works on a copy of the state, so that it changes nothing and may run beside the service. A
//! mirror that cannot be looked at is told and the others go on; the exit code is that of a `sync`
//! which meets the same.

use std::time::Duration;

use fichier_state::Store;

use super::beside::{chosen, recorded};
use super::output;
use crate::base::words::{bytes, count, counted, duration};
use crate::base::{Exit, State};
use crate::config::{Config, MirrorConfig};
use crate::disk::Disks;
use crate::mirror::{Held, MirrorError, MirrorWorker, Planned, Prepared, Trouble};
use crate::remote::trust;
use crate::status::Kind;

/// What a sync of one mirror would take.
struct Sum {
    text: String,
    calls: u64,
    exit: Exit,
}

/// Prints what a sync would do, its cost, and how long the calls alone would take.
pub(super) fn run(config: &Config, names: &[String]) -> anyhow::Result<Exit> {
    let copy = tempfile::tempdir()?;
    let mut original = None;
    if let Some(store) = recorded(config)? {
        store.copy_to(copy.path())?;
        original = Some(store.inode());
    }
    let state = State::new(Store::open(copy.path())?);
    let is_one = chosen(config, names).count() == 1;
    let mut sums = Vec::new();
    for mirror in chosen(config, names) {
        if !is_one {
            output::line(&format!("{}:", mirror.name))?;
        }
        if let Some(original) = original {
            let row = state.read(|s| s.mirror_of(&mirror.name, &mirror.source, &mirror.target))?;
            // A mirror that was renamed is on record with its former name.
            let name = row.map_or_else(|| mirror.name.clone(), |row| row.name);
            trust::count_as(&state, &name, original)?;
        }
        sums.push(of_mirror(config, mirror, &state)?);
    }
    for sum in &sums {
        output::line(&sum.text)?;
    }
    if !is_one {
        let all = sums.iter().map(|sum| sum.calls).sum();
        let (calls, time) = (counted(all, "call"), at_least(config, all));
        output::line(&format!("together: {calls}; at least {}", duration(time)))?;
    }
    Ok(Exit::worst(sums.iter().map(|sum| sum.exit)))
}

/// Prints the steps of one mirror.
fn of_mirror(config: &Config, mirror: &MirrorConfig, state: &State) -> anyhow::Result<Sum> {
    let mut worker = MirrorWorker::open(mirror.clone(), state)?;
    // One look at everything; a cycle would take on a part at a time.
    worker.max_additions = usize::MAX;
    let previewed = match worker.undecided(state) {
        Ok(None) => worker.preview(state, &Disks::default()),
        Ok(Some(held)) => return Ok(stopped(mirror, &Trouble::Held(held))),
        Err(error) => Err(error),
    };
    let (moves, prepared) = match previewed {
        Ok(previewed) => previewed,
        Err(error) => return Ok(stopped(mirror, &judged(error, state))),
    };
    for moved in &moves {
        output::line(&format!("move folder {} to {}", moved.from, moved.to))?;
    }
    for step in &prepared.plan.steps {
        let text = step.to_string();
        for line in text.lines() {
            output::line(&output::harmless(line))?;
        }
    }
    for trouble in &prepared.outcome.trouble {
        let path = match trouble.path.to_string() {
            path if path.is_empty() => mirror.source.display().to_string(),
            path => path,
        };
        output::line(&format!("cannot look at {}: {}", output::harmless(&path), trouble.error))?;
    }
    let is_held = prepared.outcome.held.is_some();
    let planned = Planned { plan: &prepared.plan, moves: moves.len() as u64, is_held };
    let calls = match worker.expected_calls(state, &planned) {
        Ok(calls) => calls,
        Err(error) => return Ok(stopped(mirror, &judged(error, state))),
    };
    let cost = prepared.plan.cost();
    let text = format!(
        "{}: {} to send ({}); {}, of these {} for the target and {} for the records and other \
         upkeep; at least {}{}",
        mirror.name,
        counted(cost.files, "file"),
        bytes(cost.bytes),
        counted(calls.sum(), "call"),
        count(calls.target),
        count(calls.upkeep),
        duration(at_least(config, calls.sum())),
        asides(mirror, &prepared)
    );
    Ok(Sum { text, calls: calls.sum(), exit: exit_of(&prepared) })
}

/// What keeps a mirror from being planned at all.
fn stopped(mirror: &MirrorConfig, trouble: &Trouble) -> Sum {
    let text = format!("{}: {}", mirror.name, trouble.text(&mirror.name));
    Sum { text, calls: 0, exit: trouble.exit() }
}

fn judged(error: MirrorError, state: &State) -> Trouble {
    Trouble::judge(error, state.clock().wall())
}

/// What would be left undone, a line each.
fn asides(mirror: &MirrorConfig, prepared: &Prepared) -> String {
    let held = prepared.outcome.held.map(|held| Held::Removals(held).text(&mirror.name));
    let unread = match prepared.outcome.trouble.len() as u64 {
        0 => None,
        1 => Some("1 path cannot be looked at, and is left as it is on 1fichier".to_owned()),
        n => Some(format!(
            "{} paths cannot be looked at, and are left as they are on 1fichier",
            count(n)
        )),
    };
    let compared = prepared.plan.comparison();
    held.into_iter().chain(unread).chain(compared).map(|text| format!("\n{text}")).collect()
}

fn exit_of(prepared: &Prepared) -> Exit {
    let held = prepared.outcome.held.and(Kind::RemovalsHeld.about().exit);
    let unread = (!prepared.outcome.trouble.is_empty()).then_some(Exit::Problems);
    Exit::worst(held.into_iter().chain(unread))
}

/// How long so many calls take by the pace alone.
fn at_least(config: &Config, calls: u64) -> Duration {
    let pace = config.pace.calls_per_second.max(0.01);
    Duration::try_from_secs_f64(calls as f64 / pace).unwrap_or_default()
}
