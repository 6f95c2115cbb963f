//! The service's answers to commands.

use std::path::Path;

use fichier_state::{Mirror, RelPath};
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Daemon, Ended};
use crate::base::words::chain;
use crate::base::{Exit, State};
use crate::config::MirrorConfig;
use crate::daemon::control::{Call, Reply, Request};
use crate::disk::{Filter, FilterVerdict, Origin};
use crate::mirror::{Held, MirrorWorker, Shared};
use crate::remote::{Habits, claims, target, trust};
use crate::restore::{Proved, proof};
use crate::status::{CycleSummary, WhyAnswer};

impl Daemon {
    pub(super) fn answer(&mut self, call: Call) {
        let Call { request, reply } = call;
        let answer = match request {
            Request::Status => Reply::Status(self.status()),
            Request::Sync { mirrors } => return self.sync_now(&mirrors, reply),
            Request::Pause => self.pause(true),
            Request::Resume => self.pause(false),
            Request::Approve { mirror, take_over } => self.approve(&mirror, take_over),
            Request::Reject { mirror } => return self.begin_work(mirror, Work::Reject, reply),
            Request::Prune { mirror } => return self.begin_work(mirror, Work::Prune, reply),
            Request::Proved { proved } => self.keep_proof(&proved),
            Request::Habits { habits } => self.keep_habits(&habits),
            Request::Why { path } => why(Some(&self.shared.state), &self.config.mirrors, &path),
        };
        // The asker may have gone away.
        reply.send(answer).ok();
    }

    /// Runs a cycle of each mirror now, over everything, and answers when they have ended.
    fn sync_now(&mut self, mirrors: &[String], reply: oneshot::Sender<Reply>) {
        if self.paused {
            reply
                .send(refused("the service is paused; go on with: fichierd resume", Exit::Held))
                .ok();
            return;
        }
        let mut waiting = Vec::new();
        for (name, seat) in &mut self.seats {
            if mirrors.is_empty() || mirrors.contains(name) {
                let (done, ended) = oneshot::channel();
                seat.schedule.rescan_now(Instant::now());
                let waiter = super::waiter::Waiter::new(done, seat.is_working(), &seat.config);
                seat.waiting.push(waiter);
                waiting.push(ended);
            }
        }
        self.feeders.spawn(async move {
            let mut cycles: Vec<CycleSummary> = Vec::new();
            for ended in waiting {
                cycles.extend(ended.await);
            }
            reply.send(Reply::Cycle(cycles)).ok();
        });
    }

    fn pause(&mut self, paused: bool) -> Reply {
        if let Err(error) = self.shared.state.write(|w| w.set_paused(paused)) {
            return refused(&chain(&error), Exit::Failed);
        }
        self.paused = paused;
        let message = if paused {
            "paused: nothing new is begun, also after a restart; go on with: fichierd resume"
        } else {
            "the service goes on"
        };
        Reply::Done { message: message.to_owned() }
    }

    fn approve(&mut self, name: &str, take_over: bool) -> Reply {
        let Some(seat) = self.seats.get_mut(name) else { return unknown(name) };
        match approve(&self.shared.state, &seat.config, take_over) {
            Ok(Ok(message)) => {
                seat.schedule.rescan_now(Instant::now());
                Reply::Done { message }
            }
            Ok(Err(why)) => refused(&why, Exit::Held),
            Err(error) => refused(&chain(&error), Exit::Failed),
        }
    }

    /// Records the result of a proof that a command has made beside the service; broken files are
    /// sent again.
    fn keep_proof(&mut self, found: &Proved) -> Reply {
        let Some(seat) = self.seats.get_mut(&found.mirror) else { return unknown(&found.mirror) };
        match proof::keep(&self.shared.state, &seat.config, Some(&seat.dirty), found) {
            Ok(sent_again) => Reply::Proved { sent_again },
            Err(error) => refused(&chain(&error), Exit::Failed),
        }
    }

    fn keep_habits(&self, habits: &Habits) -> Reply {
        match self.shared.state.write(|w| habits.keep(w)) {
            Ok(()) => Reply::Done { message: "kept".to_owned() },
            Err(error) => refused(&chain(&error), Exit::Failed),
        }
    }

