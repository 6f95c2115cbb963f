//! Whether the local clock may decide that something's time is over.
//!
//! Every reply of the service bears the service's own time. A machine whose clock jumped by
//! years would otherwise find every version to be too old at once (T01). Both clocks have to be
//! wrong in the same way before that happens, and then there is still a measure for each day.

use std::time::{Duration, SystemTime};

use fichier_state::Mirror;

use crate::execute::{Executor, StepError};
use crate::status::duration;

/// How far the clocks may be apart.
const AGREES_WITHIN: Duration = Duration::from_secs(3600);

/// A reading that is older is none.
const READ_WITHIN: Duration = Duration::from_secs(3600);

impl Executor {
    /// Whether the service's clock agrees with ours. Costs a listing if nothing was heard of it
    /// within the last hour, or if what was heard differs: the machine may have slept since.
    ///
    /// That it does not is said once, and once when it does again.
    pub(super) async fn clock_agrees(
        &self,
        mirror: &Mirror,
        name: &str,
    ) -> Result<bool, StepError> {
        let mut apart = self.apart();
        if apart.is_none_or(|apart| apart > AGREES_WITHIN) {
            self.client.list_folder(self.places.versions).await?;
            apart = self.apart();
        }
        let agrees = apart.is_some_and(|apart| apart <= AGREES_WITHIN);
        let note = format!("doubted clock of mirror {}", mirror.id.0);
        let was_doubted = self.state.read(|s| s.note(&note))?.is_some();
        match (agrees, was_doubted) {
            (true, true) => {
                tracing::info!(mirror = %name, "`{name}`: the clock agrees with 1fichier's again");
                self.state.write(|w| w.set_note(&note, None))?;
            }
            (false, false) => {
                let by = apart.map_or_else(
                    || "1fichier does not tell the time".to_owned(),
                    |apart| {
                        format!("this machine's clock is {} away from 1fichier's", duration(apart))
                    },
                );
                tracing::warn!(mirror = %name,
                    "`{name}`: {by}, so that no version is removed, however old it seems. Set the \
                     clock (`timedatectl`); it is looked at again once a day");
                self.state.write(|w| w.set_note(&note, Some("said")))?;
            }
            (true, false) | (false, true) => {}
        }
        Ok(agrees)
    }

    /// How far our clock is from the service's, as last heard.
    fn apart(&self) -> Option<Duration> {
        let heard = self.client.service_clock().filter(|heard| heard.age() <= READ_WITHIN)?;
        let theirs = (heard.showed() + heard.age()).duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let ours_s = self.state.now_s();
        let theirs_s = i64::try_from(theirs.as_secs()).ok()?;
        Some(Duration::from_secs(ours_s.abs_diff(theirs_s)))
    }
}
