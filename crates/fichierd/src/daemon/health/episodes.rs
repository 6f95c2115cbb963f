//! When a state began and when it ended, however often it comes and goes in between.
//!
//! Pure: what is found, and the time, come from outside. An episode has ended when its state has
//! been gone for its [`patience`](crate::status::kind::About::patience); a state that returns
//! sooner goes on with its episode, and nothing is said. Episodes outlive the process: one that is
//! only remembered goes on until somebody has looked whether its state is still there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Found;
use crate::status::kind::Kind;

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
    /// Which state.
    pub kind: Kind,
    /// Of which mirror; `None` for the service.
    pub mirror: Option<String>,
    /// Since when; Unix seconds.
    pub since_s: i64,
    /// What was found when it began.
    pub cause: String,
}

/// What is to be said, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A state begins, or goes on after a restart.
    Begins(Found),
    /// It has ended.
    Ended {
        /// Which state.
        kind: Kind,
        /// Of which mirror.
        mirror: Option<String>,
        /// How long it lasted, until it was seen for the last time.
        lasted: Duration,
    },
}

/// All episodes.
#[derive(Debug, Default)]
pub struct Episodes {
    all: BTreeMap<(Kind, Option<String>), Episode>,
    /// Every patience is divided by it, as all waiting times are.
    time_scale: u32,
}

#[derive(Debug)]
struct Episode {
    since_s: i64,
    /// The monotonic clock tells how long it lasted, whatever the other one does meanwhile.
    began: Option<Instant>,
    found: Found,
    /// Seen by this process; if not, it is only remembered.
    is_seen: bool,
    /// Since when it is not found any more.
    gone: Option<Now>,
}

impl Episodes {
    /// Goes on from what an earlier process remembered.
    pub fn new(remembered: Vec<Remembered>, time_scale: u32) -> Episodes {
        let episode = |it: Remembered| {
            let Remembered { kind, mirror, since_s, cause } = it;
            let found = Found { kind, mirror: mirror.clone(), cause, next_try: None };
            let episode = Episode { since_s, began: None, found, is_seen: false, gone: None };
            ((kind, mirror), episode)
        };
        Episodes { all: remembered.into_iter().map(episode).collect(), time_scale }
    }

    /// Takes in what is found now, and returns what is to be said.
    ///
    /// `is_judged` tells whether somebody has looked, since the start, at what a mirror's state
    /// (or, for `None`, the service's) follows from.
    pub fn observe(
        &mut self,
        now: Now,
        found: Vec<Found>,
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

    /// The episodes that go on, each with its beginning (Unix seconds), the heaviest first.
    pub fn current(&self) -> impl Iterator<Item = (&Found, i64)> {
        // One that is only remembered goes on until somebody has looked.
        let goes_on = |episode: &&Episode| episode.gone.is_none() || !episode.is_seen;
        let mut current: Vec<_> = self.all.values().filter(goes_on).collect();
        current.sort_by_key(|episode| episode.found.kind.about().weight);
        current.into_iter().map(|episode| (&episode.found, episode.since_s))
    }

    /// When the next episode may end.
    pub fn next_end(&self) -> Option<Instant> {
        let scale = self.time_scale.max(1);
        let end = |(key, episode): (&(Kind, _), &Episode)| {
            let gone = episode.gone.filter(|_| episode.is_seen)?;
            Some(gone.steady + key.0.about().patience / scale)
        };
        self.all.iter().filter_map(end).min()
    }

    /// All that goes on, for the state file.
    pub fn to_remember(&self) -> Vec<Remembered> {
        let remembered = |((kind, mirror), episode): (&(Kind, Option<String>), &Episode)| {
            let cause = episode.found.cause.clone();
            Remembered { kind: *kind, mirror: mirror.clone(), since_s: episode.since_s, cause }
        };
        self.all.iter().map(remembered).collect()
    }
}
