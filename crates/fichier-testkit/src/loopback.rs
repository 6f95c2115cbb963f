//! The guard: whatever a test configures, nothing that it starts reaches another machine.
//!
//! The tests use the service's own names in places, and its address is the program's default. A
//! test that leaves the emulator's address out, or a proxy variable of the person who runs the
//! tests, would otherwise lead to the real service. Three checks stand in between, each of which
//! panics:
//!
//! * a client in the process of a test is made by [`client`] or [`client_through`];
//! * a configuration is looked at by [`assert_configured_here`] before the program is started with
//!   it;
//! * a program is started with [`alone`] and [`assert_told_of_nothing_else`], so that it inherits
//!   no variable.

use std::path::Path;
use std::process::Command;

use fichier_api::{ApiKey, Client, ClientBuilder, Pacer};
use fichierd::config::Config;
use url::{Host, Url};

/// The variables that name a proxy, or what no proxy is used for; programs read them in lower and
/// in upper case.
const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/// Panics unless the host of an address such as `http://127.0.0.1:4000/v1` is this machine.
#[track_caller]
pub fn assert_leads_here(address: &str) {
    let url = Url::parse(address).unwrap_or_else(|error| panic!("`{address}`: {error}"));
    let is_here = match url.host() {
        Some(Host::Ipv4(host)) => host.is_loopback(),
        Some(Host::Ipv6(host)) => host.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    assert!(is_here, "`{address}` leads to another machine, which no test may reach");
}

/// A client of the API at this address, which is on this machine.
#[track_caller]
pub fn client(key: &str, pacer: Pacer, api_url: &str) -> ClientBuilder {
    assert_leads_here(api_url);
    Client::builder(ApiKey::new(key).unwrap(), pacer).api_url(api_url)
}

/// A client that asks for the service by its own names, through a proxy on this machine that leads
/// to the emulator and nowhere else. No variable of the environment makes it leave the proxy out.
#[track_caller]
pub fn client_through(proxy: &str, key: &str, pacer: Pacer) -> ClientBuilder {
    assert_leads_here(proxy);
    Client::builder(ApiKey::new(key).unwrap(), pacer).proxy(proxy)
}

/// Panics if the program would reach another machine with this configuration, as it does where
/// `api_url` is not set. One that the program refuses is left to the program.
#[track_caller]
pub fn assert_configured_here(config: &Path) {
    if let Ok(config) = Config::load(Some(config)) {
        assert_leads_here(&config.account.api_url);
    }
}

/// Lets a program inherit nothing but the path to other programs.
pub fn alone(command: &mut Command) {
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
}

/// Panics if the test gave the program a proxy that is on another machine, or a variable that
/// makes it leave a proxy out.
#[track_caller]
pub fn assert_told_of_nothing_else(command: &Command) {
    for (name, value) in command.get_envs() {
        let name = name.to_string_lossy().to_lowercase();
        let Some(value) = value.filter(|_| PROXY_VARIABLES.contains(&name.as_str())) else {
            continue;
        };
        assert_ne!(name, "no_proxy", "a program that leaves its proxy out may reach any machine");
        assert_leads_here(&value.to_string_lossy());
    }
}
