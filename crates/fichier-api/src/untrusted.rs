//! Replies of the service, read without a connection: for tests that make up hostile ones.
//!
//! Not part of the published interface. Each function is what the method of [`crate::Client`] does
//! with a reply that has come in whole, and shares its code: nothing is decided here. It is always
//! compiled, so that tests see the code that is shipped.

use jiff::Timestamp;

use crate::calls::{
    Account, FileInfo, FileListing, account, batch::Reported, file_list, files, files::MoveReply,
    folders,
};
use crate::download::TokenReply;
use crate::error::ErrorKind;
use crate::link::FileUrl;
use crate::names::RemoteName;
use crate::transport::{ApiAddress, service_clock};
use crate::types::{BatchOutcome, Copied, FolderId, FolderListing, RemoteFolder};
use crate::upload::{Node, UploadResult, UploadSlot, node_reply, result as upload_result};
use crate::wire::{Done, Reply, dates, refusal};

/// A reply that was read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The bytes that follow the headers.
    pub body: Vec<u8>,
}

impl Answer {
    /// To [`crate::Client::list_folder`].
    pub fn folder_listing(self, asked: FolderId) -> Result<FolderListing, ErrorKind> {
        Reply::from(self).decode::<folders::ListReply>().map(|reply| reply.counted(asked).listing)
    }

    /// To [`crate::Client::list_files`].
    pub fn file_listing(self) -> Result<FileListing, ErrorKind> {
        Reply::from(self).decode::<file_list::ListReply>().map(file_list::ListReply::into_listing)
    }

    /// To [`crate::Client::file_info`].
    pub fn file_info(self, asked: &FileUrl) -> Result<FileInfo, ErrorKind> {
        Reply::from(self).decode::<file_list::InfoReply>().map(|reply| reply.into_info(asked))
    }

    /// To [`crate::Client::account`].
    pub fn account(self) -> Result<Account, ErrorKind> {
        account::read(&self.into()).map(|(account, _)| account)
    }

    /// To [`crate::Client::make_folder`].
    pub fn new_folder(self, asked: &RemoteName) -> Result<RemoteFolder, ErrorKind> {
        Reply::from(self).decode::<folders::MakeReply>().map(|reply| reply.folder(asked))
    }

    /// To a call that has nothing to report, such as [`crate::Client::remove_folder`].
    pub fn done(self) -> Result<(), ErrorKind> {
        Reply::from(self).decode::<Done>().map(|_| ())
    }

    /// To [`crate::Client::move_files`].
    pub fn moved(self, asked: &[FileUrl]) -> Result<BatchOutcome, ErrorKind> {
        Reply::from(self).decode::<MoveReply>().map(|reply| reply.reported.outcome(asked))
    }

    /// To [`crate::Client::remove_files`].
    pub fn removed(self, asked: &[FileUrl]) -> Result<BatchOutcome, ErrorKind> {
        match Reply::from(self).decode::<Reported>() {
            Ok(reported) => Ok(reported.outcome(asked)),
            Err(kind) => files::removed_before(&kind, asked).ok_or(kind),
        }
    }

    /// To [`crate::Client::rename_files`].
    pub fn renamed(self, asked: &[(FileUrl, RemoteName)]) -> Result<BatchOutcome, ErrorKind> {
        match Reply::from(self).decode::<Reported>() {
            Ok(reply) => Ok(files::renamed(&reply, asked)),
            Err(kind) => files::renamed_before(&kind, asked).ok_or(kind),
        }
    }

    /// To [`crate::Client::copy_files`].
    pub fn copied(self, asked: &[FileUrl]) -> Result<Vec<Copied>, ErrorKind> {
        Reply::from(self).decode::<Reported>().map(|reply| files::copied(&reply, asked))
    }

    /// To [`crate::Client::open_upload`], of an API at `api_url`.
    pub fn upload_slot(self, api_url: &str) -> Result<UploadSlot, ErrorKind> {
        Reply::from(self).decode::<Node>()?.slot(&address(api_url)?)
    }

    /// To [`crate::Client::download_url`], of an API at `api_url`.
    pub fn download_address(self, api_url: &str) -> Result<url::Url, ErrorKind> {
        address(api_url)?.download(&Reply::from(self).decode::<TokenReply>()?.url)
    }

    /// Of a node, to the files of an upload: the id of the result.
    pub fn upload_id(self, asked: &url::Url) -> Result<String, ErrorKind> {
        node_reply::xid(&self.into(), asked)
    }

    /// To [`crate::Client::upload_result`].
    pub fn upload_result(self) -> Result<UploadResult, ErrorKind> {
        upload_result::read(&self.into())
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Reply {
        let Answer { status, content_type, location, retry_after, body } = answer;
        Reply { status, content_type, location, retry_after, body }
    }
}

/// A date in a reply.
pub fn date(text: &str) -> Option<Timestamp> {
    dates::parse(text)
}

/// A date in a request.
pub fn written_date(at: Timestamp) -> Option<String> {
    dates::format(at)
}

/// The header `Date`.
pub fn header_date(text: &str) -> Option<Timestamp> {
    service_clock::read(text)
}

/// A message of the service, as it is shown to people.
pub fn shown(message: &str) -> String {
    refusal::for_people(message)
}

fn address(api_url: &str) -> Result<ApiAddress, ErrorKind> {
    ApiAddress::parse(api_url).map_err(|error| ErrorKind::unexpected(error.to_string()))
}
