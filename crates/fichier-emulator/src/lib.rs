//! A faithful, strict 1fichier on loopback, for tests and demonstrations.
//!
//! Written from docs/api-notes.md alone: this crate depends on none of ours, so a misreading in
//! the client shows up as a failing test and cannot hide in its witness. Where the notes leave a
//! habit of the service open, there is a switch in [`Rules`].
//!
//! It is strict: the published limits are enforced, and a broken rule is answered as the service
//! answers it *and* kept in [`Emulator::violations`]. It records every request, so that tests can
//! assert how many a piece of work costs. It fails on command ([`Fault`]), and it lets tests look
//! inside and meddle without calls.
//!
//! ```text
//!   client ──► API ────► limits, key, faults ──► endpoint ──┐
//!          ──► node ───► multipart ──► hash, storage ───────┼──► account: folders and files
//!          ──► download ◄── token ──────────────────────────┘
//! ```
//!
//! With TLS it serves the service's own host names behind an HTTP CONNECT proxy, so that clients
//! that nobody changed for it, such as rclone, work against it.
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use fichier_emulator::{Emulator, Rules};
//!
//! let emulator = Emulator::builder().rules(Rules::scaled(100)).start().await?;
//! println!("{} accepts {}", emulator.api_url(), emulator.api_key());
//! emulator.assert_no_violations();
//! # Ok(())
//! # }
//! ```

mod api;
mod base;
mod download;
mod faults;
mod habits;
mod harness;
mod net;
mod node;
mod reply;
mod rules;
mod storage;
mod world;

pub use faults::{Action, Fault};
pub use habits::{
    AtQuota, BadKeyOnNode, BatchExcess, Certificate, EmptyFile, FolderTaken, FullFolder, LongName,
    NameTaken, ProxyHabit, RemoveUnknown, WhileProcessing,
};
pub use harness::{Builder, Damage, Emulator, StoredFile};
pub use net::Front;
pub use rules::{Offer, Rules};
pub use storage::{ContentReader, Storage};
pub use world::Request;