    /// Begins work that must not run beside a cycle of the mirror; it is refused while one runs.
    /// The work runs beside the loop, as a cycle does, because the loop must feed its watchdog.
    fn begin_work(&mut self, name: String, work: Work, reply: oneshot::Sender<Reply>) {
        let worker = match self.seats.get_mut(&name) {
            None => Err(unknown(&name)),
            Some(seat) => seat.worker.take().ok_or_else(|| {
                let message = format!(
                    "a cycle of `{name}` is under way; try again when it has ended: fichierd status"
                );
                refused(&message, Exit::TryLater)
            }),
        };
        match worker {
            Ok(mut worker) => {
                let shared = self.shared.clone();
                self.cycles.spawn(async move {
                    let answer = work.carry_out(&shared, &mut worker).await;
                    (name, worker, Ended::Asked(answer, reply))
                });
            }
            // The asker may have gone away.
            Err(answer) => drop(reply.send(answer)),
        }
    }
}

/// Work that a command does with a mirror, in the service or beside it.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Keep on 1fichier the files that are held for removal.
    Reject,
    /// Remove the files that are unmanaged.
    Prune,
}

impl Work {
    /// Does the work, and returns the answer to the command.
    pub async fn carry_out(self, shared: &Shared, worker: &mut MirrorWorker) -> Reply {
        let done = match self {
            Work::Reject => worker.reject(shared).await.map(|kept| {
                format!("kept on 1fichier, no longer compared: {kept} paths; remove them with: fichierd prune {}", worker.config.name)
            }),
            Work::Prune => worker.prune(shared).await.map(|files| {
                format!("{files} unmanaged files were taken out of the mirror")
            }),
        };
        match done {
            Ok(message) => Reply::Done { message },
            Err(error) => refused(&chain(&error), Exit::Failed),
        }
    }
}

/// Approves what a mirror holds: its removals, its source or its target. A target that another
/// installation uses is taken over only with `take_over`, and then nothing else is approved.
/// Returns what was done, or in `Err` why nothing was done.
///
/// # Errors
///
/// Those of the state file.
pub fn approve(
    state: &State,
    config: &MirrorConfig,
    take_over: bool,
) -> Result<Result<String, String>, fichier_state::Error> {
    let row = state.read(|s| s.mirror(&config.name, &config.target))?;
    let row = row.and_then(|row| Some((Held::of(&row)?, row)));
    let Some((held, row)) = row else { return Ok(Ok("nothing is held".to_owned())) };
    match (held.is_taken(), take_over) {
        (true, false) => return Ok(Err(held.text(&config.name))),
        (false, true) => {
            return Ok(Err(format!(
                "no other installation works on the target of `{}`, so it cannot be taken over; \
                 held is: {}",
                config.name,
                held.text(&config.name)
            )));
        }
        (true, true) => {
            state.write(|w| {
                claims::take_over(&config.name).set(w, true)?;
                w.update_mirror(&Mirror { held: None, ..row.clone() })
            })?;
            return Ok(Ok("the target is taken over; the mirror goes on".to_owned()));
        }
        (false, false) => {}
    }
    let files = state.read(|s| s.totals(row.id))?.files;
    let emptied = std::fs::read_dir(&config.source).is_ok_and(|mut there| there.next().is_none());
    let removals = if emptied { files } else { held.removals() };
    state.write(|w| {
        if removals > 0 {
            w.set_allowance(row.id, removals)?;
        } else {
            target::start_anew(&config.name).set(w, true)?;
        }
        trust::hold_removals(w, row.id, false)?;
        w.update_mirror(&Mirror { held: None, identity: None, ..row.clone() })
    })?;
    Ok(Ok(match removals {
        0 => "approved; the mirror goes on".to_owned(),
        n => format!("approved: {n} removals go on"),
    }))
}

