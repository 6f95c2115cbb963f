//! The work for snapshots at the end of a cycle, and at the end of the service.

use std::time::Instant;

use fichier_api::Client;
use fichier_state::{Mirror, MirrorId, Writing};

use super::make::MakeOutcome;
use super::{config_text, order};
use crate::base::words::chain;
use crate::base::{Form, State};
use crate::remote::{Ledger, looked};

/// Adds `bytes` of files to those sent so far: snapshots may cost a part of that.
///
/// # Errors
///
/// The state file's.
pub fn sent_by_cycle(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    bytes: u64,
) -> Result<(), fichier_state::Error> {
    if bytes == 0 {
        return Ok(());
    }
    Ledger::change(w, mirror, |ledger| {
        ledger.sent_bytes = ledger.sent_bytes.saturating_add(bytes);
    })
}

/// Writes a snapshot beside the state, if something has changed and it can be written by
/// `deadline`. It is sent at the next start, unless there is something newer by then. Blocks.
pub fn write_at_stop(
    state: &State,
    client: &Client,
    (mirror, form): (&Mirror, &Form),
    deadline: Instant,
) {
    if let Err(error) = try_write(state, client, (mirror, form), deadline) {
        tracing::info!(
            mirror = %mirror.name,
            "`{}`: no snapshot was written at the stop, one is sent after the next start: {}",
            mirror.name,
            chain(&*error)
        );
    }
}

fn try_write(
    state: &State,
    client: &Client,
    (mirror, form): (&Mirror, &Form),
    deadline: Instant,
) -> Result<(), Box<dyn std::error::Error>> {
    let now_s = state.now_s();
    let need = state.read(|s| super::need(s, mirror.id, now_s))?;
    // Before its first cycle has ended a mirror has nothing to record in a snapshot.
    let has_looked = state.read(|s| looked::has_looked(s, mirror))?;
    if !has_looked || !need.has_changed || need.is_under_way || need.is_written {
        return Ok(());
    }
    let mut order = order(state, mirror, form, config_text(state, client)?)?;
    order.deadline = Some(deadline);
    let written = match order.carry_out()? {
        MakeOutcome::Made(made) => Some(made),
        MakeOutcome::NothingNew(moment) => {
            state
                .write(|w| Ledger::change(w, mirror.id, |l| l.looked_at = Some((moment, now_s))))?;
            return Ok(());
        }
    };
    Ok(state.write(|w| Ledger::change(w, mirror.id, |ledger| ledger.written = written))?)
}
