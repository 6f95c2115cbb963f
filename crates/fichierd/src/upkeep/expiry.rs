//! Removes, once a day, the versions that the retention (`keep`, `keep_versions`) no longer covers.
//!
//! Versions are removed from the service first, a hundred in one call, and the trees that needed
//! them are forgotten after that: every tree that is still on record can be restored. Only links on
//! our own records are removed, none that is current and none that was foreign (I2); each batch is
//! an intent first (I3), which `finish` completes. Versions folders of past days that have become
//! empty are removed last.
//!
//! While very many files were spoiled within a day ([`burst`]), nothing is removed until a person
//! has looked.
//!
//! Invariant: a clock that is wrong removes nothing. Nothing is removed unless the service's clock
//! agrees with ours (`expiry/clock.rs`), and not more in a day than [`MOST_A_DAY`] or a fifth of
//! all versions, so that even two wrong clocks leave time to notice.

use std::time::Duration;

use fichier_api::MAX_LINKS_PER_CALL;
use fichier_state::{Intent, Mirror, MirrorId, Version, Writing};
use serde::{Deserialize, Serialize};

use crate::base::Fact;
use crate::base::words::{count, counted};
use crate::config::{Keep, MirrorConfig};
use crate::remote::layout::utc_day;
use crate::remote::{Remote, RemoteError, Removal};
use crate::upkeep::{Situation, burst, former};

mod clock;
mod folders;

const DAY_S: i64 = 24 * 3600;

/// Calls that one run makes, at most; then changes on disk get their turn.
const MAX_CALLS: usize = 20;

/// Versions that are removed in a day, at most, unless a fifth of all of them is more; the rest is
/// left for the next days.
const MOST_A_DAY: u64 = 10_000;

/// Batches in a day of which the service did not know some links; at this many the expiry stops
/// until tomorrow, since somebody has removed the versions. A client that asks for missing files is
/// banned (docs/api-notes.md, A.5).
const MOST_REFUSED: u32 = 10;

/// The progress of a day's expiry; kept in the state.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Day {
    begun_s: i64,
    is_done: bool,
    removed: u64,
    most: u64,
    /// Batches of which the service did not know some links.
    #[serde(default)]
    refused: u32,
}

/// The limits of the retention, by the configuration and the clock.
#[derive(Clone, Copy, Debug)]
struct Over {
    /// Versions that were replaced before this time have expired; Unix seconds. `None`: no version
    /// expires by its age.
    before_s: Option<i64>,
    /// How many versions of a path are kept; `None` for all.
    per_path: Option<u32>,
}

/// What the removal of a batch of versions has done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    /// How many are gone.
    pub(super) files: usize,
    /// Whether the service did not know some of them.
    pub(super) some_unknown: bool,
}

/// Why the removal of versions ended.
enum Ended {
    NothingLeft,
    OutOfCalls,
    /// The day's limit is reached, or the service removes none of the files that it is asked to
    /// remove.
    ForToday,
}

/// How long until the day's expiry is due.
pub(crate) fn due_in(at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
    if at.state.read(|s| burst::keeps_all(s, at.mirror.id))? {
        return Ok(None);
    }
    let of_former = former::due_in(at)?;
    let (day, now_s) = (read_day(at)?, at.state.now_s());
    let wait_s = if day.is_due(now_s) { 0 } else { day.begun_s + DAY_S - now_s };
    let of_day = Duration::from_secs(u64::try_from(wait_s).unwrap_or(0));
    Ok(Some(of_former.map_or(of_day, |of_former| of_former.min(of_day))))
}

/// Whether anything has expired, or is to go. A mirror without makes no call.
pub(crate) fn is_anything_over(at: Situation<'_>) -> Result<bool, RemoteError> {
    Ok(former::due_in(at)? == Some(Duration::ZERO) || has_anything_expired(at)?)
}

