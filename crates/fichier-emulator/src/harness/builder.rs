//! Starting an emulated service, with sockets or without.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::emulator::Emulator;
use crate::base::{Clock, Numbers, instant};
use crate::net::{self, Engine, Front, inside};
use crate::rules::Rules;
use crate::storage::Storage;
use crate::world::{State, World};

/// How often the index of [`Storage::Folder`] is written, if something has changed.
const SAVE_EVERY: Duration = Duration::from_millis(200);

/// The settings of a service that is to be started; [`Emulator::builder`] begins with defaults.
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
    /// Sets limits and habits. The default is the published limits and the safest assumptions.
    #[must_use]
    pub fn rules(self, rules: Rules) -> Builder {
        Builder { rules, ..self }
    }

    /// Sets where contents are kept. The default is memory.
    #[must_use]
    pub fn storage(self, storage: Storage) -> Builder {
        Builder { storage, ..self }
    }

    /// Sets whether to serve HTTPS under the service's own names, with an authority and a proxy to
    /// reach them.
    #[must_use]
    pub fn tls(self, tls: bool) -> Builder {
        Builder { tls, ..self }
    }

    /// Sets the address of the API. The default is a free port of 127.0.0.1. Nodes, downloads and
    /// the proxy take free ports of the same host.
    #[must_use]
    pub fn listen(self, listen: SocketAddr) -> Builder {
        Builder { listen, ..self }
    }

    /// Sets the account's key. The default is one that is the same each time.
    #[must_use]
    pub fn key(self, key: &str) -> Builder {
        Builder { key: key.to_owned(), ..self }
    }

    /// Divides all the service's durations by this, instead of by [`Rules::time_scale`].
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
            (net::open_plain(self.listen, &engine, &world)?, None)
        };
        engine.spawn(save_now_and_then(Arc::clone(&world)));
        Ok(Emulator { world, key: self.key, places, front, engine })
    }

    /// Starts the service without sockets, threads and clocks of its own, for simulations: requests
    /// are handed to [`Emulator::answer`], and time is that of the runtime that asks, which may be
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
        let (places, engine) = (inside::places(), Engine::none());
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
