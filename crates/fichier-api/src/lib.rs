//! A typed client for the 1fichier.com API.

mod dates;
mod digest;
mod error;
mod key;
mod link;
pub mod names;
mod pace;
mod refusal;
mod retry;
mod types;
mod wire;

pub use digest::{Fingerprint, InvalidDigest, Whirlpool};
pub use error::{Error, ErrorKind, Remedy};
pub use key::{ApiKey, InvalidKey};
pub use link::{FileUrl, InvalidFileUrl, RemovalCode};
pub use pace::{HoldOff, PaceConfig, Pacer};
pub use types::{BatchOutcome, Copied, FolderId, FolderListing, RemoteFile, RemoteFolder};
