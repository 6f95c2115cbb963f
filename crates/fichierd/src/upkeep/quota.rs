//! Reads how full the account is, at most once a day, and warns before it is full.
//!
//! The reading is shared by all mirrors and kept in the state, for `status`. It is due when
//! something was sent since the last one, so that an idle service makes no call; and while it gives
//! reason for a warning, so that the warning ends when its cause has ended. Nothing is removed early
//! because of it; the reader of the warning decides.

use std::time::Duration;

use fichier_api::{Account, Offer};
use fichier_state::{Mirror, Moment, Records, Writing};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::Fact;
use crate::base::words::bytes;
use crate::remote::{Remote, RemoteError, owner};
use crate::upkeep::Situation;

const DAY_S: i64 = 24 * 3600;

/// The share of the quota, as numerator and denominator; when this much is used there is a warning.
const NEARLY_FULL: (u64, u64) = (9, 10);

/// The time before the end of a subscription from which on it is read again each day; a little
/// longer than the time for which that end is a degraded state.
const ENDS_SOON_S: i64 = 15 * DAY_S;

/// When a cycle last sent something; Unix seconds.
const SENT_S: Fact<i64> = Fact::named("files sent");
const READING: Fact<Reading> = Fact::named("account");

/// What the account told at one reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// When it was read; Unix seconds.
    pub read_s: i64,
    /// The subscription's kind.
    pub offer: String,
    /// When the subscription ends.
    pub subscription_end: Option<Timestamp>,
    /// Bytes used in cold storage: of files that nobody has accessed for 60 days.
    pub used_bytes: Option<u64>,
    /// Bytes used in hot storage, by all other files: new ones are hot first.
    pub hot_bytes: Option<u64>,
    /// The rest of the whole storage; negative when too much is used.
    pub available_bytes: Option<i64>,
    /// The days after which a file may expire that nobody downloads; `None` where none does, or
    /// where that is not known.
    pub expires_after_days: Option<u32>,
    /// Bytes allowed in cold storage.
    pub allowed_bytes: Option<u64>,
    /// More is stored than is allowed, or uploads are refused.
    pub is_full: bool,
}

/// The last reading.
///
/// # Errors
///
/// The state file's.
pub fn reading(s: &Records) -> Result<Option<Reading>, fichier_state::Error> {
    READING.read(s)
}

/// The day from which on the oldest upload on record may expire, unless somebody downloads it; Unix
/// seconds. `None` if none expires, or if it is not known.
///
/// # Errors
///
/// The state file's.
pub fn first_expiry_s(s: &Records) -> Result<Option<i64>, fichier_state::Error> {
    let Some(days) = reading(s)?.and_then(|reading| reading.expires_after_days) else {
        return Ok(None);
    };
    Ok(s.oldest_copy_s()?.map(|at_s| at_s.saturating_add(i64::from(days) * DAY_S)))
}

/// The warning about a mirror while the account is nearly full; `None` while it is not.
///
/// # Errors
///
/// The state file's.
pub fn warning(s: &Records, mirror: &Mirror) -> Result<Option<String>, fichier_state::Error> {
    let Some(full) = reading(s)?.and_then(|reading| reading.how_full()) else { return Ok(None) };
    let current = s.totals(mirror.id)?.bytes;
    let (_, versions) = s.version_totals(mirror.id)?;
    Ok(Some(format!(
        "{full}. The current files of this mirror take {}, its earlier versions {}, of which a \
         shorter `keep` would let go",
        bytes(current),
        bytes(versions)
    )))
}

/// Notes that a cycle which ended at `now_s` has sent `bytes` of files.
///
/// # Errors
///
/// The state file's.
pub(crate) fn sent_by_cycle(
    w: &mut Writing<'_>,
    bytes: u64,
    now_s: i64,
) -> Result<(), fichier_state::Error> {
    if bytes > 0 { SENT_S.keep(w, &now_s) } else { Ok(()) }
}

/// How long until the account is to be read; `None` while there is no reason to.
pub(crate) fn due_in(at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
    let (last, sent_s, begun_s) = at
        .state
        .read(|s| Ok((reading(s)?, SENT_S.read(s)?, s.time_of(Moment(1))?.unwrap_or_default())))?;
    let now_s = at.state.now_s();
    let last_s = match last {
        Some(last) if last.warns() || sent_s.is_some_and(|at_s| at_s > last.read_s) => last.read_s,
        // The account was looked at when it was set up, so the first reading waits a day.
        None if sent_s.is_some() => begun_s,
        Some(_) | None => return Ok(None),
    };
    let wait_s = last_s.min(now_s) + DAY_S - now_s;
    Ok(Some(Duration::from_secs(u64::try_from(wait_s).unwrap_or(0))))
}

