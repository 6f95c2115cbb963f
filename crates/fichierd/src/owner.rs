//! Whose account the records are of (D06).
//!
//! A state file that comes from another account knows of folders and files that are not there, or
//! worse, of numbers that are somebody else's. So the state remembers which key it was used with,
//! and which account that key was for, both as digests: neither can be read back. With the same
//! key nothing is asked; with another one the account is read, once: a new key for the same
//! account is remembered, another account is refused.
//!
//! The account becomes known with its first daily reading; before that a new key is believed.

use fichier_api::Client;
use fichier_state::{Records, Writing};
use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::target::TargetError;

/// The note.
const NOTE: &str = "account of the records";

/// Digests of a key, and of the account that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    key: String,
    account: String,
}

fn owner(records: &Records) -> fichier_state::Result<Option<Owner>> {
    Ok(records.note(NOTE)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The records are of the account with this address.
pub(crate) fn remember(
    w: &mut Writing<'_>,
    client: &Client,
    email: &str,
) -> fichier_state::Result<()> {
    let owner = Owner { key: client.key_digest().to_owned(), account: digest(email) };
    let text = serde_json::to_string(&owner).unwrap_or_default();
    w.set_note(NOTE, Some(&text))
}

/// Refuses to go on with the records of another account. Costs a call when the key is a new one.
pub(crate) async fn check(client: &Client, state: &State) -> Result<(), TargetError> {
    let Some(owner) = state.read(|s| owner(s))? else { return Ok(()) };
    if owner.key == client.key_digest() {
        return Ok(());
    }
    let account = client.account().await?;
    if owner.account != digest(&account.email) {
        return Err(TargetError::OtherAccount);
    }
    Ok(state.write(|w| remember(w, client, &account.email))?)
}

/// Sixteen hex digits: enough to tell accounts apart, and of no use to whoever finds them.
fn digest(email: &str) -> String {
    let email = email.trim().to_lowercase();
    let hash = blake3::derive_key("fichierd, which account this is, v1", email.as_bytes());
    blake3::Hash::from_bytes(hash).to_hex().chars().take(16).collect()
}
