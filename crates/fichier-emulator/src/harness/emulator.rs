//! Starting, stopping and watching an emulated service.
//!
//! It runs on threads of its own: a test that blocks its runtime does not block the service, and
//! the service outlives the runtime that started it. Dropping the [`Emulator`] stops it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};

use crate::base::dates::{Clock, instant};
use crate::base::numbers::Numbers;
use crate::faults::Fault;
use crate::habits::Certificate;
use crate::net::front::{self, Front};
use crate::net::inside;
use crate::rules::switches::{Offer, Rules};
use crate::storage::Storage;
use crate::world::places::Places;
use crate::world::requests::Request;
use crate::world::shared::World;
use crate::world::state::State;

/// How often the index of [`Storage::Folder`] is written, if something has changed.
const SAVE_EVERY: Duration = Duration::from_millis(200);

/// A running service on loopback; dropping it stops it.
pub struct Emulator {
    pub(crate) world: Arc<World>,
    key: String,
    places: Places,
    front: Option<Front>,
    engine: Engine,
}

/// How a service is to be; [`Emulator::builder`] begins one.
#[derive(Debug)]
pub struct Builder {
    rules: Rules,
    storage: Storage,
    tls: bool,
    listen: SocketAddr,
    key: String,
    time_scale: Option<u32>,
}

impl Builder {
    /// Limits and habits; without, the published limits and the safest assumptions.
    #[must_use]
    pub fn rules(self, rules: Rules) -> Builder {
        Builder { rules, ..self }
    }

    /// Where contents go; without, memory.
    #[must_use]
    pub fn storage(self, storage: Storage) -> Builder {
        Builder { storage, ..self }
    }

    /// HTTPS under the service's own names, with an authority and a proxy to reach them.
    #[must_use]
    pub fn tls(self, tls: bool) -> Builder {
        Builder { tls, ..self }
    }

    /// The address of the API; without, a free port of 127.0.0.1. Nodes, downloads and the proxy
    /// take free ports of the same host.
    #[must_use]
    pub fn listen(self, listen: SocketAddr) -> Builder {
        Builder { listen, ..self }
    }

    /// The account's key; without, one that is the same each time.
    #[must_use]
    pub fn key(self, key: &str) -> Builder {
        Builder { key: key.to_owned(), ..self }
    }

    /// Divides all the service's durations, whatever the rules say.
    #[must_use]
    pub fn time_scale(self, scale: u32) -> Builder {
        Builder { time_scale: Some(scale), ..self }
    }

    /// Opens the storage and starts to listen.
    ///
    /// # Errors
    ///
    /// When the address is in use, or the storage cannot be read or written, or its index is not
    /// one of this emulator's.
    #[expect(clippy::unused_async, reason = "so that a start may come to wait without a change")]
    pub async fn start(self) -> io::Result<Emulator> {
        let index = self.storage.open()?;
        let time_scale = self.time_scale.unwrap_or(self.rules.time_scale);
        let rules = Rules { time_scale, ..self.rules };
        let state = State::open(rules, self.key.clone(), Clock::default(), index.as_deref())?;
        let world = Arc::new(World::new(state, self.storage, false));
        let engine = Engine::start()?;
        let (places, front) = if self.tls {
            let (places, front) = Front::open(self.listen, &engine, &world)?;
            (places, Some(front))
        } else {
            (front::open_plain(self.listen, &engine, &world)?, None)
        };
        engine.spawn(save_now_and_then(Arc::clone(&world)));
        Ok(Emulator { world, key: self.key, places, front, engine })
    }

    /// The service without sockets, threads and clocks of its own, for simulations: requests are
    /// handed to [`Emulator::answer`], and time is that of the runtime that asks, which may be
    /// paused. Its wall clock shows `start_s` (Unix seconds) now. Downloads are not served.
    ///
    /// # Errors
    ///
    /// None with storage in memory.
    pub fn start_inside(self, start_s: i64) -> io::Result<Emulator> {
        let rules =
            Rules { time_scale: self.time_scale.unwrap_or(self.rules.time_scale), ..self.rules };
        let clock = Clock { ahead_s: 0, started: Some((start_s, instant())) };
        let state = State::open(rules, self.key.clone(), clock, None)?;
        let world = Arc::new(World::new(state, self.storage, true));
        let (places, engine) = (inside::places(), Engine(None));
        Ok(Emulator { world, key: self.key, places, front: None, engine })
    }
}

