//! The commands while no service runs: they take its lock and do the work themselves.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use fichier_api::Pacer;
use fichier_state::{Error, Store};
use tokio::time::Instant;

use super::failure::ended;
use super::output;
use super::progress::{Shown, SoFar};
use super::service::{self, cycle_line, exit_of_cycles};
use crate::base::words::{bytes, counted, duration};
use crate::base::{Exit, State};
use crate::config::connect::{hold_off, recorded_pacer};
use crate::config::{Config, Keep, MirrorConfig};
use crate::daemon::control::Reply;
use crate::daemon::health::Met;
use crate::daemon::web::textfile;
use crate::daemon::{How, NOTHING_HELD, Work, alerts, approve, health, lifted, open_shared, why};
use crate::disk::Due;
use crate::mirror::{CycleEnd, MirrorWorker, Patience, Shared, Trouble};
use crate::remote::Habits;
use crate::restore::{Proved, proof};
use crate::status::{CycleSummary, HoldOffStatus, Status};

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
    tell_others(&shared, config).await?;
    close(shared)?;
    Ok(exit_of_cycles(&cycles))
}

fn offline(
    store: &Store,
    config: &Config,
    hold_off: Option<HoldOffStatus>,
) -> Result<Status, Error> {
    let scale = config.pace.time_scale;
    health::offline(store, &config.mirrors, &config.notify, scale, hold_off)
}

/// Tells receivers of alerts how the mirrors are now, and leaves the metrics in their file, where the
/// configuration names any.
async fn tell_others(shared: &Shared, config: &Config) -> anyhow::Result<()> {
    if config.notify.is_empty() && config.metrics.textfile.is_none() {
        return Ok(());
    }
    let hold_off = shared.client.pacer().hold_off().map(health::hold_off_status);
    let status = shared.state.read(|s| offline(s, config, hold_off))?;
    alerts::tell_once(&shared.state, &shared.random, config, &status).await;
    if let Some(path) = &config.metrics.textfile
        && let Err(error) = textfile::write(path, &status)
    {
        textfile::tell(path, &error);
    }
    Ok(())
}

/// Mirrors one mirror and does its chores; and mirrors once more if they have found that a copy is
/// not as recorded. Its line tells all calls that were made, those of the chores included.
async fn sync_one(
    shared: &Shared,
    worker: &mut MirrorWorker,
) -> anyhow::Result<(CycleSummary, Met)> {
    let name = worker.config.name.clone();
    let (mut cycle, mut end) = mirror_one(shared, worker).await?;
    let mut chores_trouble = None;
    if end.trouble.is_none() {
        chores_trouble = chores(shared, worker, &mut cycle).await;
        if worker.dirty.is_empty() {
            end.completeness = worker.completeness(shared)?;
        } else {
            let (again, end_again) = mirror_one(shared, worker).await?;
            (cycle, end) = (cycle.and(again), end_again);
        }
    }
    let after = health::summary(&name, &end);
    if cycle.complete && !after.complete {
        let CycleSummary { exit, complete, outcome, .. } = after;
        cycle = CycleSummary { exit, complete, outcome, ..cycle };
    }
    output::line(&cycle_line(&cycle))?;
    Ok((cycle, Met { mirror: name, end, chores_trouble }))
}

/// Does the chores of a mirror, and adds what they took to its `cycle`. Returns why they failed.
async fn chores(
    shared: &Shared,
    worker: &mut MirrorWorker,
    cycle: &mut CycleSummary,
) -> Option<Trouble> {
    let pacer = shared.client.pacer();
    let (began, calls) = (Instant::now(), pacer.calls_made());
    let shown = Shown::bar(&worker.config.name, Some(pacer), || SoFar {
        text: "looking after the copies and the records".to_owned(),
        ..SoFar::default()
    });
    let trouble = worker.chores(shared).await.trouble;
    drop(shown);
    cycle.calls += pacer.calls_made().saturating_sub(calls);
    cycle.seconds += began.elapsed().as_secs_f64();
    if let Some(trouble) = &trouble {
        let name = &worker.config.name;
        tracing::warn!(mirror = %name, "{}", trouble.text(name));
    }
    trouble
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
        SoFar {
            bytes_done: sent.load(Ordering::Relaxed),
            bytes,
            text: text.to_owned(),
            waits: false,
        }
    })
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
    let text = match (files, mirror.keep) {
        (0, _) => "there are no unmanaged files: nothing would be removed".to_owned(),
        (_, Keep::None) => format!("{} ({}) would be removed", counted(files, "file"), bytes(size)),
        _ => {
            let files = counted(files, "file");
            format!("{files} ({}) would be moved to the versions", bytes(size))
        }
    };
    output::line(&format!("{name}: {text}"))?;
    Ok(Exit::Done)
}

/// The status by the state file.
pub(super) fn status(config: &Config) -> anyhow::Result<Status> {
    let hold_off = hold_off(config).map(health::hold_off_status);
    Ok(match recorded(config)? {
        Some(store) => offline(&store, config, hold_off)?,
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
    let was_paused = store.paused()?;
    store.write(|w| w.set_paused(paused))?;
    store.close()?;
    let next = match (was_paused, paused) {
        (false, true) => {
            "paused, also for `fichierd sync`; the service is not running, and begins paused when \
             it starts; go on with: fichierd resume"
        }
        (true, true) => {
            "it was paused already, also for `fichierd sync`; the service is not running; go on \
             with: fichierd resume"
        }
        (true, false) => {
            "no longer paused; the service is not running, and mirrors at once when it starts"
        }
        (false, false) => {
            "nothing was paused; the service is not running, and mirrors at once when it starts"
        }
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
pub(super) fn approve_held(config: &Config, name: &str, how: How) -> anyhow::Result<Exit> {
    let shared = open_shared(config)?;
    let mirror = named(config, name)?;
    let approved = approve(&shared.state, mirror, how);
    close(shared)?;
    match approved? {
        Ok(None) => output::line(NOTHING_HELD)?,
        Ok(Some(message)) => {
            output::line(&message)?;
            output::line("it happens at the next start of the service, or at: fichierd sync")?;
        }
        Err(why) => return Err(ended(Exit::Held, why)),
    }
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
pub(super) fn recorded(config: &Config) -> anyhow::Result<Option<Store>> {
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

pub(super) fn chosen<'a>(
    config: &'a Config,
    names: &'a [String],
) -> impl Iterator<Item = &'a MirrorConfig> {
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
