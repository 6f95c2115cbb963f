//! The service's answers to commands.

use std::path::PathBuf;

use fichier_state::{KeysId, Mirror};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::why::{Unsettled, why};
use super::{Daemon, Ended};
use crate::base::words::{chain, count, counted};
use crate::base::{Exit, State};
use crate::config::MirrorConfig;
use crate::daemon::control::{Call, Job, Reply, Request};
use crate::daemon::health;
use crate::mirror::{Held, MirrorWorker, Patience, Shared, Trouble, approve_change, approve_form};
use crate::remote::{Habits, claims, target, trust};
use crate::restore::{Proved, proof};
use crate::status::CycleSummary;
use crate::upkeep::{burst, former};

/// The answer to `approve` and `reject` while nothing waits for a decision.
pub const NOTHING_HELD: &str = "nothing is held: there is nothing to decide";

impl Daemon {
    pub(super) fn answer(&mut self, call: Call) {
        let Call { request, reply } = call;
        match request.job() {
            Some(Job::Cycles(mirrors)) => self.sync_now(mirrors, reply),
            Some(Job::Work(mirror, work)) => self.begin_work(mirror.to_owned(), work, reply),
            None => {
                if let Request::Why { path } = request {
                    self.explain(path, reply);
                } else if let Some(answer) = self.answer_at_once(&request) {
                    // The asker may have gone away.
                    reply.send(answer).ok();
                }
            }
        }
    }

    /// The answer to a request that begins no work; `None` if it does begin some.
    fn answer_at_once(&mut self, request: &Request) -> Option<Reply> {
        Some(match request {
            Request::Status => Reply::Status(self.status()),
            Request::Pause => self.pause(true),
            Request::Resume => self.resume(),
            &Request::Approve { ref mirror, take_over, encrypt_again, remove_plain } => {
                self.approve(mirror, How { take_over, encrypt_again, remove_plain })
            }
            Request::Proved(proved) => self.keep_proof(proved),
            Request::Habits(habits) => self.keep_habits(habits),
            Request::PasswordKept { mirror, keys } => self.keep_password(mirror, *keys),
            Request::Why { .. }
            | Request::Sync { .. }
            | Request::Reject { .. }
            | Request::Prune { .. } => return None,
        })
    }