fn has_anything_expired(at: Situation<'_>) -> Result<bool, RemoteError> {
    let (now_s, mirror) = (at.state.now_s(), at.mirror.id);
    let (over, today) = (Over::of(at.config, now_s), utc_day(now_s));
    Ok(at.state.read(|s| {
        let has_past = match over.before_s {
            Some(before_s) => s.has_past_before(mirror, before_s)?,
            None => false,
        };
        let newest_s = s.time_of(s.newest_moment()?)?;
        Ok(has_past
            || newest_s.is_some_and(|newest_s| newest_s > now_s)
            || !over.versions(s, mirror, 1)?.is_empty()
            || !s.emptied_versions_folders(mirror, &today, 1)?.is_empty())
    })?)
}

impl Remote {
    /// Does a bounded part of the day's expiry.
    pub(crate) async fn expire(&self, at: Situation<'_>) -> Result<(), RemoteError> {
        if self.state.write(|w| burst::look(w, self.mirror))?.is_some() {
            return Ok(());
        }
        let mut calls = MAX_CALLS;
        self.remove_former(at, &mut calls).await?;
        if calls == 0 {
            return Ok(());
        }
        if !read_day(at)?.is_due(self.state.now_s()) {
            return Ok(());
        }
        let over = Over::of(at.config, self.state.now_s());
        let mut day = self.day(at)?;
        if has_anything_expired(at)? && self.clock_agrees().await? {
            let corrected = self.state.write(|w| w.believe_clock())?;
            if corrected > 0 {
                tracing::info!(
                    moments = corrected,
                    "corrected {} that a wrong clock had recorded",
                    counted(corrected as u64, "time")
                );
            }
            match self.remove_expired(at.mirror, over, &mut day, &mut calls).await? {
                Ended::NothingLeft => self.forget_past(over)?,
                Ended::OutOfCalls => return Ok(()),
                Ended::ForToday if day.removed >= day.most => {
                    self.say_what_is_left(at.config, over, &day)?;
                }
                Ended::ForToday => {}
            }
            if !self.remove_emptied_folders(&mut calls).await? {
                return Ok(());
            }
        }
        if day.removed > 0 {
            let name = &at.config.name;
            let removed = count(day.removed);
            tracing::info!(mirror = %name, files = day.removed,
                "`{name}`: {removed} expired versions were removed");
        }
        day.is_done = true;
        Ok(self.state.write(|w| fact(at.mirror.id).keep(w, &day))?)
    }

    /// The day's work that an earlier run left unfinished, or that of a new day.
    fn day(&self, at: Situation<'_>) -> Result<Day, RemoteError> {
        let (day, now_s) = (read_day(at)?, self.state.now_s());
        if !day.is_done && (day.begun_s..day.begun_s + DAY_S).contains(&now_s) {
            return Ok(day);
        }
        let (versions, _) = self.state.read(|s| s.version_totals(self.mirror))?;
        let most = MOST_A_DAY.max(versions / 5);
        let day = Day { begun_s: now_s, most, ..Day::default() };
        self.state.write(|w| fact(at.mirror.id).keep(w, &day))?;
        Ok(day)
    }

    async fn remove_expired(
        &self,
        mirror: &Mirror,
        over: Over,
        day: &mut Day,
        calls: &mut usize,
    ) -> Result<Ended, RemoteError> {
        let room = usize::try_from(day.most.saturating_sub(day.removed)).unwrap_or(usize::MAX);
        let limit = room.min(*calls * MAX_LINKS_PER_CALL);
        let expired = self.state.read(|s| over.versions(s, self.mirror, limit))?;
        for batch in expired.chunks(MAX_LINKS_PER_CALL) {
            *calls = calls.saturating_sub(1);
            let removed = self.remove_batch_of_day(mirror, batch, day).await?;
            if removed == 0 || day.refused >= MOST_REFUSED {
                tracing::warn!(
                    "1fichier does not remove old versions, or does not know them any \
                    more; it is asked again tomorrow"
                );
                return Ok(Ended::ForToday);
            }
        }
        if day.removed >= day.most {
            Ok(Ended::ForToday)
        } else if self.state.read(|s| over.versions(s, self.mirror, 1))?.is_empty() {
            Ok(Ended::NothingLeft)
        } else {
            Ok(Ended::OutOfCalls)
        }
    }

