//! The commands while no service runs: they take its lock and do the work themselves.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use fichier_api::Pacer;
use fichier_state::{Error, Store};

use super::failure::ended;
use super::output;
use super::progress::{Shown, SoFar};
use super::service::{self, cycle_line, exit_of_cycles};
use crate::base::words::{bytes, count, counted, duration};
use crate::base::{Exit, State};
use crate::config::connect::{hold_off, recorded_pacer};
use crate::config::{Config, Keep, MirrorConfig};
use crate::daemon::control::Reply;
use crate::daemon::health::Met;
use crate::daemon::{Work, approve, health, lifted, open_shared, why};
use crate::disk::{Disks, Due};
use crate::mirror::{CycleEnd, Held, MirrorWorker, Patience, Planned, Shared, Trouble};
use crate::remote::{Habits, trust};
use crate::restore::{Proved, proof};
use crate::status::{CycleSummary, Status};

/// The longest hold-off for which `sync` waits; it ends in a longer one.
const WAIT_AT_MOST: Duration = Duration::from_secs(120);

/// The answer to `sync` while `fichierd pause` is in force.
const PAUSED: &str = "the mirrors are paused; go on with: fichierd resume";

/// Mirrors once: cycles of each mirror until it is complete, and its chores. Ends at a refused key,
/// since no other mirror can do better.
pub(super) async fn sync(config: &Config, names: &[String]) -> anyhow::Result<Exit> {
    let shared = open_shared(config)?;
    if shared.state.read(|s| s.paused())? {
        close(shared)?;
        return Err(ended(Exit::Held, PAUSED));
    }
    let (mut cycles, mut met) = (Vec::new(), Vec::new());
    let mut mirrors = chosen(config, names);
    for mirror in mirrors.by_ref() {
        let mut worker = MirrorWorker::open(mirror.clone(), &shared.state)?;
        worker.is_one_shot = true;
        let (cycle, of_mirror) = sync_one(&shared, &mut worker).await?;
        let is_refused = of_mirror.end.trouble.as_ref().is_some_and(Trouble::is_refusal);
        cycles.push(cycle);
        met.push(of_mirror);
        if is_refused {
            break;
        }
    }
    for mirror in mirrors {
        output::line(&format!("{}: not tried: it would be refused too", mirror.name))?;
    }
    health::remember_met(&shared, config, &met)?;
    close(shared)?;
    Ok(exit_of_cycles(&cycles))
}

/// Mirrors one mirror and does its chores; and mirrors once more if they have found that a copy is
/// not as recorded.
async fn sync_one(
    shared: &Shared,
    worker: &mut MirrorWorker,
) -> anyhow::Result<(CycleSummary, Met)> {
    let name = worker.config.name.clone();
    let (mut cycle, mut end) = mirror_one(shared, worker).await?;
    output::line(&cycle_line(&cycle))?;
    let mut chores_trouble = None;
    if end.trouble.is_none() {
        chores_trouble = worker.chores(shared).await.trouble;
        if let Some(trouble) = &chores_trouble {
            tracing::warn!(mirror = %name, "{}", trouble.text(&name));
        }
        if worker.dirty.is_empty() {
            end.completeness = worker.completeness(shared)?;
        } else {
            (cycle, end) = mirror_one(shared, worker).await?;
            output::line(&cycle_line(&cycle))?;
        }
    }
    let after = health::summary(&name, &end);
    if cycle.complete && !after.complete {
        output::line(&format!("{name}: {}", after.outcome))?;
        cycle = CycleSummary { exit: after.exit, ..cycle };
    }
    Ok((cycle, Met { mirror: name, end, chores_trouble }))
}

