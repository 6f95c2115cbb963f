//! One address family for all connections of a client.
//!
//! The service lets one location download at a time, and takes the IPv4 and the IPv6 address of one
//! machine for two: a client that changes between them is refused for minutes (docs/api-notes.md,
//! D, `#887`). So names are resolved here, and only addresses of one family come out.
//!
//! Addresses that are not names, such as that of an emulator on loopback, are used as they are.
//!
//! Invariant: as long as this machine has a route for the family in use, no connection by name
//! is of the other one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// An address that no host has (RFC 3849).
const DOCUMENTATION_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Which of the internet's two address families a client uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// IPv4 if this machine has a route for it, else IPv6. Kept until the route is gone.
    #[default]
    Auto,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// Resolves names to addresses of one family. Clones agree on which.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    fixed: Option<Family>,
    /// What was chosen last, where none is fixed.
    chosen: Arc<Mutex<Option<Family>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Resolver {
    pub(crate) fn new(wanted: AddressFamily) -> Resolver {
        let fixed = match wanted {
            AddressFamily::Auto => None,
            AddressFamily::V4 => Some(Family::V4),
            AddressFamily::V6 => Some(Family::V6),
        };
        Resolver { fixed, chosen: Arc::default() }
    }

    fn family(&self) -> Family {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        // Held for a few system calls that do not block, never across an `.await`.
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        let family = choose(*chosen, Family::has_route);
        *chosen = Some(family);
        family
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let family = self.family();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept = keep(found, family).map_err(|lack| format!("{} {lack}", name.as_str()))?;
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

/// The family to use, when `before` was used so far. A machine may get its IPv6 route seconds
/// before the other one: the first of the two is kept, since a change costs minutes.
fn choose(before: Option<Family>, has_route: impl Fn(Family) -> bool) -> Family {
    let mut in_order = before.into_iter().chain([Family::V4, Family::V6]);
    // Without any route only loopback works, and that is IPv4 nearly everywhere.
    in_order.find(|family| has_route(*family)).unwrap_or(Family::V4)
}

/// The addresses of `family`, or words for what the name lacks.
fn keep(
    found: impl Iterator<Item = SocketAddr>,
    family: Family,
) -> Result<Vec<SocketAddr>, &'static str> {
    let kept: Vec<_> = found.filter(|address| family.has(*address)).collect();
    match family {
        _ if !kept.is_empty() => Ok(kept),
        Family::V4 => Err("has no IPv4 address, and only IPv4 is used"),
        Family::V6 => Err("has no IPv6 address, and only IPv6 is used"),
    }
}

impl Family {
    fn has(self, address: SocketAddr) -> bool {
        match self {
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }

    /// Whether packets to the internet have a way to go. Connecting a UDP socket sends none; the
    /// addresses are reserved for documentation (RFC 5737, RFC 3849).
    fn has_route(self) -> bool {
        let (from, to): (IpAddr, IpAddr) = match self {
            Family::V4 => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
            Family::V6 => (Ipv6Addr::UNSPECIFIED.into(), DOCUMENTATION_V6.into()),
        };
        UdpSocket::bind((from, 0)).and_then(|socket| socket.connect((to, 9))).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use Family::{V4, V6};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[track_caller]
    fn check(found: &[&str], family: Family, expected: Result<&[&str], &'static str>) {
        let kept = keep(addresses(found).into_iter(), family);
        assert_eq!(kept, expected.map(addresses));
    }

    #[test]
    fn only_addresses_of_the_family_are_kept_in_their_order() {
        let both = ["[2001:db8::1]:0", "192.0.2.1:0", "[2001:db8::2]:0", "192.0.2.2:0"];
        check(&both, V4, Ok(&["192.0.2.1:0", "192.0.2.2:0"]));
        check(&both, V6, Ok(&["[2001:db8::1]:0", "[2001:db8::2]:0"]));
    }

    #[test]
    fn a_name_without_an_address_of_the_family_is_refused_in_plain_words() {
        check(&["192.0.2.1:0"], V6, Err("has no IPv6 address, and only IPv6 is used"));
        check(&["[2001:db8::1]:0"], V4, Err("has no IPv4 address, and only IPv4 is used"));
        check(&[], V4, Err("has no IPv4 address, and only IPv4 is used"));
    }

    #[test]
    fn ipv4_is_chosen_if_it_has_a_route_and_what_was_chosen_is_kept_as_long_as_it_has_one() {
        for (before, routes, expected) in [
            (None, &[V4, V6] as &[_], V4),
            (None, &[V6], V6),
            (None, &[], V4),
            (Some(V6), &[V4, V6], V6),
            (Some(V6), &[V4], V4),
            (Some(V4), &[V6], V6),
            (Some(V4), &[V4, V6], V4),
        ] {
            let chosen = choose(before, |family| routes.contains(&family));
            assert_eq!(chosen, expected, "{before:?} with routes for {routes:?}");
        }
    }

    #[test]
    fn what_is_wanted_is_used_whatever_the_routes() {
        assert_eq!(Resolver::new(AddressFamily::V4).family(), V4);
        assert_eq!(Resolver::new(AddressFamily::V6).family(), V6);
    }

    #[tokio::test]
    async fn localhost_resolves_within_its_family() {
        let resolver = Resolver::new(AddressFamily::V4);
        let mut found = resolver.resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(found.all(|address| address.is_ipv4()));
    }
}