    /// Removes at most a hundred versions, and counts them.
    async fn remove_batch_of_day(
        &self,
        mirror: &Mirror,
        versions: &[Version],
        day: &mut Day,
    ) -> Result<usize, RemoteError> {
        self.remove_versions(versions, |w, gone| {
            day.removed += gone.files as u64;
            day.refused += u32::from(gone.some_unknown);
            fact(mirror.id).keep(w, day)?;
            Ok(gone.files)
        })
        .await
    }

    /// Removes at most a hundred versions, and forgets those that are gone; one that the service
    /// does not know is gone. What is to be recorded of it goes into the same transaction.
    pub(super) async fn remove_versions<T>(
        &self,
        versions: &[Version],
        record: impl FnOnce(&mut Writing<'_>, Gone) -> fichier_state::Result<T>,
    ) -> Result<T, RemoteError> {
        let urls: Vec<_> = versions.iter().map(|version| version.url.clone()).collect();
        let paths = versions.iter().map(|version| version.path.clone()).collect();
        let intent = Intent::Remove { urls: urls.clone(), paths };
        let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
        let Removal { still_there, unknown } = self.remove_all(&urls).await?;
        let is_gone = |version: &&Version| !still_there.contains(&version.url);
        let gone: Vec<_> = versions.iter().filter(is_gone).map(|version| version.id).collect();
        Ok(self.state.write(|w| {
            w.forget_versions(&gone)?;
            w.resolve(intent)?;
            record(w, Gone { files: gone.len(), some_unknown: unknown > 0 })
        })?)
    }

    fn forget_past(&self, over: Over) -> Result<(), RemoteError> {
        if let Some(before_s) = over.before_s {
            self.state.write(|w| w.forget_past(self.mirror, before_s))?;
        }
        Ok(())
    }

    fn say_what_is_left(
        &self,
        config: &MirrorConfig,
        over: Over,
        day: &Day,
    ) -> Result<(), RemoteError> {
        let left =
            self.state.read(|s| s.count_expired(self.mirror, over.before(), over.per_path))?;
        let (name, removed, left) = (&config.name, count(day.removed), count(left));
        tracing::warn!(mirror = %name,
            "`{name}`: {removed} expired versions were removed, which is the most for \
             one day; {left} are left for the days to come. If that is more than you expect, look \
             at the clock and at `keep` now");
        Ok(())
    }
}

/// The time before which nothing is kept; `None` if everything is kept.
pub(crate) fn horizon_s(config: &MirrorConfig, now_s: i64) -> Option<i64> {
    match config.keep {
        Keep::Forever => None,
        Keep::None => Some(now_s),
        Keep::For(keep) => {
            Some(now_s.saturating_sub(i64::try_from(keep.as_secs()).unwrap_or(i64::MAX)))
        }
    }
}

impl Over {
    fn of(config: &MirrorConfig, now_s: i64) -> Over {
        Over { before_s: horizon_s(config, now_s), per_path: config.keep_versions }
    }

    fn before(self) -> i64 {
        self.before_s.unwrap_or(i64::MIN)
    }

    fn versions(
        self,
        s: &fichier_state::Records,
        mirror: MirrorId,
        limit: usize,
    ) -> Result<Vec<Version>, fichier_state::Error> {
        s.expired_versions(mirror, self.before(), self.per_path, limit)
    }
}

impl Day {
    /// Whether there is work of today, or of a day that has ended.
    fn is_due(&self, now_s: i64) -> bool {
        // A time in the future was written while the clock was wrong.
        !self.is_done || !(self.begun_s..self.begun_s + DAY_S).contains(&now_s)
    }
}

/// The progress of the day's work. If it cannot be read the day's work is due, as if it had never
/// been written.
fn read_day(at: Situation<'_>) -> Result<Day, RemoteError> {
    Ok(at.state.read(|s| fact(at.mirror.id).read(s))?.unwrap_or_default())
}

fn fact(mirror: MirrorId) -> Fact<Day> {
    Fact::about(format!("expiry of mirror {}", mirror.0))
}
