//! Remembers to which account the records belong (D06).
//!
//! A state file that comes from another account knows of folders and files that are not there, or
//! worse, of numbers that belong to somebody else. So the state remembers which key has proven the
//! records, and which account that key was for, both as digests: neither can be read back.
//!
//! With the same key nothing is asked. With another key the account is read, once: a new key for
//! the same account is remembered, another account is refused. The account becomes known with its
//! first daily reading; before that a new key has to show that the target is where it was.

use fichier_api::Client;
use fichier_state::{Records, Writing};
use serde::{Deserialize, Serialize};

use crate::base::{Fact, State};
use crate::remote::error::{RemoteError, TargetRefused};

const OWNER: Fact<Owner> = Fact::named("account of the records");

/// Digests of a key, and of the account that it is for, once that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    key: String,
    account: Option<String>,
}

/// Whether some key has proven the records.
pub(crate) fn is_known(records: &Records) -> fichier_state::Result<bool> {
    Ok(OWNER.read(records)?.is_some())
}

/// Whether this key, and no other, has proven the records.
pub(crate) fn is_proven_by(records: &Records, client: &Client) -> fichier_state::Result<bool> {
    Ok(OWNER.read(records)?.is_some_and(|owner| owner.key == client.key_digest()))
}

/// Records that the records belong to the account with this address.
pub(crate) fn remember(
    w: &mut Writing<'_>,
    client: &Client,
    email: &str,
) -> fichier_state::Result<()> {
    let key = client.key_digest().to_owned();
    OWNER.keep(w, &Owner { key, account: Some(digest(email)) })
}

/// Records that this key has proven the records.
pub(crate) fn prove(w: &mut Writing<'_>, client: &Client) -> fichier_state::Result<()> {
    let key = client.key_digest();
    match OWNER.read(w)? {
        Some(owner) if owner.key == key => Ok(()),
        Some(_) | None => OWNER.keep(w, &Owner { key: key.to_owned(), account: None }),
    }
}

/// Refuses to go on with the records of another account. Returns whether the key is known to belong
/// to their account; if not, the key has to prove the records. Costs a call when the key is a new
/// one.
pub(crate) async fn check(client: &Client, state: &State) -> Result<bool, RemoteError> {
    let Some(owner) = state.read(|s| OWNER.read(s))? else { return Ok(true) };
    if owner.key == client.key_digest() {
        return Ok(true);
    }
    let Some(recorded) = owner.account else { return Ok(false) };
    // A service that does not say whose account it is leaves it to the key to prove the records.
    let Some(email) = client.account().await?.email else { return Ok(false) };
    if recorded != digest(&email) {
        return Err(TargetRefused::OtherAccount.into());
    }
    state.write(|w| remember(w, client, &email))?;
    Ok(true)
}

/// A digest of sixteen hex digits: enough to tell accounts apart, and useless to anybody who finds
/// it.
fn digest(email: &str) -> String {
    let email = email.trim().to_lowercase();
    let hash = blake3::derive_key("fichierd, which account this is, v1", email.as_bytes());
    blake3::Hash::from_bytes(hash).to_hex().chars().take(16).collect()
}
