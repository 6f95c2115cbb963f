//! `fichierd remote account`: offer, quota, end of the subscription.

use fichier_api::{Account, Offer};
use jiff::Timestamp;
use serde::Serialize;

use super::Remote;
use crate::base::words::bytes;
use crate::base::{Exit, when};
use crate::cli::output;

#[derive(Serialize)]
struct AccountDocument {
    schema: &'static str,
    email: Option<String>,
    offer: &'static str,
    subscription_end: Option<Timestamp>,
    hot_storage_bytes: Option<u64>,
    cold_storage_bytes: Option<u64>,
    allowed_cold_storage_bytes: Option<u64>,
    available_storage_bytes: Option<i64>,
    expires_after_days: Option<u32>,
    upload_forbidden: bool,
    overquota: bool,
}

/// Shows the account. Costs one call, and none within ten minutes of the last one.
pub(super) async fn run(remote: &Remote<'_>) -> anyhow::Result<Exit> {
    let document = document(remote.client.account().await?);
    if remote.json {
        output::json(&document)?;
    } else {
        output::line(&text(&document))?;
    }
    Ok(Exit::Done)
}

/// The account as a person reads it.
#[cfg(test)]
pub(super) fn shown(read: Account) -> String {
    text(&document(read))
}

fn document(account: Account) -> AccountDocument {
    AccountDocument {
        schema: "fichierd.remote-account/1",
        expires_after_days: account.expires_after_days(),
        hot_storage_bytes: account.hot_storage_bytes,
        available_storage_bytes: account.available_storage_bytes,
        email: account.email,
        offer: offer(account.offer),
        subscription_end: account.subscription_end,
        cold_storage_bytes: account.cold_storage_bytes,
        allowed_cold_storage_bytes: account.allowed_cold_storage_bytes,
        upload_forbidden: account.upload_forbidden,
        overquota: account.overquota,
    }
}

fn offer(offer: Option<Offer>) -> &'static str {
    match offer {
        None => "unknown",
        Some(Offer::None) => "none",
        Some(Offer::Premium) => "premium",
        Some(Offer::Access) => "access",
        Some(Offer::Gold) => "gold",
        Some(Offer::Other(_)) => "other",
    }
}

fn text(account: &AccountDocument) -> String {
    let mut lines = Vec::new();
    if let Some(email) = &account.email {
        lines.push(format!("account:      {}", output::harmless(email)));
    }
    lines.push(format!("offer:        {}", account.offer));
    if let Some(end) = account.subscription_end {
        lines.push(format!("ends:         {}", when::day(end)));
    }
    match (account.cold_storage_bytes, account.allowed_cold_storage_bytes) {
        (Some(used), Some(allowed)) => {
            lines.push(format!("cold storage: {} of {}", bytes(used), bytes(allowed)));
        }
        (Some(used), None) => lines.push(format!("cold storage: {}", bytes(used))),
        (None, _) => {}
    }
    if let Some(hot) = account.hot_storage_bytes {
        lines.push(format!("hot storage:  {}", bytes(hot)));
    }
    if let Some(left) = account.available_storage_bytes {
        let size = bytes(left.unsigned_abs());
        let over = if left < 0 { " too much" } else { "" };
        lines.push(format!("left:         {}{over}", size));
    }
    if let Some(days) = account.expires_after_days {
        lines.push(format!("expiry:       files that nobody downloads for {days} days"));
    }
    if account.upload_forbidden {
        lines.push("UPLOADS ARE FORBIDDEN: look at the console of 1fichier".to_owned());
    }
    if account.overquota {
        lines.push("OVER QUOTA".to_owned());
    }
    lines.join("\n")
}