    /// Explains a path beside the loop, which must not wait for a disk.
    fn explain(&mut self, path: PathBuf, reply: oneshot::Sender<Reply>) {
        let (state, config) = (self.shared.state.clone(), self.config.clone());
        let unsettled =
            self.seats.iter().map(|(name, seat)| (name.clone(), seat.unsettled.clone()));
        let unsettled: Unsettled = unsettled.collect();
        self.feeders.spawn_blocking(move || {
            let answer = match why(Some(&state), &config, Some(&unsettled), &path) {
                Ok(answer) => Reply::Why(answer),
                Err(error) => refused(&chain(&error), Exit::Failed),
            };
            // The asker may have gone away.
            reply.send(answer).ok();
        });
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
        for config in &self.config.mirrors {
            let name = &config.name;
            if let Some(seat) = self.seats.get_mut(name)
                && (mirrors.is_empty() || mirrors.contains(name))
            {
                let (done, ended) = oneshot::channel();
                seat.schedule.rescan_now(Instant::now());
                let patience = Patience::new(&seat.config, self.shared.client.pacer().time_scale());
                let waiter = super::waiter::Waiter::new(done, seat.is_working(), patience);
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

    pub(super) fn pause(&mut self, paused: bool) -> Reply {
        if let Err(error) = self.shared.state.write(|w| w.set_paused(paused)) {
            return refused(&chain(&error), Exit::Failed);
        }
        let was_paused = std::mem::replace(&mut self.paused, paused);
        let message = if paused && was_paused {
            "it was paused already: nothing new is begun; go on with: fichierd resume"
        } else if paused {
            "paused: nothing new is begun, also after a restart; go on with: fichierd resume"
        } else if was_paused {
            "the service goes on"
        } else {
            "nothing was paused"
        };
        Reply::Done { message: message.to_owned() }
    }

    fn approve(&mut self, name: &str, how: How) -> Reply {
        let Some(seat) = self.seats.get_mut(name) else { return unknown(name) };
        match approve(&self.shared.state, &seat.config, how) {
            Ok(Ok(None)) => Reply::Done { message: NOTHING_HELD.to_owned() },
            Ok(Ok(Some(message))) => {
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

    fn keep_password(&self, mirror: &str, keys: KeysId) -> Reply {
        if !self.seats.contains_key(mirror) {
            return unknown(mirror);
        }
        match self.shared.state.write(|w| health::keep(w, mirror, keys)) {
            Ok(()) => Reply::Done { message: health::KEPT.replace("MIRROR", mirror) },
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
                    (name, worker, Ended::Asked(Box::new(answer), reply))
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
            Work::Reject => match unrejectable(&shared.state, &worker.config) {
                Ok(None) => {
                    let kept = worker.reject(shared).await;
                    kept.map(|kept| rejected(&worker.config.name, kept))
                }
                Ok(Some(answer)) => return answer,
                Err(error) => return refused(&chain(&error), Exit::Failed),
            },
            Work::Prune => worker.prune(shared).await.map(pruned),
        };
        match done {
            Ok(message) => Reply::Done { message },
            Err(error) => {
                let trouble = Trouble::judge(error, shared.state.clock().wall());
                refused(&trouble.text(&worker.config.name), trouble.exit())
            }
        }
    }
}

/// The answer to a `reject` for which there is nothing to reject; `None` if removals are held.
fn unrejectable(
    state: &State,
    config: &MirrorConfig,
) -> Result<Option<Reply>, fichier_state::Error> {
    let row = state.read(|s| s.mirror_of(&config.name, &config.source, &config.target))?;
    Ok(match row.as_ref().and_then(Held::of) {
        Some(Held::Removals(_)) => None,
        None => Some(Reply::Done { message: NOTHING_HELD.to_owned() }),
        Some(held) => {
            let message = format!(
                "only removals can be rejected, and none are held; held is all work of `{}`: {}",
                config.name,
                held.text(&config.name)
            );
            Some(refused(&message, Exit::Held))
        }
    })
}

fn rejected(mirror: &str, kept: usize) -> String {
    if kept == 0 {
        return "nothing is held any more: what was to be removed is there again".to_owned();
    }
    let paths = counted(kept as u64, "path");
    format!("kept on 1fichier, no longer compared: {paths}; to remove: fichierd prune {mirror}")
}

fn pruned(files: u64) -> String {
    match files {
        0 => "there are no unmanaged files: nothing was removed".to_owned(),
        1 => "1 unmanaged file was taken out of the mirror".to_owned(),
        files => format!("{} unmanaged files were taken out of the mirror", count(files)),
    }
}

/// What a person has approved besides what every approval means.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// A target that another installation uses is taken over.
    pub take_over: bool,
    /// All files are sent again in the form that is configured now.
    pub encrypt_again: bool,
    /// The versions in a former form are removed at once, and nothing else is approved.
    pub remove_plain: bool,
}

impl How {
    /// The answer where nothing is held, if something else than what is held was to be approved: it
    /// may have to be noticed first.
    fn not_asked_for(self, mirror: &str) -> Option<String> {
        let what = match self {
            How { encrypt_again: true, .. } => "Another password, or another way to keep names,",
            How { take_over: true, .. } => "Another installation in the target",
            How { .. } => return None,
        };
        Some(format!(
            "nothing was approved: `{mirror}` is not held. {what} is noticed at the next start of \
             the service, or by: fichierd sync {mirror}; approve it after that",
        ))
    }
}

/// Approves what a mirror holds: its removals, its source or its target. A target that another
/// installation uses is taken over only with `take_over`, and another form only with `encrypt_again`;
/// then nothing else is approved. With `remove_plain` it says instead that versions in a former form
/// go at once.
/// Returns what was done, `None` if nothing is held, or in `Err` why nothing was done.
///
/// # Errors
///
/// Those of the state file.
pub fn approve(
    state: &State,
    config: &MirrorConfig,
    how: How,
) -> Result<Result<Option<String>, String>, fichier_state::Error> {
    let row = state.read(|s| s.mirror_of(&config.name, &config.source, &config.target))?;
    if how.remove_plain {
        let Some(row) = row else { return Ok(Ok(None)) };
        return state.write(|w| former::want_removed(w, &row));
    }
    let held = row.as_ref().and_then(Held::of);
    if held.is_none()
        && let Some(why) = how.not_asked_for(&config.name)
    {
        return Ok(Err(why));
    }
    let Some(row) = row else { return Ok(Ok(None)) };
    let approved = match held {
        Some(held) => Some(approve_held(state, config, how, (held, row.clone()))?),
        None => None,
    };
    if let Some(Err(why)) = approved {
        return Ok(Err(why));
    }
    let ended = state.write(|w| burst::approve(w, row.id))?.map(|ended| {
        format!(
            "earlier versions expire again, after {} had been replaced, emptied or renamed within \
             a day; as many are usual from now on",
            counted(ended.files, "file")
        )
    });
    let said: Vec<String> = approved.into_iter().flatten().chain(ended).collect();
    Ok(Ok((!said.is_empty()).then(|| said.join("; "))))
}

fn approve_held(
    state: &State,
    config: &MirrorConfig,
    how: How,
    (held, row): (Held, Mirror),
) -> Result<Result<String, String>, fichier_state::Error> {
    let How { take_over, encrypt_again, .. } = how;
    if let Some(done) = state.write(|w| approve_form(w, &row, &held, encrypt_again))? {
        return Ok(done.map_err(|()| held.text(&config.name)));
    }
    if encrypt_again {
        return Ok(Err(format!(
            "the files of `{}` are stored as it is configured; held is: {}",
            config.name,
            held.text(&config.name)
        )));
    }
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
        (false, false) if !held.is_approvable() => {
            let text = held.text(&config.name);
            return Ok(Err(format!("this cannot be approved, only corrected: {text}")));
        }
        (false, false) => {}
    }
    if let Held::Target(refused) = &held {
        let done = state.write(|w| {
            let done = approve_change(w, &row, refused)?;
            if done.is_some() {
                w.update_mirror(&Mirror { held: None, ..row.clone() })?;
            }
            Ok(done)
        })?;
        if let Some(message) = done {
            return Ok(Ok(message));
        }
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
        1 => "approved: 1 removal goes on".to_owned(),
        n => format!("approved: {} removals go on", count(n)),
    }))
}

fn unknown(name: &str) -> Reply {
    refused(&format!("there is no mirror `{name}`"), Exit::Usage)
}

fn refused(message: &str, exit: Exit) -> Reply {
    Reply::Refused { message: message.to_owned(), exit: exit.code() }
}
