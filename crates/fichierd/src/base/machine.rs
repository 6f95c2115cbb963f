//! The name under which this installation signs its targets.
//!
//! The name is made from the machine's id and host name: a machine that lost its state file finds
//! its own target again, and a second machine does not take that target for its own (C08). The name
//! is a hash, so that the service does not learn the machine's id.

use std::fs;

/// The [`id`] of this machine; `None` if the machine has no identity of its own
/// (`/etc/machine-id`).
pub fn machine() -> Option<String> {
    let has_one = fs::read_to_string("/etc/machine-id").is_ok_and(|text| !text.trim().is_empty());
    has_one.then(id)
}

/// The name of this machine: twelve hex digits, the same as long as the machine keeps its identity
/// and host name, and random at each call if it has no identity.
pub fn id() -> String {
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut seed = format!("fichierd {} {host}", machine.trim()).into_bytes();
    if machine.trim().is_empty() {
        // Without an identity this machine would get the same name as others.
        let mut random = [0u8; 16];
        if getrandom::fill(&mut random).is_ok() {
            seed.extend(random);
        }
    }
    let hash = blake3::hash(&seed).to_hex();
    hash.as_str().chars().take(12).collect()
}
