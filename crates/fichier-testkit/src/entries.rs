//! Everything that reads from outside, each behind one function that takes any bytes.
//!
//! The fuzz targets (`tests/fuzz`) and the ordinary test (`tests/hostile`) both call these, so that
//! they cannot drift apart. A function panics when something does not hold that must hold for
//! every input: no panic of the program, nothing unread taken for read, nothing unknown for
//! success, no path that leaves its folder, no secret in a text for people.
//!
//! Each function tells how it reads the bytes; the corpora are made so that people
//! can read them.

mod config;
mod crypt;
mod names;
mod pages;
mod patterns;
mod replies;
mod reshaped;
mod rows;
mod socket;
mod state;
mod times;

pub use config::config;
pub use crypt::{crypt_contents, crypt_names, rclone_conf};
pub use names::{names, rel_paths};
pub use pages::pages;
pub use patterns::patterns;
pub use replies::{node_replies, replies};
pub use reshaped::reshaped_replies;
pub use rows::listing_rows;
pub use socket::control_requests;
pub use state::{snapshots, state_rows};
pub use times::times;

/// A function that takes any bytes, and panics when something does not hold.
pub type Entry = fn(&[u8]);

/// Name and function of every entry; a fuzz target and a corpus have the same name.
pub const ALL: [(&str, Entry); 16] = [
    ("config", config),
    ("control_requests", control_requests),
    ("crypt_contents", crypt_contents),
    ("crypt_names", crypt_names),
    ("listing_rows", listing_rows),
    ("names", names),
    ("node_replies", node_replies),
    ("pages", pages),
    ("patterns", patterns),
    ("rclone_conf", rclone_conf),
    ("rel_paths", rel_paths),
    ("replies", replies),
    ("reshaped_replies", reshaped_replies),
    ("snapshots", snapshots),
    ("state_rows", state_rows),
    ("times", times),
];
