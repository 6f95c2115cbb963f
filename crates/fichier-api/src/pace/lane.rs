//! Which of the service's limits a request falls under.

use crate::types::FolderId;

/// Which of the service's limits a request falls under, besides that of all requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// None. Requests to upload nodes too (docs/api-notes.md, G.1 row 20).
    Call,
    /// The listing of one folder: one in 3 s, the same one in 30 s.
    Listing(FolderId),
    /// The listing of all files of the account: one an hour.
    WholeAccount,
    /// `user/info`: one in five minutes, and its answer is remembered for ten.
    Account,
    /// The start of the download of a small file: one in 500 ms, and no call of the API.
    SmallDownload,
}

impl Lane {
    /// Whether it is for calls, which keep the common pace and are counted.
    pub(crate) fn is_call(self) -> bool {
        match self {
            Lane::Call | Lane::Listing(_) | Lane::WholeAccount | Lane::Account => true,
            Lane::SmallDownload => false,
        }
    }
}
