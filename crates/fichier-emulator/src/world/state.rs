//! The state, which changes from call to call; it is opened from an index and saved as one.
//!
//! It is reached through the lock of `shared`.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::extras::Extras;
use super::requests::Record;
use super::tokens::Token;
use super::uploads::Uploads;
use crate::base::{Clock, Numbers};
use crate::faults::Faults;
use crate::rules::{Limits, Offer, Rules};
use crate::storage::{Content, Storage};

/// The account, and all that the service remembers about its callers.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) rules: Rules,
    pub(crate) account: Account,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) record: Record,
    /// Makes links and ids, which must not repeat.
    pub(crate) numbers: Numbers,
    /// Makes the order of keys, which should vary. It is apart so that ids do not depend on it.
    pub(crate) shuffler: Numbers,
    /// The key that is accepted; `None` once it was revoked.
    pub(crate) key: Option<String>,
    pub(crate) clock: Clock,
    pub(crate) email: String,
    pub(crate) offer: Offer,
    pub(crate) upload_forbidden: bool,
    pub(crate) uploads: Uploads,
    /// Tokens by the name in their address.
    pub(crate) tokens: HashMap<String, Token>,
    /// Settings of the account by their name in `user/info`.
    pub(crate) settings: BTreeMap<String, i64>,
    pub(crate) extras: Extras,
    /// Whether anything has changed since the index was last saved.
    pub(crate) changed: bool,
}

/// The part of the state that survives a restart.
#[derive(Serialize, Deserialize)]
struct Index<A> {
    account: A,
    numbers: Numbers,
}

impl State {
    /// Records a broken rule, unless clients may try this ([`Rules::trials_tolerated`]).
    pub(crate) fn trial(&mut self, endpoint: &str, broken: &str) {
        if !self.rules.trials_tolerated {
            self.record.violation(endpoint, broken);
        }
    }

    /// The state of a new account, or of the one in `index`.
    pub(crate) fn open(
        rules: Rules,
        key: String,
        clock: Clock,
        index: Option<&str>,
    ) -> io::Result<State> {
        let index: Index<Account> = match index {
            Some(text) => serde_json::from_str(text)?,
            None => {
                Index { account: Account::new(clock.now()), numbers: Numbers::seeded(0x1f1c_41e4) }
            }
        };
        Ok(State {
            rules,
            account: index.account,
            limits: Limits::default(),
            faults: Faults::default(),
            record: Record::new(),
            numbers: index.numbers,
            shuffler: Numbers::seeded(7),
            key: Some(key),
            clock,
            email: "someone@example.com".to_owned(),
            offer: Offer::Premium,
            upload_forbidden: false,
            uploads: Uploads::default(),
            tokens: HashMap::new(),
            settings: BTreeMap::new(),
            extras: Extras::default(),
            changed: true,
        })
    }

    /// The part of the state that survives a restart, as JSON; [`State::open`] reads it.
    pub(crate) fn index(&self) -> io::Result<String> {
        let index = Index { account: &self.account, numbers: self.numbers.clone() };
        Ok(serde_json::to_string(&index)?)
    }

    /// Removes a file for good; listings may show it a little longer. Returns whether there was
    /// one.
    pub(crate) fn remove_file(&mut self, id: &str, storage: &Storage, now: Instant) -> bool {
        let Some(file) = self.account.remove_file(id) else { return false };
        self.free(&file.content, storage);
        if !self.rules.listing_lag.is_zero() {
            let until = now + self.rules.real(self.rules.listing_lag);
            self.account.haunt(file, until);
        }
        self.changed = true;
        true
    }

    /// Frees the space of a content unless another file, a copy, still has it.
    pub(crate) fn free(&self, content: &Content, storage: &Storage) {
        if !self.account.uses(content)
            && let Err(error) = storage.forget(content)
        {
            tracing::warn!("the content of a removed file stays on disk: {error}");
        }
    }

    /// Whether this is the account's key, given as `Authorization`.
    pub(crate) fn accepts(&self, authorization: Option<&str>) -> bool {
        let given = authorization.and_then(|value| value.strip_prefix("Bearer "));
        given.is_some() && given == self.key.as_deref()
    }
}
