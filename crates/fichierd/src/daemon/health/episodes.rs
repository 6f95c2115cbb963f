//! The episodes of degraded states: when each one began and ended, even if its state comes and goes
//! in between.
//!
//! The file is pure: the found states and the time are arguments. An episode has ended when its
//! state has been gone for its [`patience`](crate::status::About::patience); if the state
//! returns sooner, the episode goes on and nothing is said. Episodes outlive the process: one that
//! is only remembered goes on until a cycle has looked whether its state is still there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::FoundState;
use crate::status::Kind;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// On the monotonic clock, which tells how long something lasts.
    pub steady: Instant,
    /// On the wall clock, which tells when it was; Unix seconds.
    pub unix_s: i64,
}

/// An episode, for the state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The state.
    pub kind: Kind,
    /// The mirror; `None` if it is a state of the service.
    pub mirror: Option<String>,
    /// The beginning, in Unix seconds.
    pub since_s: i64,
    /// The cause at the beginning, for people.
    pub cause: String,
}

/// A beginning or an end that is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A state begins, or goes on after a restart.
    Begins(FoundState),
    /// A state has ended.
    Ended {
        /// The state.
        kind: Kind,
        /// The mirror; `None` if it was a state of the service.
        mirror: Option<String>,
        /// How long it lasted, until it was found for the last time.
        lasted: Duration,
    },
}

/// All episodes that have not ended.
#[derive(Debug, Default)]
pub struct Episodes {
    all: BTreeMap<(Kind, Option<String>), Episode>,
    /// The factor by which every patience is divided, as all waiting times are.
    time_scale: u32,
}

#[derive(Debug)]
struct Episode {
    since_s: i64,
    /// The beginning by the monotonic clock, which tells how long the episode lasted even if the
    /// wall clock is set meanwhile.
    began: Option<Instant>,
    found: FoundState,
    /// Whether this process has found the state; if not, the episode is only remembered.
    is_seen: bool,
    /// The time since which the state is no longer found.
    gone: Option<Now>,
}

impl Episodes {
    /// Goes on with the episodes that an earlier process remembered.
    pub fn new(remembered: Vec<Remembered>, time_scale: u32) -> Episodes {
        let episode = |it: Remembered| {
            let Remembered { kind, mirror, since_s, cause } = it;
            let found = FoundState { kind, mirror: mirror.clone(), cause, next_try: None };
            let episode = Episode { since_s, began: None, found, is_seen: false, gone: None };
            ((kind, mirror), episode)
        };
        Episodes { all: remembered.into_iter().map(episode).collect(), time_scale }
    }

    /// Takes in the states that are found now, and returns the beginnings and ends to tell.
    ///
    /// `is_judged` says whether a cycle of the mirror (for `None`, of all mirrors) has ended since
    /// the start, so that a state that is not found has really ended.
    pub fn observe(
        &mut self,
        now: Now,
        found: Vec<FoundState>,
        is_judged: impl Fn(Option<&str>) -> bool,
    ) -> Vec<News> {
        let mut news = Vec::new();
        for episode in self.all.values_mut() {
            episode.gone.get_or_insert(now);
        }
        for found in found {
            let key = (found.kind, found.mirror.clone());
            let episode = self.all.entry(key).or_insert_with(|| Episode {
                since_s: now.unix_s,
                began: Some(now.steady),
                found: found.clone(),
                is_seen: false,
                gone: None,
            });
            if !std::mem::replace(&mut episode.is_seen, true) {
                news.push(News::Begins(found.clone()));
            }
            episode.gone = None;
            episode.found = found;
        }
        let scale = self.time_scale.max(1);
        self.all.retain(|(kind, mirror), episode| {
            let Some(gone) = episode.gone else { return true };
            let has_ended = if episode.is_seen {
                now.steady.saturating_duration_since(gone.steady) >= kind.about().patience / scale
            } else {
                is_judged(mirror.as_deref())
            };
            if has_ended {
                let by_clock = u64::try_from(gone.unix_s - episode.since_s).unwrap_or(0);
                let lasted = match episode.began {
                    Some(began) => gone.steady.saturating_duration_since(began),
                    None => Duration::from_secs(by_clock),
                };
                news.push(News::Ended { kind: *kind, mirror: mirror.clone(), lasted });
            }
            !has_ended
        });
        news
    }

    /// The episodes that go on, each with its beginning in Unix seconds; the heaviest come first.
    pub fn current(&self) -> impl Iterator<Item = (&FoundState, i64)> {
        // An episode that is only remembered goes on until a cycle has looked.
        let goes_on = |episode: &&Episode| episode.gone.is_none() || !episode.is_seen;
        let mut current: Vec<_> = self.all.values().filter(goes_on).collect();
        current.sort_by_key(|episode| episode.found.kind.about().weight);
        current.into_iter().map(|episode| (&episode.found, episode.since_s))
    }

    /// The time at which the next episode may end.
    pub fn next_end(&self) -> Option<Instant> {
        let scale = self.time_scale.max(1);
        let end = |(key, episode): (&(Kind, _), &Episode)| {
            let gone = episode.gone.filter(|_| episode.is_seen)?;
            Some(gone.steady + key.0.about().patience / scale)
        };
        self.all.iter().filter_map(end).min()
    }

    /// All episodes that go on, for the state file.
    pub fn to_remember(&self) -> Vec<Remembered> {
        let remembered = |((kind, mirror), episode): (&(Kind, Option<String>), &Episode)| {
            let cause = episode.found.cause.clone();
            Remembered { kind: *kind, mirror: mirror.clone(), since_s: episode.since_s, cause }
        };
        self.all.iter().map(remembered).collect()
    }
}
