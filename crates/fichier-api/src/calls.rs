//! The endpoints of the API, one file for each group.
//!
//! A file has the request, the reply and the method of [`Client`](crate::Client) that goes with
//! them; each method says how many calls it costs and what its reply proves. Endpoints that carry
//! the contents of files are in `upload` and `download`.
//!
//! Used by `upload`, which removes files that a node stored for no account. Uses `client`, `pace`
//! for the lanes, `wire` and the values; it opens no connection by itself.

pub(crate) mod account;
mod attributes;
pub(crate) mod batch;
pub(crate) mod file_list;
pub(crate) mod files;
pub(crate) mod folders;
mod ftp;
mod remote_upload;
mod vouchers;
mod whole_folder;

pub use account::{Account, AccountSettings, Offer};
pub use attributes::{Access, Attributes};
pub use batch::MAX_LINKS_PER_CALL;
pub use file_list::{FileInfo, FileListing, SentBetween};
pub use folders::{SharedWith, Sharing};
pub use ftp::FtpUser;
pub use remote_upload::{Fetched, RemoteUpload, RemoteUploadResult};
pub use vouchers::{Voucher, VoucherCode};