impl Emulator {
    /// A service with everything at its default.
    pub fn builder() -> Builder {
        Builder {
            rules: Rules::default(),
            storage: Storage::Memory,
            tls: false,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            key: Numbers::seeded(1).mixed(32),
            time_scale: None,
        }
    }

    /// Answers a request to a service that was started inside; see [`Builder::start_inside`].
    ///
    /// # Errors
    ///
    /// The connection is closed without an answer, or the host is none of the service's.
    pub async fn answer<B>(&self, request: hyper::Request<B>) -> io::Result<hyper::Response<Bytes>>
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Unpin
            + Send,
    {
        inside::answer(Arc::clone(&self.world), request).await
    }

    /// The address that endpoints are appended to: `http://127.0.0.1:PORT/v1`.
    pub fn api_url(&self) -> String {
        let scheme = if self.places.tls { "https" } else { "http" };
        format!("{scheme}://{}/v1", self.places.api)
    }

    /// The key the service was started with.
    pub fn api_key(&self) -> &str {
        &self.key
    }

    /// The authority to trust, if there is TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.front.as_ref().map(Front::ca_pem)
    }

    /// The proxy that knows the service's host names, if there is TLS.
    pub fn proxy_url(&self) -> Option<String> {
        self.front.as_ref().map(Front::proxy_url)
    }

    /// Opens a second front with TLS and a proxy to the same account, so that a client which
    /// knows the service by its names alone can look at what others reach over plain HTTP. It is
    /// there until the emulator stops, and whoever comes through it is witnessed like the others.
    ///
    /// # Errors
    ///
    /// When there is no free port or no certificate can be made.
    pub fn open_to_others(&self) -> io::Result<Front> {
        let free = SocketAddr::new(self.places.api.ip(), 0);
        Front::open(free, &self.engine, &self.world).map(|(_, front)| front)
    }

    /// The servers show this certificate to whoever connects from now on, if there is TLS.
    pub fn set_certificate(&self, certificate: Certificate) {
        if let Some(front) = &self.front {
            front.show(certificate);
        }
    }

    /// Everything that was asked of the API and the nodes, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.world.lock().record.requests().to_vec()
    }

    /// Everything that was asked of the download servers, in order of arrival.
    pub fn downloads(&self) -> Vec<Request> {
        self.world.lock().record.downloads().to_vec()
    }

    /// How many requests count towards the service's limits: all but downloads. The same as the
    /// number of [`Emulator::requests`].
    pub fn calls(&self) -> usize {
        self.world.lock().record.requests().len()
    }

    /// The endpoints asked since [`Emulator::calls`] was `mark`, in order of arrival.
    pub fn calls_since(&self, mark: usize) -> Vec<String> {
        let state = self.world.lock();
        state.record.requests().iter().skip(mark).map(|request| request.endpoint.clone()).collect()
    }

    /// File bytes that the nodes have read, also of uploads that were cut short.
    pub fn bytes_received(&self) -> u64 {
        self.world.traffic.received.load(Ordering::Relaxed)
    }

    /// File bytes that the download servers have sent, also of downloads that were cut short.
    pub fn bytes_sent(&self) -> u64 {
        self.world.traffic.sent.load(Ordering::Relaxed)
    }

    /// How often the bytes of a file were asked for, those included that got a page or nothing.
    pub fn download_gets(&self) -> usize {
        let state = self.world.lock();
        state.record.downloads().iter().filter(|request| request.method == "GET").count()
    }

    /// The most files that were ever being sent at one time.
    pub fn most_downloads_at_once(&self) -> usize {
        self.world.traffic.most_downloads()
    }

    /// Rules of the service that were broken, for people.
    pub fn violations(&self) -> Vec<String> {
        self.world.lock().record.violations().to_vec()
    }

    /// Fails the test if any rule was broken.
    ///
    /// # Panics
    ///
    /// Then, with the list.
    #[track_caller]
    pub fn assert_no_violations(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "rules of the service were broken: {violations:#?}");
    }

    /// Makes the service do something wrong; see [`Fault`].
    pub fn inject(&self, fault: Fault) {
        self.world.lock().faults.add(fault);
    }

    /// Forgets the faults that have not struck, and those that go on. Locks stay.
    pub fn clear_faults(&self) {
        self.world.lock().faults.clear();
    }

    /// Whether callers are locked out at this moment.
    pub fn is_locked(&self) -> bool {
        self.world.lock().limits.is_locked(instant())
    }

    /// Ends a lock at once.
    pub fn unlock(&self) {
        self.world.lock().limits.unlock();
    }

    /// As if nobody had called for longer than any rule about the pace of calls reaches back.
    /// Locks stay.
    pub fn forget_calls(&self) {
        self.world.lock().limits.forget_calls();
    }

    /// Other limits and habits from now on. What was counted stays counted.
    pub fn set_rules(&self, rules: Rules) {
        self.world.lock().rules = rules;
    }

    /// Whether what a careful client never does is no violation from now on:
    /// [`Rules::trials_tolerated`].
    pub fn tolerate_trials(&self, tolerated: bool) {
        self.world.lock().rules.trials_tolerated = tolerated;
    }

    /// Whether somebody downloads elsewhere from now on: [`Rules::other_location_active`].
    pub fn set_other_location(&self, active: bool) {
        self.world.lock().rules.other_location_active = active;
    }

    /// Whether downloads need CDN credits from now on: [`Rules::downloads_need_cdn`].
    pub fn set_downloads_need_cdn(&self, needed: bool) {
        self.world.lock().rules.downloads_need_cdn = needed;
    }

    /// No key is accepted any more.
    pub fn revoke_key(&self) {
        self.world.lock().key = None;
    }

    /// Another key is the right one; [`Emulator::api_key`] stays the first.
    pub fn set_key(&self, key: &str) {
        self.world.lock().key = Some(key.to_owned());
    }

    /// How far the service's clock is ahead of this machine's from now on; negative is behind. It
    /// is told in the `Date` of every reply and in the dates of what is uploaded, copied or made.
    /// Limits and lifetimes do not change with it.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.world.lock().clock.ahead_s = seconds;
    }

    /// The address of the account's user: another account.
    pub fn set_email(&self, email: &str) {
        self.world.lock().email = email.to_owned();
    }

    /// Another subscription.
    pub fn set_offer(&self, offer: Offer) {
        self.world.lock().offer = offer;
    }

    /// Whether the account may upload; nodes refuse files if not.
    pub fn set_upload_forbidden(&self, forbidden: bool) {
        self.world.lock().upload_forbidden = forbidden;
    }

    /// Stops, and returns when the ports are free.
    pub async fn stop(mut self) {
        if let Some(runtime) = self.engine.0.take() {
            let ended = tokio::task::spawn_blocking(move || {
                runtime.shutdown_timeout(Duration::from_secs(2));
            });
            if let Err(error) = ended.await {
                tracing::warn!("the emulator did not end well: {error}");
            }
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("api_url", &self.api_url()).finish_non_exhaustive()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Err(error) = self.world.save() {
            tracing::warn!("the emulator's index is not saved: {error}");
        }
    }
}

/// The runtime that the service runs on.
#[derive(Debug)]
pub(crate) struct Engine(Option<Runtime>);

impl Engine {
    fn start() -> io::Result<Engine> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("emulator")
            .enable_all()
            .build()?;
        Ok(Engine(Some(runtime)))
    }

    /// Serves a socket until the runtime ends. Inside, where there is none, nothing is served.
    pub(crate) fn listen<F>(
        &self,
        listener: StdListener,
        serve: impl FnOnce(TcpListener) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(runtime) = &self.0 else { return Ok(()) };
        let _entered = runtime.enter();
        let serving = serve(TcpListener::from_std(listener)?);
        runtime.spawn(serving);
        Ok(())
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(work);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A runtime must not be waited for where it may be dropped: in another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

async fn save_now_and_then(world: Arc<World>) {
    if !world.storage.is_kept() {
        return;
    }
    loop {
        tokio::time::sleep(SAVE_EVERY).await;
        let saving = Arc::clone(&world);
        match tokio::task::spawn_blocking(move || saving.save()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the emulator's index is not saved: {error}"),
            Err(_ended) => return,
        }
    }
}
