//! A faithful, strict 1fichier on loopback, for tests and demonstrations.
//!
//! Written from docs/api-notes.md alone: this crate depends on none of ours, so a misreading in
//! the client shows up as a failing test and cannot hide in its witness. Where the notes leave a
//! habit of the service open, there is a switch in [`Rules`].
//!
//! It is strict: the published limits are enforced, and a broken rule is answered as the service
//! answers it *and* kept in [`Emulator::violations`]. It records every request, so that tests can
//! assert how many requests a piece of work costs. It fails on command ([`Fault`]), and it lets
//! tests look into the account and change it without calls.
//!
//! ```text
//!   client ──► API ────► limits, key, faults ──► endpoint ──┐
//!          ──► node ───► multipart ──► hash, storage ───────┼──► account: folders and files
//!          ──► download ◄── token ──────────────────────────┘
//! ```
//!
//! Any reply can come in another form than the documented one ([`Reshape`]): of one endpoint and, if
//! wanted, one field, once or always. A field is missing, null, of another type or in other letters;
//! a list is an object; the reply says OK alone, in French, with a byte-order mark, or labelled as
//! something else. `Fault::always("folder/ls.cgi", Action::Reshape(Reshape::Null("items".into())))`
//! is a service that never lists files. Pages in place of JSON, late and partial replies are
//! [`Action::DoItThenStatus`], [`Action::Delay`] and [`Action::Truncated`].
//!
//! With TLS it serves the service's own host names behind an HTTP CONNECT proxy, so that unchanged
//! clients, such as rclone, work against it.
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
//!
//! # The folders
//!
//! A folder uses only folders of the floors below its own, which `tests/tidy` checks, and of those
//! only what their root file names.
//!
//! | floor | folder | what is there |
//! |---|---|---|
//! | 8 | `harness` | starts the service, watches it and changes it: the interface for tests |
//! | 7 | `net` | the ways to the servers: sockets, TLS, the proxy, and one without sockets |
//! | 6 | `api` | the calls of the API, a file for each group of endpoints |
//! | 6 | `node` | the upload nodes: `upload.cgi` and `end.pl` |
//! | 6 | `download` | the download servers |
//! | 5 | `reply` | replies in the service's words; how they are delivered, spoiled or lost |
//! | 4 | `world` | all that the service knows, behind one lock: account, uploads, tokens |
//! | 3 | `rules` | limits, names, and the switches for unknown habits |
//! | 2 | `habits` | the answers to each question that the documentation leaves open |
//! | 2 | `faults` | what goes wrong because a test asked for it |
//! | 2 | `storage` | the bytes of files: in memory, in a folder, or hashed only |
//! | 1 | `base` | clock, dates, and numbers that look random |

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

pub use faults::{Action, Fault, Reshape};
pub use habits::{
    AtQuota, BadKeyOnNode, BatchExcess, Certificate, DotFolders, DownloadAddress, DownloadLeads,
    EmptyFile, EndPage, FloodAnswer, FolderTaken, FullFolder, HashLag, LongName, NameTaken,
    NamesChanged, NoHash, NodeRefusal, ProxyHabit, RemoveUnknown, WhileProcessing,
};
pub use harness::{Builder, Damage, Emulator, StoredFile};
pub use net::Front;
pub use rules::{Offer, Rules};
pub use storage::{ContentReader, Storage};
pub use world::Request;
