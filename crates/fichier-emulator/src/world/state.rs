//! The state: what changes from call to call, and how it is opened and saved.
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

/// What changes from call to call.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) rules: Rules,
    pub(crate) account: Account,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) record: Record,
    /// Makes what must not repeat: links and ids.
    pub(crate) numbers: Numbers,
    /// Makes what should vary: the order of keys. Apart, so that ids do not depend on it.
    pub(crate) shuffler: Numbers,
    /// `None` once revoked.
    pub(crate) key: Option<String>,
    pub(crate) clock: Clock,
    pub(crate) email: String,
    pub(crate) offer: Offer,
    pub(crate) upload_forbidden: bool,
    pub(crate) uploads: Uploads,
    /// By the name in the token's address.
    pub(crate) tokens: HashMap<String, Token>,
    /// Settings of the account by their name in `user/info`.
    pub(crate) settings: BTreeMap<String, i64>,
    pub(crate) extras: Extras,
    /// Since the index was last saved.
    pub(crate) changed: bool,
}

/// What survives a restart.
#[derive(Serialize, Deserialize)]
struct Index<A> {
    account: A,
    numbers: Numbers,
}

impl State {
    /// Keeps a broken rule, unless it may be tried ([`Rules::trials_tolerated`]).
    pub(crate) fn trial(&mut self, endpoint: &str, broken: &str) {
        if !self.rules.trials_tolerated {
            self.record.violation(endpoint, broken);
        }
    }

    /// A new account, or the one in `index`.
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

    /// What survives a restart, as JSON; [`State::open`] reads it.
    pub(crate) fn index(&self) -> io::Result<String> {
        let index = Index { account: &self.account, numbers: self.numbers.clone() };
        Ok(serde_json::to_string(&index)?)
    }

    /// Removes a file for good; listings may show it a little longer.
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
