//! A typed client for the [1fichier.com](https://1fichier.com) API.
//!
//! It covers the whole published API, and knows the habits of the service that the publication
//! does not mention; `docs/api-notes.md` of the project says where each of them is known from.
//! The API needs a Premium or Access subscription, and a key from the page "Parameters" of the
//! service's console.
//!
//! # Contents
//!
//! * [A first call](#a-first-call): a key, a pacer, a client, a folder and its listing.
//! * [Calls](#calls): which method does what, and what it costs.
//! * [Files](#files): links and names; an upload that is checked, and the way back.
//! * [Errors](#errors): what to do about them, and what must not be repeated.
//! * [Secrets](#secrets): what never shows up in an error or a log.
//! * [The house](#the-house): the folders of this crate, for people who change it.
//!
//! # A first call
//!
//! Everything starts with an [`ApiKey`] and a [`Pacer`]. The service locks out programs that call
//! too fast, by address and by account; the pacer spaces the calls of all programs that share its
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
//! # Calls
//!
//! Every call is a method of [`Client`]:
//!
//! * Folders: [`list_folder`](Client::list_folder),
//!   [`list_folder_whole`](Client::list_folder_whole), [`make_folder`](Client::make_folder),
//!   [`move_folder`](Client::move_folder), [`rename_folder`](Client::rename_folder),
//!   [`remove_folder`](Client::remove_folder), [`share_folder`](Client::share_folder).
//! * Files, listed or described: [`list_files`](Client::list_files),
//!   [`list_account`](Client::list_account), [`file_info`](Client::file_info),
//!   [`scan_file`](Client::scan_file).
//! * Files in batches: [`move_files`](Client::move_files),
//!   [`move_and_rename_file`](Client::move_and_rename_file),
//!   [`rename_files`](Client::rename_files), [`copy_files`](Client::copy_files),
//!   [`remove_files`](Client::remove_files), [`change_attributes`](Client::change_attributes).
//! * Uploads: [`open_upload`](Client::open_upload), [`send_files`](Client::send_files),
//!   [`upload_result`](Client::upload_result).
//! * Downloads: [`download`](Client::download), [`resume_download`](Client::resume_download),
//!   [`download_url`](Client::download_url).
//! * The account: [`account`](Client::account), [`set_account`](Client::set_account).
//! * The rest: remote uploads, FTP and vouchers: [`remote_uploads`](Client::remote_uploads),
//!   [`ftp_users`](Client::ftp_users), [`vouchers`](Client::vouchers) and their neighbours.
//!
//! Each method says how many calls it costs, and calls are scarce: one a second by default, a
//! listing every three seconds, the same folder every thirty. A method *waits* for its turn, a
//! listing of the whole account up to an hour; wrap it in a timeout if that is too long. Work on
//! files goes in batches of up to [`MAX_LINKS_PER_CALL`].
//!
//! # Files
//!
//! A file is known by its link, [`FileUrl`]: links survive moves and renames, and names need not be
//! unique. Names travel encoded ([`names::RemoteName`]), as the service refuses some characters.
//!
//! An upload has three steps: a slot, one streamed request for up to [`MAX_FILES_PER_UPLOAD`]
//! files, and the question what was stored. The answer is compared with what was sent:
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
//! # Errors
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
//! `Debug` output: anybody who has a link can download the file.
//!
//! # The house
//!
//! A line for each folder, or file beside them, from the ground up. Each uses only those before it,
//! which a test holds (`tests/tidy/floors.rs`), and no two files need each other.
//!
//! | folder | what it has |
//! |---|---|
//! | `error`, `clock` | what can go wrong and what to do about it; what time it is |
//! | `hash` | Whirlpool, which the service reports, and BLAKE3, which is ours |
//! | [`names`] | local names as the service can keep them, and back |
//! | `link`, `key`, `types` | the identity of a file, the key of an account, and plain values |
//! | `wire` | replies: decoded, or told apart as refusals |
//! | `pace` | turns: when the next request may start, for all processes of an account |
//! | `transport` | the network: hosts, TLS, address family, HTTP, or a carrier instead of it |
//! | `client` | [`Client`]: key, connections and pace, and what may be repeated |
//! | `calls` | the endpoints of the API, a file for each group |
//! | `upload` | slot, form, body, result, and the comparison with what was sent |
//! | `download` | address, data, and the comparison with what was expected |
//! | `untrusted` | the way of a reply without a connection, for tests with hostile replies |
//!
//! Each folder's root lists what it offers, what may use it and what it may use. A new endpoint
//! goes to `calls`; a new fact about replies to `wire`; nothing but `transport` opens a connection,
//! and nothing but `wire` reads the service's words.

// A type of a reply that is not re-exported here could be used and not named.
#![warn(unnameable_types)]

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
pub use error::{Error, ErrorKind, HoldOffCause, Remedy};
pub use hash::{Fingerprint, InvalidDigest, Whirlpool};
pub use key::{ApiKey, InvalidKey};
pub use link::{FileUrl, InvalidFileUrl, RemovalCode};
pub use pace::{Answer, Counts, HoldOff, Lifted, PaceConfig, Pacer, Wait, Waiting};
pub use transport::{AddressFamily, BuildError, Carried, Carrier, ServiceClock, tls_config};
pub use types::{BatchOutcome, Copied, FolderId, FolderListing, RemoteFile, RemoteFolder};
pub use upload::{
    FileMark, MAX_FILE_BYTES, MAX_FILES_PER_UPLOAD, MAX_UPLOAD_BYTES, Matched, SendError, Sent,
    SentFile, Source, UploadFile, UploadResult, UploadSlot, UploadedFile, match_uploaded,
};
pub use wire::MAX_ROWS_PER_LISTING;
