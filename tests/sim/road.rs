//! The road between program and service: every request passes here, one by one.
//!
//! Here requests are lost, the process dies, and the world changes while the program waits for an
//! answer. After each request the witness checks the invariants.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fichier_api::{Carried, Carrier};
use fichier_emulator::Emulator;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::script::Place;

/// The status with which the service answers when it locks an account.
const LOCKED: u16 = 403;

/// The most requests of a scenario.
const MAX_REQUESTS: usize = 20_000;

/// Requests that change nothing that is live: they only read, or bring files into staging.
const LOOKS: [&str; 6] = [
    "/v1/folder/ls.cgi",
    "/v1/folder/mkdir.cgi",
    "/v1/file/info.cgi",
    "/v1/upload/get_upload_server.cgi",
    "/upload.cgi",
    "/end.pl",
];

/// Is told of each request on the road.
pub trait Witness: Send {
    /// Checks the invariants after a request, and lets the world change; `answered` counts the
    /// requests since the beginning, and `changes` tells whether the last one may have changed live
    /// files.
    fn after_request(&mut self, answered: u64, changes: bool);
}

/// The road. Clones are the same one.
#[derive(Clone)]
pub struct Road {
    inner: Arc<Inner>,
}

struct Inner {
    emulator: Arc<Emulator>,
    traffic: Mutex<Traffic>,
    died: Notify,
    witness: Mutex<Box<dyn Witness>>,
    began: Instant,
}

#[derive(Default)]
struct Traffic {
    answered: u64,
    transactions: u64,
    dies_at: Option<Death>,
    dead: bool,
    offline_until: Option<Instant>,
    state_full_until: Option<Instant>,
    /// When each request that reached the service was sent, and to what.
    requests: Vec<(Instant, String)>,
    /// The requests and transactions in order, which a replay must repeat.
    trace: Vec<String>,
}

/// The place of a death, counted from the beginning.
#[derive(Clone, Copy)]
enum Death {
    Request { number: u64, carried_out: bool },
    Transaction { number: u64, written: bool },
}

