//! Claims a target anew where nothing can have happened since the last clean end but a claim by
//! somebody else: one call, which that claim would make fail.
//!
//! Invariant: no claim counts as made here unless `mkdir` is known to refuse a name in use. Of two
//! states that make the same claim, one is refused, and looks at all claims.

use fichier_api::{Client, ErrorKind};
use fichier_state::{Mirror, Store};

use super::{Claiming, Fence, machine};
use crate::base::State;
use crate::remote::Habits;
use crate::remote::error::RemoteError;

/// Seconds for which a look at the staging folder is believed: a service puts files with a wrong
/// folder id into the account's root without a word (C.3).
const SEEN_FOR_S: i64 = 7 * 24 * 3600;

/// The outcome of a claim without a look at the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It was made, so nobody else has made one since.
    Made,
    /// Somebody else has made it, or the folder of the claims is gone.
    Refused,
    /// No call was made, since its answer would prove nothing.
    ProvesNothing,
}

/// Whether nothing is in doubt: the process before this one ended cleanly, the claims on record are
/// those of this very state file, made on this machine, and the staging folder was seen lately.
/// Makes no call.
pub(crate) fn is_plain(records: &Store, mirror: &Mirror) -> fichier_state::Result<bool> {
    let fence = Fence::read(records, mirror.id)?;
    let now_s = records.clock().now_s();
    let seen_lately = (0..SEEN_FOR_S).contains(&now_s.saturating_sub(fence.staging_seen_s));
    let same_machine = match &fence.named {
        Some(named) => *named == machine(records)?,
        // The process that made the target has named no machine yet.
        None => fence.epoch == 0,
    };
    let is_settled = fence.claiming.is_none() && fence.doubt.is_none() && fence.lost.is_none();
    let is_ours = records.was_closed() && !fence.is_new && !fence.is_copy && same_machine;
    Ok(is_settled && is_ours && seen_lately)
}

/// Makes the next claim. Unless it is made, the claims have to be listed.
///
/// # Errors
///
/// That of the call, unless it tells that the name is taken or that the folder is gone.
pub(crate) async fn claim_again(
    client: &Client,
    state: &State,
    mirror: &Mirror,
) -> Result<Again, RemoteError> {
    let (fence, machine, refuses) = state.read(|s| {
        Ok((Fence::read(s, mirror.id)?, machine(s)?, Habits::read(s)?.mkdir_refuses()))
    })?;
    let (Some(folder), true) = (fence.folder, refuses) else {
        return Ok(Again::ProvesNothing);
    };
    let next = fence.epoch + 1;
    state.write(|w| Fence::change(w, mirror.id, |fence| fence.claiming = Some(next)))?;
    let claiming = Claiming { client, state, mirror, machine };
    let made = match claiming.make(folder, next).await {
        Ok(made) => made,
        Err(RemoteError::Api(error)) if matches!(error.kind, ErrorKind::NotFound) => None,
        Err(error) => return Err(error),
    };
    let Some(made) = made else { return Ok(Again::Refused) };
    state.write(|w| {
        let now_s = w.now_s();
        Fence::change(w, mirror.id, |fence| {
            fence.old.extend(fence.made.replace(made));
            fence.epoch = next;
            fence.claiming = None;
            fence.looked_s = now_s;
        })
    })?;
    Ok(Again::Made)
}
