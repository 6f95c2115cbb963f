//! A typed client for the 1fichier.com API.

mod digest;
mod key;
mod link;
pub mod names;
mod types;

pub use digest::{Fingerprint, InvalidDigest, Whirlpool};
pub use key::{ApiKey, InvalidKey};
pub use link::{FileUrl, InvalidFileUrl, RemovalCode};
pub use types::{BatchOutcome, Copied, FolderId, FolderListing, RemoteFile, RemoteFolder};