impl Remote {
    /// Reads the account, and keeps the reading and the account's owner.
    pub(crate) async fn read_account(&self) -> Result<(), RemoteError> {
        let account = self.client.account().await?;
        let reading = Reading::of(&account, self.state.now_s());
        Ok(self.state.write(|w| {
            READING.keep(w, &reading)?;
            match &account.email {
                Some(email) => owner::remember(w, &self.client, email),
                // Without an address the account stays as unknown as it was.
                None => Ok(()),
            }
        })?)
    }
}

impl Reading {
    fn of(account: &Account, read_s: i64) -> Reading {
        let offer = match account.offer {
            Some(Offer::None) => "none",
            Some(Offer::Premium) => "premium",
            Some(Offer::Access) => "access",
            Some(Offer::Gold) => "gold",
            None => "unknown",
            Some(Offer::Other(_)) => "other",
        };
        Reading {
            read_s,
            offer: offer.to_owned(),
            subscription_end: account.subscription_end,
            used_bytes: account.cold_storage_bytes,
            hot_bytes: account.hot_storage_bytes,
            available_bytes: account.available_storage_bytes,
            expires_after_days: account.expires_after_days(),
            allowed_bytes: account.allowed_cold_storage_bytes,
            is_full: account.overquota || account.upload_forbidden,
        }
    }

    /// Whether the reading is the cause of a degraded state.
    fn warns(&self) -> bool {
        let ends_soon = |end: Timestamp| end.as_second() - self.read_s < ENDS_SOON_S;
        self.how_full().is_some() || self.subscription_end.is_some_and(ends_soon)
    }

    /// The reading in words, if the account is nearly full. What is hot now will be cold, and counts
    /// then.
    fn how_full(&self) -> Option<String> {
        let hot = self.hot_bytes.unwrap_or(0);
        match (self.used_bytes.map(|cold| cold.saturating_add(hot)), self.allowed_bytes) {
            (Some(used), Some(allowed))
                if self.is_full || used / NEARLY_FULL.0 >= allowed / NEARLY_FULL.1 =>
            {
                let of_it = format!(" ({} of it hot, which counts after 60 days)", bytes(hot));
                let of_it = if hot > 0 { of_it } else { String::new() };
                Some(format!("{} of {} are used{of_it}", bytes(used), bytes(allowed)))
            }
            _ if self.is_full => Some("1fichier takes no more uploads".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn z14_a_reading_that_gives_reason_for_a_warning_is_renewed_until_it_does_not() {
        let end = Timestamp::from_second(20 * DAY_S).unwrap();
        let read = |read_s, used| Reading {
            read_s,
            used_bytes: Some(used),
            allowed_bytes: Some(100 << 30),
            subscription_end: Some(end),
            ..Reading::default()
        };
        assert!(!read(0, 1 << 30).warns());
        assert!(read(0, 95 << 30).warns(), "nearly full");
        assert!(read(6 * DAY_S, 1 << 30).warns(), "the subscription ends in two weeks");
        assert!(read(21 * DAY_S, 1 << 30).warns(), "it has ended");
    }

    #[test]
    fn nine_tenths_are_nearly_full() {
        let full = |used, allowed| {
            Reading { used_bytes: used, allowed_bytes: allowed, ..Reading::default() }.how_full()
        };
        assert_eq!(full(Some(89 << 30), Some(100 << 30)), None);
        assert_eq!(
            full(Some(90 << 30), Some(100 << 30)).as_deref(),
            Some("90.0 GiB of 100 GiB are used")
        );
        assert_eq!(full(Some(1 << 30), None), None);
        let hot = Reading {
            used_bytes: Some(1 << 30),
            hot_bytes: Some(92 << 30),
            allowed_bytes: Some(100 << 30),
            ..Reading::default()
        };
        assert_eq!(
            hot.how_full().as_deref(),
            Some("93.0 GiB of 100 GiB are used (92.0 GiB of it hot, which counts after 60 days)")
        );
        let refused = Reading { is_full: true, ..Reading::default() };
        assert_eq!(refused.how_full().as_deref(), Some("1fichier takes no more uploads"));
    }
}
