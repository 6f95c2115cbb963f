//! A typed client for the [1fichier.com](https://1fichier.com) API.
//!
//! It covers the whole published API, and knows the habits of the service that the publication
//! does not mention; `docs/api-notes.md` of the project says where each of them is known from.
//! The API needs a Premium or Access subscription, and a key from the page "Parameters" of the
//! service's console.
//!
//! # A first call
//!
//! Everything starts with an [`ApiKey`] and a [`Pacer`]. The service locks out whoever calls too
//! fast, by address and by account; the pacer spaces the calls of all programs that share its
//! memory. In these examples the service is an emulator on loopback, with a clock that runs a
//! hundred times faster: the two lines that say so are not needed otherwise.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use fichier_emulator::{Emulator, Rules};
//! use fichier_api::names::RemoteName;
//! use fichier_api::{ApiKey, Client, FolderId, PaceConfig, Pacer};
//!
//! # let memory = tempfile::tempdir()?;
//! # let path = memory.path().join("pace");
//! let emulator = Emulator::builder().rules(Rules::scaled(100)).start().await?;
//! let pace = PaceConfig { time_scale: 100, ..PaceConfig::default() };
//!
//! let key = ApiKey::new(emulator.api_key())?;
//! let pacer = Pacer::at(&path, pace)?;
//! let client = Client::builder(key, pacer).api_url(&emulator.api_url()).build()?;
//!
//! let photos = client.make_folder(FolderId::ROOT, &RemoteName::encode(b"photos")).await?;
//! let listing = client.list_folder(FolderId::ROOT).await?;
//! assert!(listing.complete);
//! assert_eq!(listing.folders, [photos]);
//! # emulator.assert_no_violations();
//! # Ok(())
//! # }
//! ```
//!
//! # What costs how much
//!
//! Each method says how many calls it costs, and calls are scarce: one a second by default, a
//! listing every three seconds, the same folder every thirty. A method *waits* for its turn, a
//! listing of the whole account up to an hour; wrap it in a timeout if that is too long. Work on
//! files goes in batches of up to [`MAX_LINKS_PER_CALL`].
//!
//! # Files
//!
//! A file is its link, [`FileUrl`]: links survive moves and renames, and names need not be
//! unique. Names travel encoded ([`names::RemoteName`]), as the service refuses some characters.
//!
//! An upload has three steps: a slot, one streamed request for up to [`MAX_FILES_PER_UPLOAD`]
//! files, and the question what was stored. What comes back is compared with what was sent:
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use fichier_emulator::{Emulator, Rules};
//! # use fichier_api::{ApiKey, Client, FolderId, PaceConfig, Pacer};
//! # use fichier_api::names::RemoteName;
//! use std::fs::File;
//!
//! use fichier_api::{UploadFile, UploadResult, match_uploaded};
//!
//! # let emulator = Emulator::builder().rules(Rules::scaled(100)).start().await?;
//! # let pacer = Pacer::in_memory(PaceConfig { time_scale: 100, ..PaceConfig::default() });
//! # let key = ApiKey::new(emulator.api_key())?;
//! # let client = Client::builder(key, pacer).api_url(&emulator.api_url()).build()?;
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("hello.txt");
//! # std::fs::write(&path, "Hello world\n")?;
//! # let folder = FolderId(emulator.add_folder("/photos"));
//! let size_bytes = path.metadata()?.len();
//! let name = RemoteName::encode(b"hello.txt");
//! let file = UploadFile::new(name, size_bytes, move || File::open(path));
//! let slot = client.open_upload().await?;
//! let sent = client.send_files(&slot, folder, vec![file], Default::default()).await?;
//! if let UploadResult::Ready(stored) = client.upload_result(&slot, Some(&sent.xid)).await? {
//!     let matched = match_uploaded(&sent.files, &stored);
//!     let url = matched.urls[0].clone().ok_or("stored, but not as it was sent")?;
//!
//!     let expect = (sent.files[0].size_bytes, sent.files[0].whirlpool);
//!     let mut content = Vec::new();
//!     client.download(&url, Some(expect), &mut content).await?;
//!     assert_eq!(content, b"Hello world\n");
//! }
//! # emulator.assert_no_violations();
//! # Ok(())
//! # }
//! ```
//!
//! # When something fails
//!
//! An [`Error`] says which call failed, how often it was tried, and what went wrong;
//! [`Error::remedy`] is the one thing to do about it. Calls that do no harm when they are done
//! twice have been repeated already, a few times within seconds. For the others two questions
//! matter: [`Error::outcome_unknown`], whether the service may have done it all the same, and for
//! uploads whether the body was complete ([`SendError`]). Never send the same again before asking
//! [`Client::upload_result`] or listing the folder.
//!
//! After a flood answer every call fails with [`ErrorKind::HeldOff`], and nothing is sent, until
//! the hold-off ends ([`Pacer::hold_off`]).
//!
//! # Secrets
//!
//! The key goes to the hosts of the service only. Neither it nor a link is in any error, nor in
//! `Debug` output: whoever has a link can download the file.

mod calls;
mod client;
mod clock;
mod download;
mod error;
mod hash;
mod key;
mod link;
pub mod names;
mod pace;
mod transport;
mod types;
#[doc(hidden)]
pub mod untrusted;
mod upload;
mod wire;

pub use calls::{
    Access, Account, AccountSettings, Attributes, Fetched, FileInfo, FileListing, FtpUser,
    MAX_LINKS_PER_CALL, Offer, RemoteUpload, RemoteUploadResult, SentBetween, SharedWith, Sharing,
    Voucher, VoucherCode,
};
pub use client::{Client, ClientBuilder, DownloadOptions};
pub use clock::Clock;
pub use download::{DownloadUrl, Downloaded};
pub use error::{Error, ErrorKind, Remedy};
pub use hash::{Fingerprint, InvalidDigest, Whirlpool};
pub use key::{ApiKey, InvalidKey};
pub use link::{FileUrl, InvalidFileUrl, RemovalCode};
pub use pace::{HoldOff, PaceConfig, Pacer};
pub use transport::{AddressFamily, BuildError, Carried, Carrier, ServiceClock};
pub use types::{BatchOutcome, Copied, FolderId, FolderListing, RemoteFile, RemoteFolder};
pub use upload::{
    FileMark, MAX_FILE_BYTES, MAX_FILES_PER_UPLOAD, MAX_UPLOAD_BYTES, Matched, SendError, Sent,
    SentFile, Source, UploadFile, UploadResult, UploadSlot, UploadedFile, match_uploaded,
};
pub use wire::MAX_ROWS_PER_LISTING;
