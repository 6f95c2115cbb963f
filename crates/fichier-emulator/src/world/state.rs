//! All that the emulated service knows, behind one lock.
//!
//! The lock is a std mutex, held while one request is answered and never across an `.await`:
//! answering is a pure computation on [`State`], waiting and sending happen outside.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::api::other::Extras;
use crate::base::dates::Clock;
use crate::base::numbers::Numbers;
use crate::download::serve::Token;
use crate::faults::Faults;
use crate::node::upload::Upload;
use crate::rules::limits::Limits;
use crate::rules::switches::{Offer, Rules};
use crate::storage::{Content, Storage};
use crate::world::account::Account;
use crate::world::requests::Record;
use crate::world::traffic::Traffic;

/// The service: its state, and where it keeps contents.
#[derive(Debug)]
pub(crate) struct World {
    state: Mutex<State>,
    pub(crate) storage: Storage,
    pub(crate) traffic: Traffic,
    /// There are no sockets: bodies are small, and taken in without a thread.
    pub(crate) is_inside: bool,
}

/// Who asks, and where the servers are that this caller came to: it is sent to no others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) address: IpAddr,
    pub(crate) places: Places,
}

/// The addresses of the three servers of one front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) api: SocketAddr,
    pub(crate) node: SocketAddr,
    pub(crate) download: SocketAddr,
    pub(crate) tls: bool,
}

impl Places {
    /// The bare host that `get_upload_server` names.
    pub(crate) fn node_host(&self) -> String {
        if self.tls { "up1.1fichier.com".to_owned() } else { self.node.to_string() }
    }

    /// What a download token is appended to.
    pub(crate) fn download_base(&self) -> String {
        if self.tls {
            "https://a-1.1fichier.com".to_owned()
        } else {
            format!("http://{}", self.download)
        }
    }
}

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
    pub(crate) uploads: HashMap<String, Upload>,
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

impl World {
    pub(crate) fn new(state: State, storage: Storage, is_inside: bool) -> World {
        let (state, traffic) = (Mutex::new(state), Traffic::default());
        World { state, storage, traffic, is_inside }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the index if anything has changed since the last time.
    pub(crate) fn save(&self) -> io::Result<()> {
        if !self.storage.is_kept() {
            return Ok(());
        }
        let index = {
            let mut state = self.lock();
            if !state.changed {
                return Ok(());
            }
            state.changed = false;
            serde_json::to_string(&Index {
                account: &state.account,
                numbers: state.numbers.clone(),
            })?
        };
        self.storage.save(&index)
    }
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
            uploads: HashMap::new(),
            tokens: HashMap::new(),
            settings: BTreeMap::new(),
            extras: Extras::default(),
            changed: true,
        })
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