/// Explains one path: which mirror it belongs to, whether a filter excludes it, and what is
/// recorded of it.
///
/// Without a `state` nothing is recorded.
pub fn why(state: Option<&State>, mirrors: &[MirrorConfig], path: &Path) -> Reply {
    match explain(state, mirrors, path) {
        Ok(answer) => Reply::Why(answer),
        Err(error) => refused(&chain(&error), Exit::Failed),
    }
}

fn explain(
    state: Option<&State>,
    mirrors: &[MirrorConfig],
    path: &Path,
) -> Result<WhyAnswer, fichier_state::Error> {
    use std::os::unix::ffi::OsStrExt;
    let mut answer = WhyAnswer {
        mirror: None,
        path: path.display().to_string(),
        verdict: "not below the source of any mirror".to_owned(),
        recorded: None,
        problem: None,
        next_try: None,
    };
    let Some(mirror) = mirrors.iter().find(|mirror| path.starts_with(&mirror.source)) else {
        return Ok(answer);
    };
    answer.mirror = Some(mirror.name.clone());
    let below = path.strip_prefix(&mirror.source).unwrap_or(path);
    let Ok(below) = RelPath::parse(below.as_os_str().as_bytes()) else { return Ok(answer) };
    let is_dir = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    answer.verdict = match Filter::new(&mirror.source, &mirror.exclude).map(std::sync::Arc::new) {
        Ok(filter) => match filter.explain(&below, is_dir) {
            FilterVerdict::Included => "included".to_owned(),
            FilterVerdict::Excluded { at, by, from } => excluded(&at, &by, &from),
        },
        Err(error) => error.to_string(),
    };
    let Some(state) = state else { return Ok(answer) };
    let Some(row) = state.read(|s| s.mirror(&mirror.name, &mirror.target))? else {
        return Ok(answer);
    };
    answer.recorded = recorded(state, &row, &below)?;
    let problems = state.read(|s| s.problems(Some(row.id)))?;
    if let Some(problem) = problems.into_iter().find(|problem| problem.path == below) {
        answer.problem = Some(format!("{}; {}", problem.what, problem.hint));
        answer.next_try = Timestamp::from_second(problem.next_try_s).ok();
    }
    Ok(answer)
}

fn recorded(
    state: &State,
    row: &Mirror,
    path: &RelPath,
) -> Result<Option<String>, fichier_state::Error> {
    if let Some(folder) = state.read(|s| s.folder_at(row.id, path))? {
        let counts = state.read(|s| s.count_below(folder.key))?;
        let place = if folder.remote.is_some() { "on 1fichier" } else { "kept in the state only" };
        return Ok(Some(format!("a folder, {place}, {} files below it", counts.files)));
    }
    let parent = path.parent().unwrap_or_else(RelPath::root);
    let Some(parent) = state.read(|s| s.folder_at(row.id, &parent))? else {
        return Ok(None);
    };
    let entry = state.read(|s| s.entry(parent.key, path.name()))?;
    Ok(entry.map(|entry| match entry.remote() {
        None => "kept in the state only: 1fichier takes no empty files and no links".to_owned(),
        Some(copy) => {
            let at = Timestamp::from_second(copy.confirmed_s).unwrap_or(Timestamp::UNIX_EPOCH);
            let unsettled = if copy.unsettled { ", changed while it was read" } else { "" };
            let managed = if entry.unmanaged { ", unmanaged" } else { "" };
            format!(
                "on 1fichier since {at}, {} bytes, BLAKE3 {}{unsettled}{managed}",
                entry.stamp.size_bytes,
                copy.fingerprint.to_hex()
            )
        }
    }))
}

fn excluded(at: &RelPath, by: &str, from: &Origin) -> String {
    match from {
        Origin::Reserved => format!("excluded: the name `{at}` is reserved for fichierd"),
        Origin::Config => format!("`{at}` is excluded by `{by}`, under `exclude` in the config"),
        Origin::File { path, line } => {
            format!("`{at}` is excluded by `{by}`, line {line} of {path}")
        }
    }
}

fn unknown(name: &str) -> Reply {
    refused(&format!("there is no mirror `{name}`"), Exit::Usage)
}

fn refused(message: &str, exit: Exit) -> Reply {
    Reply::Refused { message: message.to_owned(), exit: exit.code() }
}
