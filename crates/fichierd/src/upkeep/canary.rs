//! Downloads a tiny file of ours once a week, to learn whether a restore from this address would
//! work.
//!
//! The service refuses downloads to addresses that it takes for a data centre's, unless they are
//! paid for with CDN credits (docs/api-notes.md, D). Uploads work all the same, so that a server
//! may mirror for years before its owner learns that it cannot restore. The file is sent with the
//! first snapshot; without one there is nothing to do.

use std::time::Duration;

use fichier_api::{Error, ErrorKind};
use fichier_state::{MirrorId, Proof, ProofKind};

use crate::base::Fact;
use crate::base::words::{bytes, chain};
use crate::remote::error::is_gone;
use crate::remote::{Remote, RemoteError, ledger};
use crate::upkeep::Situation;

const DAY_S: i64 = 24 * 3600;
const WEEK_S: i64 = 7 * DAY_S;

/// Seconds until the next try after the service refused because another download runs elsewhere,
/// which tells nothing.
const BUSY_S: i64 = 3600;

/// How long until the canary is to be downloaded; `None` while there is none.
pub(crate) fn due_in(at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
    let (canary, last, busy) = at.state.read(|s| {
        Ok((
            ledger::canary(at.mirror.id).read(s)?,
            s.proofs(at.mirror.id, ProofKind::Canary)?.into_iter().next(),
            put_off(at.mirror.id).read(s)?,
        ))
    })?;
    if canary.is_none() {
        return Ok(None);
    }
    let now_s = at.state.now_s();
    let next_s =
        last.map_or(now_s, |last| last.at_s.min(now_s) + if last.good { WEEK_S } else { DAY_S });
    let busy_s = busy.unwrap_or(i64::MIN);
    let next_s = next_s.max(busy_s.saturating_add(BUSY_S).min(now_s + BUSY_S));
    Ok(Some(Duration::from_secs(u64::try_from(next_s - now_s).unwrap_or(0))))
}

/// Whether a run that has nothing else to do on 1fichier may leave the canary to a later one:
/// unless the last one failed, so that the end of that is noticed.
pub(crate) fn can_wait(at: Situation<'_>) -> Result<bool, RemoteError> {
    let last = at.state.read(|s| s.proofs(at.mirror.id, ProofKind::Canary))?.into_iter().next();
    Ok(last.is_none_or(|last| last.good))
}

/// The calls for the canary, which comes with a snapshot where there is none yet.
pub(crate) fn calls_expected(at: Situation<'_>, sends_snapshot: bool) -> Result<u64, RemoteError> {
    let is_there = at.state.read(|s| ledger::canary(at.mirror.id).is_there(s))?;
    let is_due = if is_there { due_in(at)? == Some(Duration::ZERO) } else { sends_snapshot };
    Ok(u64::from(is_due))
}

impl Remote {
    /// Downloads the canary, and keeps the result.
    pub(crate) async fn ask_canary(&self, at: Situation<'_>) -> Result<(), RemoteError> {
        let canary = self.state.read(|s| ledger::canary(self.mirror).read(s))?;
        let Some(canary) = canary else { return Ok(()) };
        let expect = Some((canary.size, canary.whirlpool));
        let came = self.client.download(&canary.link, expect, &mut tokio::io::sink()).await;
        let (good, detail) = match came {
            Ok(_) => (true, "a small file came as it was sent".to_owned()),
            Err(error) => match self.what_it_means(at, error)? {
                Some(detail) => (false, detail),
                None => return Ok(()),
            },
        };
        let proof = Proof { good, at_s: self.state.now_s(), files: 1, bytes: canary.size, detail };
        Ok(self.state.write(|w| {
            put_off(self.mirror).forget(w)?;
            w.put_proof(self.mirror, ProofKind::Canary, &proof)
        })?)
    }

    /// What a failure means for a restore; `None` if it tells nothing.
    fn what_it_means(
        &self,
        at: Situation<'_>,
        error: Error,
    ) -> Result<Option<String>, RemoteError> {
        if matches!(error.kind, ErrorKind::AddressRefused) {
            let current = self.state.read(|s| s.totals(self.mirror))?.bytes;
            return Ok(Some(address_refused(current)));
        }
        let is_telling = matches!(
            error.kind,
            ErrorKind::CustomersOnly | ErrorKind::NotAllowed | ErrorKind::Corrupt { .. }
        );
        if is_telling {
            return Ok(Some(format!("a restore would fail from here: {}", chain(&error))));
        }
        if matches!(error.kind, ErrorKind::OneLocation) {
            let now_s = self.state.now_s();
            self.state.write(|w| put_off(self.mirror).keep(w, &now_s))?;
            return Ok(None);
        }
        if is_gone(&error) {
            let name = &at.config.name;
            tracing::info!(mirror = %name,
                "`{name}`: the small file that downloads are tried with is gone; the next \
                 snapshot brings another");
            self.state.write(|w| ledger::canary(self.mirror).forget(w))?;
            return Ok(None);
        }
        Err(error.into())
    }
}

/// The message for a person: what a refusal of downloads to this address means, and what it costs.
pub fn address_refused(needs_bytes: u64) -> String {
    format!(
        "a restore from this address needs CDN credits or a GOLD subscription: 1fichier takes it \
         for a data centre's or a VPN's (#913). Credits pay for 1 GB of downloads each GB, here \
         {}; use them with --use-cdn, or always with `use_cdn` in the configuration. Or restore \
         from another address, such as a line at home. Test page: https://1fichier.com/network.html",
        bytes(needs_bytes)
    )
}

/// When the download was last put off, because somebody downloaded elsewhere; Unix seconds.
fn put_off(mirror: MirrorId) -> Fact<i64> {
    Fact::about(format!("canary of mirror {} was put off", mirror.0))
}
