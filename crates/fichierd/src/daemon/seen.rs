//! Tells people how the service is: each degraded state once when it begins and once when it has
//! ended, and the line for `systemctl status`.

use std::collections::BTreeMap;
use std::time::Duration;

use fichier_state::{RelPath, Stamp};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Daemon, Seat};
use crate::base::State;
use crate::base::words::{chain, duration};
use crate::daemon::health::{Facts, MirrorFacts, News, Now, REMEMBERED, Remembered, found};
use crate::daemon::schedule::Wake;
use crate::daemon::{health, systemd};
use crate::disk::{Watch, WatchMode};
use crate::mirror::{CycleEnd, Trouble};
use crate::status::{DegradedStatus, Kind, Status};

/// The age up to which a time that 1fichier told is compared with this machine's clock; an older
/// one is ignored, since the machine may have slept meanwhile.
const JUST_HEARD: Duration = Duration::from_secs(60);

/// The facts of a mirror that the status needs, besides the trouble of its last cycle.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Why the last chores failed; `None` if they succeeded.
    chores_trouble: Option<Trouble>,
    /// Why the last uploads were refused, for a reason that concerns every file.
    uploads_refused: Option<String>,
    /// Why the source is not watched; `None` if it is watched.
    not_watched: Option<String>,
    /// Whether a cycle has ended since the start.
    is_judged: bool,
    /// Names of files that were changed through a hard link from another mirror, and the change.
    pub(super) linked: BTreeMap<RelPath, Stamp>,
    /// How often the source had been found to be gone, back or exchanged, as of the last event.
    roots: u64,
    /// How often events had been lost when the last cycle began.
    overflows_at_begin: u64,
    /// How often events had been lost when the last successful look at everything began.
    overflows_looked_at: u64,
}

impl Daemon {
    /// Starts to watch the source of a mirror, unless it is watched already.
    pub(super) fn watch_seat(&mut self, name: &str) {
        let Some(seat) = self.seats.get_mut(name) else { return };
        let Some(worker) = seat.worker.as_ref().filter(|_| seat.watch.is_none()) else { return };
        let filter = std::sync::Arc::clone(&worker.filter);
        let is_excluded =
            std::sync::Arc::new(move |path: &RelPath, is_dir| filter.is_excluded(path, is_dir));
        let (dirty, mounts) = (worker.dirty.clone(), self.mounts.clone());
        let config = &seat.config;
        match Watch::start(&config.source, config.rescan, is_excluded, dirty, mounts) {
            Ok(watch) => (seat.watch, seat.known.not_watched) = (Some(watch), None),
            Err(error) => seat.known.not_watched = Some(chain(&error)),
        }
        (seat.known.overflows_at_begin, seat.known.overflows_looked_at) = (0, 0);
        seat.known.roots = 0;
    }

    /// Finds the degraded states of this moment, and tells the journal, the state file and systemd
    /// which of them have begun or ended.
    pub(super) fn tell(&mut self) {
        let status = self.live();
        let now = Instant::now();
        self.hear_clock();
        let facts = Facts {
            configuration_refused: self.refused_reload.as_deref(),
            clocks_apart: self.clocks_apart,
            mirrors: self.seats_in_order().map(|seat| seat.facts(now)).collect(),
        };
        let found = found(&status, &facts, Timestamp::now());
        let now = Now { steady: now, unix_s: self.shared.state.now_s() };
        let judged = |mirror: Option<&str>| match mirror {
            Some(name) => self.seats.get(name).is_none_or(|seat| seat.known.is_judged),
            None => self.seats.values().all(|seat| seat.known.is_judged),
        };
        let news = self.episodes.observe(now, found, judged);
        news.iter().for_each(say);
        if !news.is_empty() {
            remember(&self.shared.state, &self.episodes.to_remember());
            self.tellers.note_change();
        }
        let status = self.with_degraded(status);
        let (state, random) = (&self.shared.state, &self.shared.random);
        self.alerts.tell((state, random), &self.config, &status, !news.is_empty());
        let line = health::line(&status);
        if line != self.said {
            systemd::status(&line);
            self.said = line;
        }
    }

    /// The mirrors in the order of the configuration.
    pub(super) fn seats_in_order(&self) -> impl Iterator<Item = &Seat> {
        self.config.mirrors.iter().filter_map(|mirror| self.seats.get(&mirror.name))
    }

    /// The status, with its degraded states and what was counted.
    pub(super) fn status(&self) -> Status {
        let status = self.with_degraded(self.live());
        Status { counters: Some(Box::new(self.counters())), ..status }
    }

    fn live(&self) -> Status {
        health::live(&self.shared, &self.config.notify, self.seats_in_order(), self.paused)
    }

    fn with_degraded(&self, mut status: Status) -> Status {
        let now_s = self.shared.state.now_s();
        let current = self.episodes.current();
        let degraded = current.map(|(it, since_s)| it.entry(Some(since_s), now_s)).collect();
        status.set_degraded(degraded);
        status.date_held();
        status
    }

