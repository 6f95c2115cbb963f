//! Checks the local clock before it decides that something has expired.
//!
//! Every reply of the service bears the service's own time. A machine whose clock jumped by years
//! would otherwise find every version to be too old at once (T01). Both clocks have to be wrong in
//! the same way before that happens, and even then there is a limit for each day.

use std::time::{Duration, SystemTime};

use crate::remote::{Remote, RemoteError};

/// How far the two clocks may be apart; with more between them nothing is removed.
const AGREES_WITHIN: Duration = Duration::from_secs(3600);

/// The age of a reading of the service's clock up to which it is used; an older one is ignored.
const READ_WITHIN: Duration = Duration::from_secs(3600);

impl Remote {
    /// Whether the service's clock agrees with ours. Costs a listing if nothing was heard of it
    /// within the last hour, or if the last reading differs: the machine may have slept since. A
    /// disagreement is a degraded state, told by [`crate::status::kind`].
    pub(super) async fn clock_agrees(&self) -> Result<bool, RemoteError> {
        let mut apart = self.apart();
        if apart.is_none_or(|apart| apart > AGREES_WITHIN) {
            self.client.list_folder(self.places.root).await?;
            apart = self.apart();
        }
        Ok(apart.is_some_and(|apart| apart <= AGREES_WITHIN))
    }

    /// How far our clock is from the service's, by the last reading; `None` without a recent one.
    fn apart(&self) -> Option<Duration> {
        let heard = self.client.service_clock().filter(|heard| heard.age() <= READ_WITHIN)?;
        let theirs = (heard.showed() + heard.age()).duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let ours_s = self.state.now_s();
        let theirs_s = i64::try_from(theirs.as_secs()).ok()?;
        Some(Duration::from_secs(ours_s.abs_diff(theirs_s)))
    }
}
