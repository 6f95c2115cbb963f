//! Clients of the emulated service.

use std::path::Path;
use std::time::Duration;

use fichier_api::{Client, PaceConfig, Pacer};
use fichier_emulator::Emulator;

use super::{Bench, TIME_SCALE};
use crate::loopback;

/// A way in which a client reaches the service, other than the usual one.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Another address of the API, such as that of a relay on this machine.
    pub api_url: Option<String>,
    /// The time for which a connection may be silent; then it is given up.
    pub stall_timeout: Option<Duration>,
}

impl Way {
    /// The usual way, but a connection that is silent for this long is given up.
    pub fn stalling(timeout: Duration) -> Way {
        Way { stall_timeout: Some(timeout), ..Way::default() }
    }

    /// Through this address of this machine.
    pub fn over(address: impl std::fmt::Display) -> Way {
        Way { api_url: Some(format!("http://{address}/v1")), ..Way::default() }
    }
}

impl Bench {
    /// From now on the service is reached in this way.
    pub fn reach(&mut self, way: &Way) {
        let pacer = self.shared.client.pacer().clone();
        self.shared.client = client_by(way, &self.emulator, pacer);
    }
}

/// A client whose pacer remembers in a state folder.
pub fn client(emulator: &Emulator, state_dir: &Path) -> Client {
    let pace = PaceConfig { calls_per_second: 3.0, time_scale: TIME_SCALE };
    let pacer = Pacer::at(&state_dir.join("pace"), pace).unwrap();
    client_by(&Way::default(), emulator, pacer)
}

/// A client that reaches the service in this way.
pub fn client_by(way: &Way, emulator: &Emulator, pacer: Pacer) -> Client {
    let key = emulator.api_key();
    let builder = match (emulator.ca_pem(), emulator.proxy_url(), &way.api_url) {
        (Some(ca), Some(proxy), None) => {
            loopback::client_through(&proxy, key, pacer).extra_root_pem(ca.into())
        }
        (_, _, Some(api_url)) => loopback::client(key, pacer, api_url),
        _ => loopback::client(key, pacer, &emulator.api_url()),
    };
    let builder = match way.stall_timeout {
        Some(timeout) => builder.stall_timeout(timeout),
        None => builder,
    };
    builder.build().unwrap()
}
