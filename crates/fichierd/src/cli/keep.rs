//! Records the result of a proof: the running service does it, or the command itself.

use super::{beside, service};
use crate::config::Config;
use crate::daemon::control::{Reply, Request};
use crate::restore::Proved;

/// Records a result. Returns how many files are sent again because of it; `None` if it could not be
/// recorded. That is only logged, since the command has still to print what it found.
pub(super) async fn keep(config: &Config, proved: &Proved) -> Option<u64> {
    let kept = match service::reply(config, &Request::Proved(proved.clone())).await {
        Ok(Some(Reply::Proved { sent_again })) => Ok(sent_again),
        Ok(Some(other)) => Err(service::unexpected(&other)),
        Ok(None) => beside::keep_proof(config, proved),
        Err(error) => Err(error),
    };
    kept.inspect_err(|error| tracing::warn!("the result could not be recorded: {error:#}")).ok()
}