/// Runs cycles over everything until the mirror is complete, or waiting does not help. Returns the
/// sum of them, and the end of the last one.
async fn mirror_one(
    shared: &Shared,
    worker: &mut MirrorWorker,
) -> anyhow::Result<(CycleSummary, CycleEnd)> {
    let everything = Due { everything: true, paths: Vec::new() };
    let mut total = CycleSummary::default();
    let mut patience = Patience::new(&worker.config, shared.client.pacer().time_scale());
    let mut has_said = false;
    loop {
        // What is marked until now is looked at now.
        worker.dirty.take_settled(Duration::ZERO, Duration::ZERO);
        let shown = show(worker, shared.client.pacer());
        let end = worker.run(shared, &everything).await;
        drop(shown);
        total = total.and(health::summary(&worker.config.name, &end));
        if let Some(Trouble::HeldOff(until, why, _)) = &end.trouble {
            let wait = until.duration_since(SystemTime::now()).unwrap_or_default();
            if wait <= WAIT_AT_MOST {
                let text = format!("{why}; waiting {} before going on", duration(wait));
                output::line(&text)?;
                tokio::time::sleep(wait).await;
                continue;
            }
        }
        let Some(pause) = patience.goes_on(&end, &worker.config) else {
            worker.dirty.take_settled(Duration::ZERO, Duration::ZERO);
            return Ok((total, end));
        };
        if end.completeness.pending > 0 && !std::mem::replace(&mut has_said, true) {
            let open = end.completeness.open().unwrap_or_default();
            output::line(&format!("{}: waiting: {open}", worker.config.name))?;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Shows how many of the planned bytes of a cycle have been sent, or what it waits for.
fn show(worker: &MirrorWorker, pacer: &Pacer) -> Shown {
    let (sent, planned) = (Arc::clone(&worker.sent_bytes), Arc::clone(&worker.planned_bytes));
    Shown::bar(&worker.config.name, Some(pacer), move || {
        let bytes = planned.load(Ordering::Relaxed);
        let text = if bytes == 0 { "comparing disk and records" } else { "" };
        SoFar { bytes_done: sent.load(Ordering::Relaxed), bytes, text: text.to_owned() }
    })
}

/// Prints what a sync would do, its cost, and how long the calls alone would take. It works on a
/// copy of the state, so that it changes nothing and may run beside the service.
pub(super) fn dry_run(config: &Config, names: &[String]) -> anyhow::Result<Exit> {
    let copy = tempfile::tempdir()?;
    let mut original = None;
    if let Some(store) = recorded(config)? {
        store.copy_to(copy.path())?;
        original = Some(store.inode());
    }
    let state = State::new(Store::open(copy.path())?);
    let (mut sums, mut all_calls) = (Vec::new(), 0);
    let is_one = chosen(config, names).count() == 1;
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
        let mut worker = MirrorWorker::open(mirror.clone(), &state)?;
        if let Some(held) = worker.undecided(&state)? {
            sums.push(format!("{}: {}", mirror.name, held.text(&mirror.name)));
            continue;
        }
        // One look at everything; a cycle would take on a part at a time.
        worker.max_additions = usize::MAX;
        let (moves, prepared) = worker.preview(&state, &Disks::default())?;
        for moved in &moves {
            output::line(&format!("move folder {} to {}", moved.from, moved.to))?;
        }
        for step in &prepared.plan.steps {
            let text = step.to_string();
            for line in text.lines() {
                output::line(&output::harmless(line))?;
            }
        }
        let held = prepared.outcome.held;
        let planned =
            Planned { plan: &prepared.plan, moves: moves.len() as u64, is_held: held.is_some() };
        let calls = worker.expected_calls(&state, &planned)?;
        all_calls += calls.sum();
        let cost = prepared.plan.cost();
        let held = held.map(|held| format!("\n{}", Held::Removals(held).text(&mirror.name)));
        sums.push(format!(
            "{}: {} to send ({}); {}, of these {} for the target and {} for the records and other \
             upkeep; at least {}{}",
            mirror.name,
            counted(cost.files, "file"),
            bytes(cost.bytes),
            counted(calls.sum(), "call"),
            count(calls.target),
            count(calls.upkeep),
            duration(at_least(config, calls.sum())),
            held.unwrap_or_default()
        ));
    }
    if !is_one {
        let (calls, time) = (counted(all_calls, "call"), at_least(config, all_calls));
        sums.push(format!("together: {calls}; at least {}", duration(time)));
    }
    sums.iter().try_for_each(|sum| output::line(sum))?;
    Ok(Exit::Done)
}

/// How long so many calls take by the pace alone.
fn at_least(config: &Config, calls: u64) -> Duration {
    let pace = config.pace.calls_per_second.max(0.01);
    Duration::try_from_secs_f64(calls as f64 / pace).unwrap_or_default()
}

/// Prints the files that a prune would remove.
pub(super) fn prune_dry_run(config: &Config, name: &str) -> anyhow::Result<Exit> {
    let mirror = named(config, name)?;
    let store = recorded(config)?;
    let row = store
        .as_ref()
        .map(|s| s.mirror_of(&mirror.name, &mirror.source, &mirror.target))
        .transpose()?
        .flatten();
    let (mut files, mut size, mut written) = (0, 0, Ok(()));
    if let (Some(store), Some(row)) = (store, row) {
        store.entries_below(row.root, |path, entry| {
            if entry.unmanaged && entry.remote().is_some() {
                files += 1;
                size += entry.stamp.size_bytes;
                written = output::line(&format!("remove {path}"));
            }
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
    }
    written?;
    let what = if mirror.keep == Keep::None { "removed" } else { "moved to the versions" };
    output::line(&format!("{name}: {} files ({}) would be {what}", count(files), bytes(size)))?;
    Ok(Exit::Done)
}

/// The status by the state file.
pub(super) fn status(config: &Config) -> anyhow::Result<Status> {
    let hold_off = hold_off(config).map(health::hold_off_status);
    Ok(match recorded(config)? {
        Some(store) => health::offline(&store, &config.mirrors, config.pace.time_scale, hold_off)?,
        None => health::never(&config.mirrors, hold_off),
    })
}

/// Explains a path from the records.
pub(super) fn explain(config: &Config, path: &std::path::Path) -> anyhow::Result<Reply> {
    let state = recorded(config)?.map(State::new);
    Ok(Reply::Why(why(state.as_ref(), config, None, path)?))
}

/// Records whether the next start of the service begins paused. Going on also lets one call through
/// a long hold-off.
pub(super) fn pause(config: &Config, paused: bool) -> anyhow::Result<Exit> {
    let mut store = Store::open(&config.state_dir)?;
    store.write(|w| w.set_paused(paused))?;
    store.close()?;
    let next = if paused {
        "paused, also for `fichierd sync`; the service is not running, and begins paused when it \
         starts; go on with: fichierd resume"
    } else {
        "no longer paused; the service is not running, and mirrors at once when it starts"
    };
    output::line(next)?;
    let pacer = recorded_pacer(config).filter(|_| !paused);
    if let Some(text) = pacer.and_then(|pacer| lifted(&pacer)) {
        output::line(&text)?;
    }
    Ok(Exit::Done)
}

/// Records the result of a proof; the next cycle sends the broken files again.
pub(super) fn keep_proof(config: &Config, found: &Proved) -> anyhow::Result<u64> {
    let store = Store::open(&config.state_dir)?;
    let state = State::new(store);
    let sent_again = proof::keep(&state, named(config, &found.mirror)?, None, found)?;
    if let Some(store) = state.into_store() {
        store.close()?;
    }
    Ok(sent_again)
}

/// Records the answers that a probe has got.
pub(super) fn keep_habits(config: &Config, habits: &Habits) -> anyhow::Result<()> {
    let mut store = Store::open(&config.state_dir)?;
    store.write(|w| habits.keep(w))?;
    Ok(store.close()?)
}

/// Lets the next cycle do the work that is held.
pub(super) fn approve_held(config: &Config, name: &str, take_over: bool) -> anyhow::Result<Exit> {
    let shared = open_shared(config)?;
    let mirror = named(config, name)?;
    match approve(&shared.state, mirror, take_over)? {
        Ok(message) => output::line(&message)?,
        Err(why) => {
            close(shared)?;
            return Err(ended(Exit::Held, why));
        }
    }
    output::line("it happens at the next start of the service, or at: fichierd sync")?;
    close(shared)?;
    Ok(Exit::Done)
}

/// Carries out a reject or a prune.
pub(super) async fn work(config: &Config, name: &str, work: Work) -> anyhow::Result<Exit> {
    let shared = open_shared(config)?;
    let mut worker = MirrorWorker::open(named(config, name)?.clone(), &shared.state)?;
    let reply = work.carry_out(&shared, &mut worker).await;
    drop(worker);
    close(shared)?;
    service::show(reply)
}

/// The state, opened read-only; `None` if there is none yet.
fn recorded(config: &Config) -> anyhow::Result<Option<Store>> {
    match Store::open_read_only(&config.state_dir) {
        Ok(store) => Ok(Some(store)),
        Err(Error::Absent { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn named<'a>(config: &'a Config, name: &str) -> anyhow::Result<&'a MirrorConfig> {
    service::known_mirror(config, name)?;
    config.mirror(name).ok_or_else(|| anyhow::anyhow!("there is no mirror `{name}`"))
}

fn chosen<'a>(config: &'a Config, names: &'a [String]) -> impl Iterator<Item = &'a MirrorConfig> {
    config.mirrors.iter().filter(move |mirror| names.is_empty() || names.contains(&mirror.name))
}

/// Marks a clean end, so that the next start need not check the whole file.
fn close(shared: Shared) -> anyhow::Result<()> {
    let Shared { state, .. } = shared;
    match state.into_store() {
        Some(store) => Ok(store.close()?),
        None => Ok(()),
    }
}