    /// Notes the difference between the clocks, if the service's last reply is fresh.
    fn hear_clock(&mut self) {
        let heard = self.shared.client.service_clock();
        if let Some(heard) = heard.filter(|heard| heard.age() <= JUST_HEARD) {
            self.clocks_apart = Some(heard.difference());
        }
    }
}

impl Seat {
    /// Ends the wait for a source that went, came back or was exchanged since the last event. A
    /// wait for the service goes on.
    pub(super) fn note_source(&mut self) {
        let roots = self.watch.as_ref().map_or(0, |watch| watch.health().roots);
        let is_news = std::mem::replace(&mut self.known.roots, roots) != roots;
        if is_news && self.trouble.as_ref().is_some_and(|it| !it.is_of_the_service()) {
            self.schedule.look_now(Instant::now(), Wake::Mount);
        }
    }

    /// Notes that a cycle begins.
    pub(super) fn note_begin(&mut self) {
        self.known.overflows_at_begin = self.overflows();
    }

    /// Notes the facts that a cycle has shown.
    pub(super) fn note_end(&mut self, end: &CycleEnd) {
        self.known.is_judged = true;
        let report = &end.report;
        if report.uploads_refused.is_some() {
            self.known.uploads_refused.clone_from(&report.uploads_refused);
        } else if health::disproves(end, Kind::UploadsRefused) {
            self.known.uploads_refused = None;
        }
        self.known.chores_trouble.take_if(|was| health::disproves(end, was.kind()));
        if end.trouble.is_none() && end.everything {
            self.known.overflows_looked_at = self.known.overflows_at_begin;
        }
    }

    /// Notes how chores ended.
    pub(super) fn note_chores(&mut self, trouble: Option<Trouble>) {
        self.known.chores_trouble = trouble;
    }

    fn facts(&self, now: Instant) -> MirrorFacts<'_> {
        let chores = self.schedule.next_chores().filter(|_| self.known.chores_trouble.is_some());
        let waits = self.schedule.waits_until().or(chores);
        let next_try = waits.filter(|until| *until > now);
        let next_try = next_try.and_then(|until| Timestamp::now().checked_add(until - now).ok());
        MirrorFacts {
            trouble: self.trouble.as_ref(),
            chores_trouble: self.known.chores_trouble.as_ref(),
            uploads_refused: self.known.uploads_refused.as_deref(),
            events_lost: self.overflows() > self.known.overflows_looked_at,
            not_watched: self.known.not_watched.as_deref(),
            next_try,
        }
    }

    /// Whether every change in the source is noticed: all of it is watched, and no event was lost
    /// since the last look at everything.
    pub(super) fn misses_nothing(&self) -> bool {
        let is_whole = |watch: &Watch| matches!(watch.health().mode, WatchMode::Watching);
        self.watch.as_ref().is_some_and(is_whole)
            && self.overflows() == self.known.overflows_looked_at
    }

    fn overflows(&self) -> u64 {
        self.watch.as_ref().map_or(0, |watch| watch.health().overflows)
    }
}

fn remember(state: &State, episodes: &Vec<Remembered>) {
    let kept = state.write(|w| {
        if episodes.is_empty() { REMEMBERED.forget(w) } else { REMEMBERED.keep(w, episodes) }
    });
    if let Err(error) = kept {
        // Most likely the state that was to be remembered is that of the state file itself.
        tracing::debug!("degraded states cannot be remembered: {}", chain(&error));
    }
}

fn say(news: &News) {
    match news {
        News::Begins(found) => {
            let (mirror, kind) = (found.mirror.as_deref(), found.kind);
            let (about, state) = (kind.about(), kind.word());
            let cause = &found.cause;
            let text = format!(
                "{}{}: {cause}; what to do: {}",
                head(mirror),
                about.title,
                kind.what_to_do(mirror)
            );
            if about.alarms {
                tracing::error!(mirror, state, "{text}");
            } else {
                tracing::warn!(mirror, state, "{text}");
            }
        }
        News::Ended { kind, mirror, lasted } => {
            let mirror = mirror.as_deref();
            tracing::info!(
                mirror,
                state = kind.word(),
                lasted_s = lasted.as_secs(),
                "{}ended after {}: {}",
                head(mirror),
                duration(*lasted),
                kind.about().title
            );
        }
    }
}

fn head(mirror: Option<&str>) -> String {
    mirror.map(|name| format!("`{name}`: ")).unwrap_or_default()
}

impl Status {
    /// Gives each held thing the date of the degraded state that tells of it.
    fn date_held(&mut self) {
        for mirror in &mut self.mirrors {
            let Some(held) = &mut mirror.held else { continue };
            let of_it = |it: &&DegradedStatus| {
                it.mirror.as_ref() == Some(&mirror.name)
                    && (it.kind == Kind::RemovalsHeld || it.stops)
            };
            if let Some(since) = self.degraded.iter().find(of_it).and_then(|it| it.since) {
                held.since = since;
            }
        }
    }
}