impl Road {
    pub fn new(emulator: Arc<Emulator>, witness: Box<dyn Witness>) -> Road {
        let inner = Inner {
            emulator,
            traffic: Mutex::default(),
            died: Notify::new(),
            witness: Mutex::new(witness),
            began: Instant::now(),
        };
        Road { inner: Arc::new(inner) }
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.inner.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the process die at a place.
    pub fn die_at(&self, place: Place) {
        let mut traffic = self.traffic();
        traffic.dies_at = Some(match place {
            Place::Request { number, carried_out } => {
                Death::Request { number: traffic.answered + u64::from(number), carried_out }
            }
            Place::Transaction { number, written } => {
                Death::Transaction { number: traffic.transactions + u64::from(number), written }
            }
        });
    }

    /// Returns when the process has died.
    pub async fn death(&self) {
        loop {
            let died = self.inner.died.notified();
            if self.traffic().dead {
                return;
            }
            died.await;
        }
    }

    /// Starts a new process.
    pub fn revive(&self) {
        let mut traffic = self.traffic();
        traffic.dead = false;
        traffic.dies_at = None;
    }

    pub fn go_offline(&self, until: Instant) {
        self.traffic().offline_until = Some(until);
    }

    pub fn fill_state_disk(&self, until: Instant) {
        self.traffic().state_full_until = Some(until);
    }

    /// Ends all faults: everything gets through again.
    pub fn end_faults(&self) {
        let mut traffic = self.traffic();
        (traffic.offline_until, traffic.state_full_until, traffic.dies_at) = (None, None, None);
    }

    pub fn answered(&self) -> u64 {
        self.traffic().answered
    }

    /// When each request that reached the service was sent, and to what.
    pub fn requests(&self) -> Vec<(Instant, String)> {
        self.traffic().requests.clone()
    }

    /// The most requests within any hour, from a time on.
    pub fn most_in_an_hour(&self, since: Instant) -> usize {
        let traffic = self.traffic();
        let times: Vec<Instant> =
            traffic.requests.iter().map(|(at, _)| *at).filter(|at| *at >= since).collect();
        let within = |first: Instant| {
            let last = first + std::time::Duration::from_secs(3600);
            times.iter().filter(|at| **at >= first && **at < last).count()
        };
        times.iter().map(|first| within(*first)).max().unwrap_or(0)
    }

    pub fn forget_requests(&self) {
        self.traffic().requests.clear();
    }

    pub fn note(&self, what: &str) {
        let at = self.inner.began.elapsed().as_millis();
        self.traffic().trace.push(format!("{at:>9} ms  {what}"));
    }

    pub fn trace(&self) -> Vec<String> {
        self.traffic().trace.clone()
    }

    /// Watches the transactions of the state; lets them fail, or the process die there.
    pub fn tap(&self, access: fichierd::base::Access) -> Result<(), fichier_state::Error> {
        use fichierd::base::Access;
        let mut traffic = self.traffic();
        if traffic.dead {
            return Err(fichier_state::Error::TimeUp);
        }
        if access == Access::Read {
            return Ok(());
        }
        if access == Access::BeforeWrite
            && traffic.state_full_until.is_some_and(|until| Instant::now() < until)
        {
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            return Err(rusqlite::Error::SqliteFailure(full, None).into());
        }
        let here = match traffic.dies_at {
            Some(Death::Transaction { number, written }) => {
                number == traffic.transactions && written == (access == Access::AfterWrite)
            }
            Some(Death::Request { .. }) | None => false,
        };
        if access == Access::AfterWrite {
            traffic.transactions += 1;
        }
        if here {
            traffic.dead = true;
            self.inner.died.notify_waiters();
            return Err(fichier_state::Error::TimeUp);
        }
        Ok(())
    }

    async fn carry_one(
        self,
        request: http::Request<reqwest::Body>,
    ) -> io::Result<http::Response<Bytes>> {
        let path = request.uri().path().to_owned();
        let call = shown(&path, request.body());
        let (dies, offline, dead) = {
            let traffic = self.traffic();
            let dies = match traffic.dies_at {
                Some(Death::Request { number, carried_out }) if number == traffic.answered => {
                    Some(carried_out)
                }
                _ => None,
            };
            let offline = traffic.offline_until.is_some_and(|until| Instant::now() < until);
            (dies, offline, traffic.dead)
        };
        if dead {
            return std::future::pending().await;
        }
        if offline {
            self.note(&format!("{call}: offline"));
            // A little later, as a connection that is refused: time must go on.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        if dies == Some(false) {
            return self.die(&call).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        {
            let mut traffic = self.traffic();
            traffic.requests.push((Instant::now(), path.clone()));
            // A panic is a failure that can be cut down; an endless loop of calls cannot.
            assert!(traffic.requests.len() < MAX_REQUESTS, "calls without end");
        }
        let response = self.inner.emulator.answer(request).await;
        let status = response.as_ref().map_or(0, |response| response.status().as_u16());
        // A lock that the process does not live to read is not known to the next one either.
        if dies == Some(true) && status != LOCKED {
            return self.die(&call).await;
        }
        self.note(&format!("{call}: {status}"));
        let answered = {
            let mut traffic = self.traffic();
            traffic.answered += 1;
            traffic.answered
        };
        let changes = !LOOKS.contains(&path.as_str());
        let mut witness = self.inner.witness.lock().unwrap_or_else(PoisonError::into_inner);
        witness.after_request(answered, changes);
        response
    }

    async fn die(&self, call: &str) -> io::Result<http::Response<Bytes>> {
        self.note(&format!("{call}: dies"));
        {
            let mut traffic = self.traffic();
            traffic.answered += 1;
            traffic.dead = true;
        }
        self.inner.died.notify_waiters();
        std::future::pending().await
    }
}

/// A call with its arguments; of an upload, only the address.
fn shown(path: &str, body: &reqwest::Body) -> String {
    match body.as_bytes() {
        Some(body) if path.ends_with(".cgi") => format!("{path} {}", String::from_utf8_lossy(body)),
        _ => path.to_owned(),
    }
}

impl fmt::Debug for Road {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Road")
    }
}

impl Carrier for Road {
    fn carry(&self, request: http::Request<reqwest::Body>) -> Carried {
        Box::pin(self.clone().carry_one(request))
    }
}
