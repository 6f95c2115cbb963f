//! The proofs of a mirror's copies, its snapshots and the account, as `status` shows them.

use fichier_state::{Mirror, Proof, ProofKind, Store};
use jiff::Timestamp;

use crate::config::MirrorConfig;
use crate::status::{
    AccountStatus, AuditStatus, MirrorStatus, ProofStatus, ProofsStatus, SnapshotStatus,
};
use crate::upkeep::{audit, quota, snapshot};

/// Fills in the proofs, the audit, the beginning of the history, the snapshot and the quota.
pub(super) fn add(
    status: &mut MirrorStatus,
    store: &Store,
    row: &Mirror,
    config: &MirrorConfig,
) -> Result<(), fichier_state::Error> {
    let now_s = store.clock().now_s();
    let of = |kind| store.proofs(row.id, kind).map(|proofs| proof_status(&proofs, now_s));
    status.proofs = ProofsStatus {
        audit: of(ProofKind::Audit)?,
        verify: of(ProofKind::Verify)?,
        drill: of(ProofKind::Drill)?,
        canary: of(ProofKind::Canary)?,
    };
    if config.audit.is_some() {
        let health = audit::health(store, row, config, now_s)?;
        status.audit = Some(AuditStatus {
            folders: health.folders,
            compared: health.compared,
            since: health.begun_s.and_then(timestamp),
            behind: health.is_behind,
        });
    }
    let history_s = store.time_of(store.history_from(row.id)?)?;
    status.history_from = history_s.and_then(timestamp);
    status.snapshot = snapshot_status(snapshot::health(store, row, now_s)?, now_s);
    status.quota_warning = quota::warning(store, row)?;
    Ok(())
}

/// The account as it was last read; `None` if it never was.
pub(in super::super) fn account(
    store: &Store,
) -> Result<Option<AccountStatus>, fichier_state::Error> {
    let first_expiry = quota::first_expiry_s(store)?.and_then(timestamp);
    Ok(quota::reading(store)?.map(|reading| AccountStatus {
        offer: reading.offer,
        subscription_end: reading.subscription_end,
        used_bytes: reading.used_bytes,
        allowed_bytes: reading.allowed_bytes,
        hot_bytes: reading.hot_bytes,
        available_bytes: reading.available_bytes,
        expires_after_days: reading.expires_after_days,
        first_expiry,
    }))
}

fn snapshot_status(health: snapshot::Health, now_s: i64) -> Option<SnapshotStatus> {
    health.newest_s.or(health.overdue_since_s)?;
    Some(SnapshotStatus {
        newest: health.newest_s.and_then(timestamp),
        newest_age_s: health.newest_s.map(|at_s| u64::try_from(now_s - at_s).unwrap_or(0)),
        changed_since: health.changed_since_s.and_then(timestamp),
        overdue_since: health.overdue_since_s.and_then(timestamp),
    })
}

fn proof_status(proofs: &[Proof], now_s: i64) -> Option<ProofStatus> {
    let newest = proofs.first()?;
    let age_s = |proof: &Proof| u64::try_from(now_s - proof.at_s).unwrap_or(0);
    let good = proofs.iter().find(|proof| proof.good);
    Some(ProofStatus {
        good: newest.good,
        at: timestamp(newest.at_s).unwrap_or(Timestamp::UNIX_EPOCH),
        age_s: age_s(newest),
        files: newest.files,
        bytes: newest.bytes,
        detail: newest.detail.clone(),
        last_good: good.and_then(|proof| timestamp(proof.at_s)),
        last_good_age_s: good.map(age_s),
    })
}

fn timestamp(at_s: i64) -> Option<Timestamp> {
    Timestamp::from_second(at_s).ok()
}
