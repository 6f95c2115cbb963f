//! Files that are in place and whose hashes 1fichier has not told: how many there are, and the last
//! way to prove one.
//!
//! Such a record is not confirmed (I1). It is counted as sent and being confirmed, and never as
//! safe. A small file is proved by a download: one token each, so many in an hour, none for a while
//! after a refusal. A larger file is confirmed by its name and size only, and that is said of it.
//! Either one is confirmed as soon as a listing tells its hash (`upkeep::audit`).
//!
//! Counting reads every row, so that a mirror without such files has a flag that says so.

use fichier_api::{ErrorKind, FileUrl, Whirlpool};
use fichier_state::{MirrorId, NotConfirmed, Records, Result, Writing};
use serde::{Deserialize, Serialize};

use crate::base::{Fact, Flag};
use crate::remote::Remote;
use crate::remote::error::{RemoteError, stops_everything};

/// The size up to which a file is proved by a download; a larger one is confirmed by its size.
pub const PROVED_UP_TO: u64 = 4 << 20;
/// Files that are downloaded within an hour, as proofs; more wait.
const MOST_IN_AN_HOUR: u32 = 30;
/// The name of the transfer itself in an error; another one is that of the call for an address.
const TRANSFER: &str = "download";
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;

/// The downloads that were made as proofs, of all mirrors.
const SPENT: Fact<Spent> = Fact::named("proofs by download");

/// How many downloads were made, and when the next may be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Spent {
    /// The beginning of the hour that is counted; Unix seconds.
    hour_s: i64,
    /// Downloads in it.
    files: u32,
    /// No download before this moment, since one was refused; Unix seconds.
    not_before_s: i64,
}

/// What the last proof of a file has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Downloaded {
    /// It came as it was sent.
    Same,
    /// Other bytes came.
    Other,
    /// It was not downloaded: not now, or not by this account.
    NotNow,
}

/// The files of a mirror whose hashes were not told.
///
/// # Errors
///
/// The state file's.
pub fn unconfirmed(records: &Records, mirror: MirrorId) -> Result<NotConfirmed> {
    if all_confirmed(mirror).is_set(records)? {
        return Ok(NotConfirmed::default());
    }
    records.not_confirmed(mirror, PROVED_UP_TO)
}

/// Notes that files may be on record that are not confirmed.
pub(crate) fn may_be_there(w: &mut Writing<'_>, mirror: MirrorId) -> Result<()> {
    all_confirmed(mirror).set(w, false)
}

/// Whether files may be on record that are not confirmed: the service does not tell all hashes.
pub(crate) fn may_be_some(records: &Records, mirror: MirrorId) -> Result<bool> {
    Ok(!all_confirmed(mirror).is_set(records)?)
}

/// Notes whether any are on record, so that they need not be counted again and again.
pub(crate) fn note(w: &mut Writing<'_>, mirror: MirrorId) -> Result<()> {
    if !all_confirmed(mirror).is_set(w)? && w.not_confirmed(mirror, PROVED_UP_TO)?.is_none() {
        all_confirmed(mirror).set(w, true)?;
    }
    Ok(())
}

fn all_confirmed(mirror: MirrorId) -> Flag {
    Flag::named(format!("every file of mirror {} is confirmed", mirror.0))
}

/// Lets no file be downloaded as a proof for an hour.
pub(crate) fn put_off(w: &mut Writing<'_>, now_s: i64) -> Result<()> {
    SPENT.change(w, |spent| spent.not_before_s = now_s.saturating_add(HOUR_S))
}

/// Seconds until another file may be downloaded as a proof.
///
/// # Errors
///
/// The state file's.
pub(crate) fn next_in_s(records: &Records, now_s: i64) -> Result<i64> {
    Ok(SPENT.read(records)?.unwrap_or_default().next_in_s(now_s))
}

impl Spent {
    fn next_in_s(&self, now_s: i64) -> i64 {
        let refused_s = (self.not_before_s - now_s).clamp(0, DAY_S);
        let is_used_up = self.is_this_hour(now_s) && self.files >= MOST_IN_AN_HOUR;
        if is_used_up { refused_s.max(self.hour_s + HOUR_S - now_s) } else { refused_s }
    }

    fn is_this_hour(&self, now_s: i64) -> bool {
        (0..HOUR_S).contains(&(now_s - self.hour_s))
    }

    fn count(&mut self, now_s: i64) {
        if !self.is_this_hour(now_s) {
            (self.hour_s, self.files) = (now_s, 0);
        }
        self.files += 1;
    }
}

impl Remote {
    /// Downloads a file of at most [`PROVED_UP_TO`] bytes and compares it with what was sent. Costs
    /// a token, and none while downloads have to wait.
    pub(crate) async fn prove_by_download(
        &self,
        url: &FileUrl,
        size_bytes: u64,
        whirlpool: Whirlpool,
    ) -> std::result::Result<Downloaded, RemoteError> {
        let now_s = self.state.now_s();
        let waits = self.state.read(|s| next_in_s(s, now_s))? > 0;
        if waits || size_bytes > PROVED_UP_TO {
            return Ok(Downloaded::NotNow);
        }
        self.state.write(|w| SPENT.change(w, |spent| spent.count(now_s)))?;
        let expected = Some((size_bytes, whirlpool));
        let error = match self.client.download(url, expected, &mut tokio::io::sink()).await {
            Ok(_) => return Ok(Downloaded::Same),
            Err(error) => error,
        };
        use ErrorKind::{AddressRefused, Corrupt, CustomersOnly, NotAllowed};
        if matches!(error.kind, Corrupt { .. }) {
            return Ok(Downloaded::Other);
        }
        let is_refused = matches!(error.kind, AddressRefused | CustomersOnly | NotAllowed);
        // Who got an address has reached the service: a download server that cannot be reached, or
        // that refuses, keeps nothing else from going on.
        let is_of_downloads = is_refused || error.endpoint == TRANSFER;
        if !is_of_downloads && stops_everything(&error) {
            return Err(error.into());
        }
        let wait_s = if is_refused { DAY_S } else { HOUR_S };
        tracing::debug!("a file whose hash is not told could not be downloaded: {error}");
        self.state.write(|w| {
            SPENT.change(w, |spent| spent.not_before_s = now_s.saturating_add(wait_s))
        })?;
        Ok(Downloaded::NotNow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn y51_downloads_as_proofs_are_few_in_an_hour_and_none_after_a_refusal() {
        let mut spent = Spent::default();
        let mut made = 0;
        for now_s in 10_000..10_000 + 2 * HOUR_S {
            if spent.next_in_s(now_s) == 0 {
                spent.count(now_s);
                made += 1;
            }
        }
        assert_eq!(made, 2 * MOST_IN_AN_HOUR);
        spent.not_before_s = 50_000 + DAY_S;
        assert_eq!(spent.next_in_s(50_000), DAY_S);
        assert_eq!(spent.next_in_s(50_000 + DAY_S), 0);
        assert_eq!(spent.next_in_s(0), DAY_S, "a clock that was set back waits a day at most");
    }
}
