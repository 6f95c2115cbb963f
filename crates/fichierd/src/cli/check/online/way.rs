//! The way to the service: a proxy, the address of its name, a connection. TLS and the key are
//! tried by the first call.

use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::cli::check::Finding;

/// How long the address of a name, and each connection, is waited for; then it counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The variables that the client reads; the first that is set counts.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Tries the way to `api_url`, and ends with the first thing that fails.
pub(super) async fn look(api_url: &str) -> Vec<Finding> {
    let set =
        |name: &&'static str| Some((*name, std::env::var(name).ok().filter(|it| !it.is_empty())?));
    let is_plain = api_url.starts_with("http:");
    match PROXIES.iter().find_map(set).filter(|_| !is_plain) {
        Some((variable, proxy)) => {
            let remedy = format!("correct or unset {variable} (systemctl edit fichierd)");
            let shown = without_password(&proxy);
            let mut findings =
                vec![Finding::good("proxy", format!("proxy: {shown}, by {variable}"))];
            findings.extend(reach("proxy", &proxy, 8080, &remedy).await);
            findings
        }
        None => {
            let remedy =
                "look at the firewall and the route to it: ip route; nc -vz api.1fichier.com 443";
            reach("connection", api_url, if is_plain { 80 } else { 443 }, remedy).await
        }
    }
}

async fn reach(about: &'static str, url: &str, port: u16, remedy: &str) -> Vec<Finding> {
    let (host, port) = host_and_port(url, port);
    let resolver = "resolvectl query HOST; see /etc/resolv.conf".replace("HOST", &host);
    let found = match timeout(PATIENCE, lookup_host((host.as_str(), port))).await {
        Ok(Ok(found)) => found.collect::<Vec<_>>(),
        Ok(Err(error)) => {
            return vec![Finding::error(
                "dns",
                format!("no address for {host}: {error}"),
                resolver,
            )];
        }
        Err(_) => {
            let what = format!("no address for {host}: the resolver does not answer");
            return vec![Finding::error("dns", what, resolver)];
        }
    };
    let there = match found.len() {
        1 => "1 address".to_owned(),
        more => format!("{more} addresses"),
    };
    let mut findings = vec![Finding::good("dns", format!("{host} has {there}"))];
    let mut last = "it has no address".to_owned();
    for address in found {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                findings.push(Finding::good(about, format!("{address} can be reached")));
                return findings;
            }
            Ok(Err(error)) => last = format!("{address}: {error}"),
            Err(_) => last = format!("{address}: no answer"),
        }
    }
    findings.push(Finding::error(about, format!("{host} cannot be reached: {last}"), remedy));
    findings
}

/// The host and the port of an address, as it is written in settings and variables.
fn host_and_port(url: &str, default: u16) -> (String, u16) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let split = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map(|(host, port)| (host, port.trim_start_matches(':'))),
        None => authority.split_once(':'),
    };
    let (host, port) = split.unwrap_or((authority, ""));
    (host.to_owned(), port.parse().unwrap_or(default))
}

/// The address of a proxy without its password, to be shown.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Level;

    #[test]
    fn addresses_of_every_form_are_taken_apart() {
        let of = |url| host_and_port(url, 443);
        assert_eq!(of("https://api.1fichier.com/v1"), ("api.1fichier.com".to_owned(), 443));
        assert_eq!(of("http://127.0.0.1:8080/v1"), ("127.0.0.1".to_owned(), 8080));
        assert_eq!(of("https://[::1]:4430/v1"), ("::1".to_owned(), 4430));
        assert_eq!(of("user:pass@proxy:3128"), ("proxy".to_owned(), 3128));
    }

    #[test]
    fn the_password_of_a_proxy_is_not_shown() {
        assert_eq!(without_password("http://ann:secret@proxy:3128"), "http://proxy:3128");
        assert_eq!(without_password("proxy:3128"), "proxy:3128");
    }

    #[tokio::test]
    async fn a_name_without_an_address_and_a_closed_port_are_told_apart() {
        let found = look("http://name.invalid/v1").await;
        assert_eq!((found[0].about, found[0].level), ("dns", Level::Error), "{found:?}");
        assert!(found[0].remedy.as_ref().unwrap().contains("resolvectl query name.invalid"));
        // A port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let found = look(&format!("http://{free}/v1")).await;
        let last = found.last().unwrap();
        assert_eq!((last.about, last.level), ("connection", Level::Error), "{found:?}");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = look(&format!("http://{}/v1", listener.local_addr().unwrap())).await;
        assert!(found.iter().all(|finding| finding.level == Level::Ok), "{found:?}");
    }
}
