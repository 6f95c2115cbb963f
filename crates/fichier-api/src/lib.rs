//! A typed client for the 1fichier.com API.

mod account;
mod address;
mod attributes;
mod batch;
mod client;
mod dates;
mod digest;
mod download;
mod error;
mod file_list;
mod files;
mod folders;
mod form;
mod ftp;
mod key;
mod link;
mod matched;
pub mod names;
mod node_reply;
mod pace;
mod reader;
mod refusal;
mod remote_upload;
mod retry;
mod rows;
mod tls;
mod transport;
mod types;
mod upload;
mod upload_result;
mod vouchers;
mod wire;

pub use account::{Account, AccountSettings, Offer};
pub use attributes::{Access, Attributes};
pub use batch::MAX_LINKS_PER_CALL;
pub use client::{BuildError, Client, ClientBuilder};
pub use digest::{Fingerprint, InvalidDigest, Whirlpool};
pub use download::{DownloadOptions, DownloadUrl, Downloaded};
pub use error::{Error, ErrorKind, Remedy};
pub use file_list::{FileInfo, FileListing, SentBetween};
pub use folders::{SharedWith, Sharing};
pub use ftp::FtpUser;
pub use key::{ApiKey, InvalidKey};
pub use link::{FileUrl, InvalidFileUrl, RemovalCode};
pub use matched::{Matched, match_uploaded};
pub use pace::{HoldOff, PaceConfig, Pacer};
pub use remote_upload::{Fetched, RemoteUpload, RemoteUploadResult};
pub use rows::MAX_ROWS_PER_LISTING;
pub use types::{BatchOutcome, Copied, FolderId, FolderListing, RemoteFile, RemoteFolder};
pub use upload::{
    MAX_FILE_BYTES, MAX_FILES_PER_UPLOAD, MAX_UPLOAD_BYTES, SendError, Sent, SentFile, UploadFile,
    UploadSlot,
};
pub use upload_result::{UploadResult, UploadedFile};
pub use vouchers::{Voucher, VoucherCode};
