//! The name under which this installation signs its targets.
//!
//! Made from the machine's id and host name, so that a lost state file on the same machine finds
//! its own target again, and a second machine does not take it for its own (C08). Hashed, so
//! that the service does not learn the machine's id.

use std::fs;

/// Which machine this is, as [`id`] tells it; nothing on one without an identity of its own.
pub fn machine() -> Option<String> {
    let has_one = fs::read_to_string("/etc/machine-id").is_ok_and(|text| !text.trim().is_empty());
    has_one.then(id)
}

/// Twelve hex digits; the same on this machine as long as it keeps its identity.
pub fn id() -> String {
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut seed = format!("fichierd {} {host}", machine.trim()).into_bytes();
    if machine.trim().is_empty() {
        // Without an identity of its own the machine could not be told from another.
        let mut random = [0u8; 16];
        if getrandom::fill(&mut random).is_ok() {
            seed.extend(random);
        }
    }
    let hash = blake3::hash(&seed).to_hex();
    hash.as_str().chars().take(12).collect()
}
