//! Lets go, once a day, of what the retention (`keep`) covers no more.

use std::time::Duration;

use fichier_state::Mirror;

use crate::chores::Situation;
use crate::config::{Keep, MirrorConfig};
use crate::execute::{Executor, StepError};

const DAY_S: i64 = 24 * 3600;

/// How long until the day's expiry is due.
pub(crate) fn due_in(at: Situation<'_>) -> Result<Option<Duration>, StepError> {
    let last = at.state.read(|s| s.note(&note(at.mirror)))?;
    let last_s = last.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let now_s = at.state.now_s();
    // A time in the future was written while the clock was wrong.
    let due_s = if last_s > now_s { now_s } else { last_s + DAY_S };
    Ok(Some(Duration::from_secs(u64::try_from(due_s - now_s).unwrap_or(0))))
}

impl Executor {
    /// Forgets trees that nothing is kept of any more.
    pub(crate) fn expire(&self, at: Situation<'_>) -> Result<(), StepError> {
        let now_s = self.state.now_s();
        let horizon_s = horizon_s(at.config, now_s);
        Ok(self.state.write(|w| {
            if let Some(horizon_s) = horizon_s {
                w.forget_past(self.mirror, horizon_s)?;
            }
            w.set_note(&note(at.mirror), Some(&now_s.to_string()))
        })?)
    }
}

/// Before which time nothing is kept; `None` if everything is.
fn horizon_s(config: &MirrorConfig, now_s: i64) -> Option<i64> {
    match config.keep {
        Keep::Forever => None,
        Keep::None => Some(now_s),
        Keep::For(keep) => Some(now_s - i64::try_from(keep.as_secs()).unwrap_or(i64::MAX)),
    }
}

fn note(mirror: &Mirror) -> String {
    format!("last expiry of mirror {}", mirror.id.0)
}
